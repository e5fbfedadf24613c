import HTTPTypes
import Synchronization
import TerapiCore
import Testing

@testable import TerapiAPI

struct DeployRouteTests {
    struct Scenario: Sendable, CustomTestStringConvertible {
        var name: String
        var method: HTTPRequest.Method
        var uri: String
        var body: String?
        var status: Int
        var contains: [String] = []
        var excludes: [String] = []
        var paths: [[String]]?

        var testDescription: String { name }
    }

    private static func deployment(_ scripts: String, _ more: String = "") -> String {
        #"{"scripts":[\#(scripts)]\#(more)}"#
    }

    private static let script = #"{"provider_config_key":"zendesk","kind":"sync","name":"tickets","code":"1"}"#

    @Test(arguments: [
        Scenario(
            name: "shows the difference", method: .post, uri: "/sync/deploy/confirmation",
            body: deployment(script, #","prune":true"#), status: 200,
            contains: [
                #""environment":"dev","version":3"#,
                #""added":[{"provider_config_key":"zendesk","kind":"action","name":"open"}]"#,
                #""name":"tickets","changes":["code","models"]"#,
                #""deletes":{"connections":2,"records":{"Ticket":7}}"#, #""unchanged":4"#,
                #""unknown_integrations":["github"]"#,
            ],
            excludes: ["deployed"]
        ),
        Scenario(
            name: "deploys", method: .post, uri: "/sync/deploy", body: deployment(script), status: 200,
            contains: [#""version":4"#, #""previous_version":3"#, #""deployed":true"#]
        ),
        Scenario(
            name: "deploys nothing at all", method: .post, uri: "/sync/deploy", body: deployment(""), status: 200
        ),
        Scenario(
            name: "wants scripts", method: .post, uri: "/sync/deploy", body: "{}", status: 400, paths: [["scripts"]]
        ),
        Scenario(
            name: "names every wrong field of a script", method: .post, uri: "/sync/deploy",
            body: deployment(
                script + #",{"provider_config_key":"a/b","kind":"describe","name":"../x","language":"py","colour":1}"#
                    + #","text""#
            ),
            status: 400,
            paths: [
                ["scripts", "1", "provider_config_key"], ["scripts", "1", "kind"], ["scripts", "1", "name"],
                ["scripts", "1", "language"], ["scripts", "1", "code"], ["scripts", "1", "colour"],
                ["scripts", "2"], ["scripts", "2", "provider_config_key"], ["scripts", "2", "kind"],
                ["scripts", "2", "name"], ["scripts", "2", "code"],
            ]
        ),
        Scenario(
            name: "names a script that is there twice", method: .post, uri: "/sync/deploy",
            body: deployment(script + "," + script), status: 400, contains: ["zendesk/syncs/tickets is there twice"],
            paths: [["scripts", "1", "name"]]
        ),
        Scenario(
            name: "wants a version that can be", method: .post, uri: "/sync/deploy",
            body: deployment(script, #","expected_version":-1,"prune":"yes""#), status: 400,
            paths: [["prune"], ["expected_version"]]
        ),
        Scenario(
            name: "goes back", method: .post, uri: "/sync/deploy/rollback", body: "{}", status: 200,
            contains: [#""version":5"#, #""restored_version":2"#]
        ),
        Scenario(
            name: "wants a whole number to go back to", method: .post, uri: "/sync/deploy/rollback",
            body: #"{"version":"2"}"#, status: 400, paths: [["version"]]
        ),
        Scenario(
            name: "tells an unknown version", method: .post, uri: "/sync/deploy/rollback", body: #"{"version":99}"#,
            status: 404, contains: ["not_found"]
        ),
        Scenario(
            name: "lists deployments", method: .get, uri: "/sync/deploy", status: 200,
            contains: [
                #""version":4,"origin":"rollback","restored_version":2"#, #""in_force":true"#, #""in_force":false"#,
            ]
        ),
        Scenario(
            name: "lists functions by kind and words", method: .get,
            uri: "/integrations/zendesk/functions?type=action&search=TICK", status: 200,
            contains: [
                #""id":"zendesk/actions/create-ticket""#, #""source":"standalone""#,
                #""pagination":{"total":1,"page":0,"limit":20}"#,
                #""last_deployed":"2027-01-15T08:00:00.000000+00:00""#,
            ],
            excludes: ["code-canary"]
        ),
        Scenario(
            name: "lists functions page by page", method: .get, uri: "/integrations/zendesk/functions?page=1&limit=2",
            status: 200, contains: [#""total":3"#, "zendesk/on-events/welcome"], excludes: ["zendesk/syncs/tickets"]
        ),
        Scenario(
            name: "names a wrong filter of functions", method: .get,
            uri: "/integrations/zendesk/functions?type=cron&limit=101", status: 400, paths: [["type"], ["limit"]]
        ),
        Scenario(
            name: "shows a function", method: .get, uri: "/integrations/zendesk/functions/tickets?type=sync",
            status: 200, contains: [#""data":{"id":"zendesk/syncs/tickets""#, #""runs":"every 5 minutes""#]
        ),
        Scenario(
            name: "tells a function of another kind", method: .get,
            uri: "/integrations/zendesk/functions/tickets?type=action", status: 404, contains: ["not_found"]
        ),
        Scenario(
            name: "shows code", method: .get, uri: "/integrations/zendesk/functions/tickets/code", status: 200,
            contains: [#"{"type":"sync","code":"dev-canary"}"#]
        ),
        Scenario(
            name: "does not delete what came with a folder", method: .delete,
            uri: "/integrations/zendesk/functions/tickets", status: 400, contains: ["function_managed_by_deploy"]
        ),
        Scenario(
            name: "lists what ships, which is off", method: .get, uri: "/integrations/keyed/functions", status: 200,
            contains: [
                #""id":"keyed/actions/send-mail""#, #""enabled":false"#, #""source":"catalog""#, #""pre_built":true"#,
            ],
            excludes: ["code-canary"]
        ),
        Scenario(
            name: "shows the text of what ships", method: .get, uri: "/integrations/keyed/functions/send-mail/code",
            status: 200, contains: [#"{"type":"action","code":"as it ships"}"#]
        ),
        Scenario(
            name: "wants to know whether it is to be on", method: .patch,
            uri: "/integrations/keyed/functions/send-mail", body: #"{"enabled":"yes","name":"x"}"#, status: 400,
            paths: [["enabled"], ["name"]]
        ),
        Scenario(
            name: "switches nothing that is not there", method: .patch, uri: "/integrations/keyed/functions/other",
            body: #"{"enabled":true}"#, status: 404, contains: ["not_found"]
        ),
        Scenario(
            name: "lists what ships for a provider", method: .get, uri: "/providers/keyed/templates", status: 200,
            contains: [#"{"data":[{"name":"send-mail","type":"action","description":"Sends a mail""#],
            excludes: ["code-canary", "enabled", "keyed/actions"]
        ),
        Scenario(
            name: "knows no templates of an unknown provider", method: .get, uri: "/providers/nobody/templates",
            status: 404, contains: ["unknown_provider"]
        ),
        Scenario(
            name: "lists the standard models", method: .get, uri: "/models", status: 200,
            contains: [#""name":"ticket","version":"1.0.0""#, #""name":"sleep""#, "terapi:models/ticket"]
        ),
        Scenario(
            name: "shows a standard model", method: .get, uri: "/models/body", status: 200,
            contains: [#""weight_kg""#, #""x-ucum":"kg""#, "29463-7"], excludes: ["starts_at"]
        ),
        Scenario(
            name: "names the standard models", method: .get, uri: "/models/Tickets", status: 404,
            contains: ["activity, body, calendar_event"]
        ),
        Scenario(
            name: "compiles", method: .post, uri: "/functions/compile", body: #"{"code":"abc"}"#, status: 200,
            contains: [#"{"bundle_size_bytes":12,"bundled_js":"compiled abc","compiled_at":"#]
        ),
        Scenario(
            name: "wants to know what to try", method: .post, uri: "/functions/dryruns", body: #"{"type":null}"#,
            status: 400, paths: [["integration_id"], ["type"], ["code"], ["connection_id"]]
        ),
        Scenario(
            name: "begins a dryrun", method: .post, uri: "/functions/dryruns",
            body: #"{"integration_id":"zendesk","type":"sync","code":"1","connection_id":"c1","checkpoint":{"a":1}}"#,
            status: 202, contains: [#"{"id":"j-1","status":"waiting","created_at":"#]
        ),
        Scenario(
            name: "begins no dryrun on an unknown integration", method: .post, uri: "/functions/dryruns",
            body: #"{"integration_id":"nope","type":"sync","code":"1","connection_id":"c1"}"#, status: 404
        ),
        Scenario(
            name: "tells what became of a dryrun", method: .get, uri: "/functions/dryruns/j-1", status: 200,
            contains: [#""status":"success""#, #""result":{"saved":"dev-canary"}"#]
        ),
        Scenario(
            name: "keeps dryruns and deployments apart", method: .get, uri: "/functions/deployments/j-1", status: 404
        ),
        Scenario(
            name: "wants a name to deploy under", method: .post, uri: "/functions/deployments",
            body: #"{"integration_id":"zendesk","type":"sync","code":"1"}"#, status: 400, paths: [["name"]]
        ),
        Scenario(
            name: "gives a language model the actions", method: .get, uri: "/scripts/config?format=openai",
            status: 200,
            contains: [
                #"{"data":[{"type":"function","function":{"name":"create-ticket","description":"","#
                    + #""parameters":{"type":"object"}}},{"type":"function","function":{"name":"find_ticket","#
                    + #""description":"","parameters":{"type":"object","required":["id"],"properties":{"#
                    + #""id":{"type":"integer"},"open":{"type":"boolean"},"name":{"type":"string"},"#
                    + #""tags":{"type":"array","items":{"type":"integer"}}}}}}]}"#
            ],
            excludes: ["welcome", "tickets\""]
        ),
        Scenario(
            name: "knows two formats", method: .get, uri: "/scripts/config?format=yaml", status: 400,
            contains: ["terapi", "openai"], paths: [["format"]]
        ),
    ])
    func `answers about deployments and functions`(scenario: Scenario) async throws {
        let world = World()

        let answer = try await world.send(
            scenario.method, scenario.uri, bearer: world.devKey, body: scenario.body
        )

        #expect(answer.status == scenario.status, "\(answer.body)")
        for text in scenario.contains { #expect(answer.body.contains(text), "\(answer.body)") }
        for text in scenario.excludes { #expect(!answer.body.contains(text), "\(answer.body)") }
        if let paths = scenario.paths { #expect(answer.paths == paths, "\(answer.body)") }
    }

    @Test func `hands on what was sent`() async throws {
        let world = World()
        let body = """
            {"scripts":[{"provider_config_key":"zendesk","kind":"on-event","name":"hello","language":"ts","code":"c",
            "source_map":"m","modules":{"zod":"h"}}],"modules":{"h":"text"},"prune":true,"expected_version":3}
            """

        _ = try await world.send(.post, "/sync/deploy", bearer: world.devKey, body: body)

        let request = try #require(world.engine.state.withLock { $0.deployed.first })
        #expect(request.scope.environmentID == 1 && request.prunes && request.expectedVersion == 3)
        #expect(request.source == .repo && request.modules == ["h": "text"])
        let script = try #require(request.scripts.first)
        #expect(script.id == ScriptID(integrationKey: "zendesk", kind: .onEvent, name: "hello"))
        #expect(script.language == .typeScript && script.code == "c" && script.sourceMap == "m")
        #expect(script.modules == ["zod": "h"])
    }

    @Test(arguments: [true, false])
    func `switches what ships on and off`(isEnabled: Bool) async throws {
        let world = World()

        let answer = try await world.send(
            .patch, "/integrations/keyed/functions/send-mail?type=action", bearer: world.devKey,
            body: #"{"enabled":\#(isEnabled)}"#
        )

        #expect(answer.status == 200 && answer.body.contains("keyed/actions/send-mail"), "\(answer.body)")
        let switched = world.engine.state.withLock { $0.switched }
        #expect(switched.map(\.script.path) == ["keyed/actions/send-mail"] && switched[0].isEnabled == isEnabled)
    }

    @Test func `names every mistake of the scripts`() async throws {
        let world = World()
        world.engine.state.withLock { state in
            state.functionFailure = TerapiError(
                .invalidDefinition, "There are 2 mistakes in definitions.",
                issues: [
                    .init(code: "invalid_definition", message: "a/syncs/b.ts:1:1: expected models", path: []),
                    .init(code: "invalid_definition", message: "a/syncs/c.ts:2:7: expected frequency", path: []),
                ]
            )
        }

        let answer = try await world.send(
            .post, "/sync/deploy", bearer: world.devKey, body: Self.deployment(Self.script)
        )

        #expect(answer.status == 400 && answer.code == "invalid_definition")
        #expect(answer.body.contains("b.ts:1:1: expected models") && answer.body.contains("c.ts:2:7"))
    }

    @Test func `takes a larger body for a deployment than for anything else`() async throws {
        let world = World(configuration: APIConfiguration(maxBodyBytes: 1_000, maxDeployBytes: 10_000))
        let code = String(repeating: "x", count: 5_000)
        let script = #"{"provider_config_key":"zendesk","kind":"sync","name":"tickets","code":"\#(code)"}"#

        let deployed = try await world.send(
            .post, "/sync/deploy", bearer: world.devKey, body: Self.deployment(script)
        )
        let compiled = try await world.send(
            .post, "/functions/compile", bearer: world.devKey, body: #"{"code":"\#(code)"}"#
        )
        let larger = try await world.send(
            .post, "/sync/deploy", bearer: world.devKey, body: Self.deployment(script + "," + script)
        )

        #expect(deployed.status == 200)
        #expect(compiled.status == 413)
        #expect(larger.status == 413 && larger.body.contains("10000 bytes"))
        #expect(APIConfiguration().maxDeployBytes == 75_000_000)
    }

    @Test func `reads the fields of a model from its schema`() throws {
        let schema = try JSONReader.read(
            #"""
            {"type":"object","required":["id","tags"],"properties":{"id":{"type":"integer"},
            "tags":{"type":"array","items":{"type":"string"}},"owner":{"anyOf":[{"type":"string"},{"type":"null"}]},
            "extra":{}}}
            """#
        )

        let fields = ModelFields.of(schema).array ?? []

        #expect(fields.compactMap { $0["name"]?.string } == ["id", "tags", "owner", "extra"])
        #expect(fields.compactMap { $0["value"]?.string } == ["number", "string", "string", "any"])
        #expect(fields.compactMap { $0["array"]?.bool } == [false, true, false, false])
        #expect(fields.compactMap { $0["optional"]?.bool } == [false, false, true, true])
    }

    @Test func `tells two actions of one name apart for a language model`() {
        let functions = ["zendesk", "my app"].map { key in
            Function(
                definition: .action(ActionDefinition(integrationKey: key, name: "open", code: "")),
                facts: ScriptFacts(source: .repo, deployedAt: nil)
            )
        }

        let names = OpenAITools(functions).json["data"]?.array?.compactMap { $0["function"]?["name"]?.string }

        #expect(names == ["zendesk_open", "my_app_open"])
    }
}
