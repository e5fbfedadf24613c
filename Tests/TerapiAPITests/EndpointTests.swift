import HTTPTypes
import Synchronization
import TerapiCore
import Testing

@testable import TerapiAPI

struct EndpointTests {
    private static let zendesk = HTTPFields([("Provider-Config-Key", "zendesk"), ("Connection-Id", "c1")])
    private static let keyed = HTTPFields([("Provider-Config-Key", "keyed"), ("Connection-Id", "c1")])

    // MARK: Records

    @Test func `serves a sync's records at its own address, with everything that GET records takes`() async throws {
        let world = World()

        let answer = try await world.send(
            .get, "/v1/crm/tickets?limit=7&cursor=abc&filter=added&variant=eu&ids=1", bearer: world.devKey,
            headers: Self.zendesk
        )

        #expect(answer.status == 200 && answer.body.contains("dev-canary"))
        let query = try #require(world.storage.state.withLock { $0.lastQuery })
        #expect(query.model == "Ticket" && query.variant == "eu" && query.cursor == "abc" && query.limit == 7)
        #expect(query.actions == [.added] && query.ids == ["1"])
    }

    @Test(arguments: ["/v1/crm/tickets?model=Other", "/v1/crm/tickets?limit=0", "/v1/crm/tickets?x=1"])
    func `refuses a query that GET records would refuse`(uri: String) async throws {
        let world = World()

        let answer = try await world.send(.get, uri, bearer: world.devKey, headers: Self.zendesk)

        #expect(answer.status == 400 && answer.code == "invalid_query_params")
    }

    // MARK: Actions

    @Test func `gives an action the body, and the path's values by their types`() async throws {
        let world = World()

        let answer = try await world.send(
            .put, "/v1/tickets/7", bearer: world.devKey, headers: Self.keyed, body: #"{"open":true,"id":9}"#)

        #expect(answer.status == 200 && answer.body == #"{"made":1.0,"by":"dev-canary"}"#)
        let request = try #require(world.engine.state.withLock { $0.requests.first?.request })
        #expect(request.name == "find.ticket" && request.connectionID == "c1")
        #expect(request.input == ["open": true, "id": 7])
    }

    @Test(
        arguments: [
            ("/v1/tickets/7", ["id": 7]), ("/v1/tickets/seven", ["id": "seven"]), ("/v1/tickets/a%2Fb", ["id": "a/b"]),
            ("/v1/tickets/7?open=true&name=true", ["id": 7, "open": true, "name": "true"]),
            ("/v1/tickets/7?tags=1", ["id": 7, "tags": [1]]),
            ("/v1/tickets/7?tags=1&tags=x", ["id": 7, "tags": [1, "x"]]),
            ("/v1/tickets/7?open=maybe&other=1", ["id": 7, "open": "maybe", "other": "1"]),
            ("/v1/tickets/7/?id=8", ["id": 7]),
        ] as [(String, JSONValue)])
    func `reads an input from the query as its schema says`(uri: String, expected: JSONValue) async throws {
        let world = World()

        let answer = try await world.send(.get, uri, bearer: world.devKey, headers: Self.keyed)

        #expect(answer.status == 200, "\(answer.body)")
        #expect(world.engine.state.withLock { $0.requests.first?.request.input } == expected)
    }

    @Test func `runs an action by the queue where the headers ask for it`() async throws {
        let world = World()
        var headers = Self.zendesk
        headers[.isAsync] = "true"
        headers[.maxRetries] = "2"

        let answer = try await world.send(
            .post, "/v1/tickets", bearer: world.devKey, headers: headers, body: #"{"title":"a"}"#)

        #expect(answer.status == 202 && answer.headers[.location] == "/action/a-1")
        #expect(world.engine.state.withLock { $0.requests.first?.maxRetries } == 2)
    }

    @Test(
        arguments: [
            (.post, "/v1/crm/tickets", 405), (.delete, "/v1/tickets", 405), (.get, "/v1/nothing", 404),
            (.get, "/v1/crm", 404), (.get, "/v1/crm/tickets/7/8", 404), (.get, "/v1//crm/tickets", 400),
            (.get, "/v1/%ff", 400), (.get, "/v1/", 404), (.get, "/v1", 404), (.post, "/v1/tickets?a=1", 400),
        ] as [(HTTPRequest.Method, String, Int)])
    func `tells what is not offered`(method: HTTPRequest.Method, uri: String, status: Int) async throws {
        let world = World()

        let answer = try await world.send(method, uri, bearer: world.devKey, headers: Self.zendesk)

        #expect(answer.status == status, "\(answer.body)")
    }

    @Test(
        arguments: [
            (.get, "/v1/crm/tickets", .readRecords, .executeActions),
            (.post, "/v1/tickets", .executeActions, .readRecords),
        ] as [(HTTPRequest.Method, String, APIScope, APIScope)])
    func `asks for the scope of what is meant`(
        method: HTTPRequest.Method, uri: String, needed: APIScope, other: APIScope
    ) async throws {
        let world = World()

        let allowed = try await world.send(method, uri, bearer: world.key([needed]), headers: Self.zendesk)
        let refused = try await world.send(method, uri, bearer: world.key([other]), headers: Self.zendesk)

        #expect(allowed.status == 200)
        #expect(refused.status == 403 && refused.body.contains(needed.rawValue))
    }

    // MARK: The description

    @Test func `describes exactly what is offered`() async throws {
        let world = World()

        let answer = try await world.send(.get, "/v1/openapi.json", bearer: world.devKey)
        let document = try #require(answer.json)

        let paths = try #require(document["paths"]?.object)
        #expect(document["openapi"] == "3.1.0")
        #expect(
            Dictionary(paths.members.map { ($0.name, $0.value.object?.names ?? []) }) { first, _ in first } == [
                "/crm/tickets": ["get"], "/tickets": ["post"], "/tickets/{id}": ["get", "put"],
            ])
        let names = document["components"]?["schemas"]?.object?.names ?? []
        #expect(
            Set(names) == [
                "Error", "RecordMetadata", "Ticket", "Ticket.Person", "find.ticket.output", "find.ticket.input",
                "create-ticket.input",
            ])
        #expect(!answer.body.contains("code-canary"))
    }

    @Test func `types the records by their model, and leaves no reference without its place`() async throws {
        let world = World()

        let document = try #require(try await world.send(.get, "/v1/openapi.json", bearer: world.devKey).json)

        let schemas = try #require(document["components"]?["schemas"]?.object)
        let items = document["paths"]?["/crm/tickets"]?["get"]?["responses"]?["200"]?["content"]?["application/json"]?[
            "schema"]?["properties"]?["records"]?["items"]?["allOf"]?.array
        #expect(items?.first == ["$ref": "#/components/schemas/Ticket"])
        #expect(schemas["Ticket"]?["properties"]?["owner"] == ["$ref": "#/components/schemas/Ticket.Person"])
        // A served record has its metadata beside the model's members.
        #expect(schemas["Ticket"]?["additionalProperties"] == nil)
        #expect(schemas["Ticket"]?["$defs"] == nil && schemas["Ticket"]?["$schema"] == nil)
        for reference in Self.references(in: document) {
            let place = String(reference.dropFirst(2)).replacing("/", with: "\u{0}").split(separator: "\u{0}")
            let target = place.reduce(document as JSONValue?) { $0?[String($1)] }
            #expect(target != nil, "\(reference)")
        }
    }

    @Test func `leaves out of an input what stands in the path`() async throws {
        let world = World()

        let document = try #require(try await world.send(.get, "/v1/openapi.json", bearer: world.devKey).json)

        let get = document["paths"]?["/tickets/{id}"]?["get"]
        let parameters = (get?["parameters"]?.array ?? []).map {
            "\($0["in"]?.string ?? "") \($0["name"]?.string ?? "") \($0["required"] == true)"
        }
        #expect(
            parameters == [
                "header Provider-Config-Key true", "header Connection-Id true", "path id true", "query open false",
                "query name false", "query tags false",
            ])
        let input = document["components"]?["schemas"]?["find.ticket.input"]
        #expect(input?["properties"]?.object?.names == ["open", "name", "tags"])
        #expect(input?["required"] == nil)
    }

    @Test func `describes one integration where that is asked for`() async throws {
        let world = World()

        let one = try await world.send(.get, "/v1/openapi.json?provider_config_key=keyed", bearer: world.devKey)
        let none = try await world.send(.get, "/v1/openapi.json?provider_config_key=none", bearer: world.devKey)

        #expect(one.json?["paths"]?.object?.names == ["/tickets/{id}"])
        #expect(none.status == 400 && none.code == "unknown_provider_config")
    }

    private static func references(in value: JSONValue) -> [String] {
        switch value {
        case .array(let values): values.flatMap(references)
        case .object(let object):
            object.members.flatMap { name, value in
                name == "$ref" ? [value.string ?? ""] : references(in: value)
            }
        default: []
        }
    }
}
