import Foundation
import TerapiCore
import TerapiScripts
import Testing

/// Runs every example of `docs/scripting.md`.
@Suite(.timeLimit(.minutes(1)))
struct ScriptingDocumentTests {
    struct Example: Sendable, CustomTestStringConvertible {
        var line: Int
        var code: String
        /// What the document says that it returns or saves.
        var answer: String?

        var testDescription: String { "line \(line)" }

        var kind: ScriptInvocation.Kind {
            code.contains("createSync(") ? .sync : code.contains("createOnEvent(") ? .onEvent : .action
        }

        /// What a webhook brings to its function, or the input of an action.
        var input: JSONValue {
            isWebhook
                ? ["action": "opened", "issue": ["id": 7, "title": "Seventh", "state": "open"]] : ["title": "Third"]
        }

        var properties: JSONObject {
            var properties: JSONObject = ["connectionId": "c-1", "providerConfigKey": "github", "provider": "github"]
            if isWebhook { properties["entry"] = "onWebhook" }
            return properties
        }

        private var isWebhook: Bool { code.contains("onWebhook:") }

        /// As one CommonJS module, which is what a bundler makes of it.
        var module: String {
            guard code.contains("export default") else {
                return "module.exports = require('nango').createAction({ exec: async (nango) => {\n\(code)\n} });"
            }
            let required = code.replacing(/import (\{[^}]*\}) from ('[^']*');/) { match in
                "const \(match.1) = require(\(match.2));"
            }
            return "const schema = {};\n" + required.replacing("export default", with: "module.exports.default =")
        }
    }

    static let examples: [Example] = {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/scripting.md")
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [] }
        var examples: [Example] = []
        var block: (language: Substring, line: Int, lines: [Substring])?
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if let open = block {
                if line == "```" {
                    let body = open.lines.joined(separator: "\n")
                    if open.language == "js" { examples.append(Example(line: open.line, code: body)) }
                    if open.language == "json" { examples[examples.count - 1].answer = body }
                    block = nil
                } else {
                    block?.lines.append(line)
                }
            } else if line.hasPrefix("```") {
                block = (line.dropFirst(3), index + 1, [])
            }
        }
        return examples
    }()

    @Test(arguments: examples)
    func `does what the document says`(example: Example) async throws {
        let functions = FakeFunctions(respond: Self.provider, answer: Self.server)
        let invocation = ScriptInvocation(
            environmentID: 1,
            kind: example.kind,
            name: "github/example",
            code: example.module,
            properties: example.properties,
            input: example.input,
            timeout: .seconds(20)
        )

        let result = try await ScriptFixture.result(of: invocation, functions: functions)

        guard let answer = example.answer else { return }
        var found = try JSONReader.read(Array(result.utf8))
        if example.kind == .sync {
            let saved = try Dictionary(grouping: functions.changes, by: \.model).mapValues { changes in
                try changes.flatMap(\.documents).map { try JSONReader.read(Array($0)) }
            }
            found = .object(JSONObject(saved.map { ($0.key, .array($0.value)) }))
        }
        #expect(found == (try JSONReader.read(Array(answer.utf8))), "\(found.text())")
    }

    @Test(arguments: [
        "get", "post", "put", "patch", "delete", "proxy", "paginate", "uncontrolledFetch", "batchSave", "batchUpdate",
        "batchDelete", "trackDeletesStart", "trackDeletesEnd", "deleteRecordsFromPreviousExecutions",
        "getRecordsByIds", "listRecords", "setMergingStrategy", "reportBackfill", "getCheckpoint", "saveCheckpoint",
        "clearCheckpoint",
        "getConnection", "getToken", "getMetadata", "updateMetadata", "setMetadata", "getIntegration",
        "getEnvironmentVariables", "getWebhookURL", "getFlowAttributes", "zodValidateInput", "ActionError",
        "triggerAction", "triggerSync", "startSync", "tryAcquireLock", "releaseLock", "releaseAllLocks", "log",
        "connectionId", "providerConfigKey", "provider", "variant", "lastSyncDate",
    ])
    func `has an example of every call`(name: String) {
        #expect(Self.examples.contains { $0.code.contains("nango.\(name)") })
    }

    private static let issues = [
        #"{"id":1,"title":"First","updated_at":"2026-01-01T00:00:00Z"}"#,
        #"{"id":2,"title":"Second","updated_at":"2026-01-02T00:00:00Z"}"#,
    ]

    private static let provider: @Sendable (ScriptRequest) async throws -> ScriptResponse = { request in
        let type = [(name: "content-type", value: "application/json")]
        func answer(_ text: String, status: Int = 200, headers: [(name: String, value: String)] = []) -> ScriptResponse
        {
            .json(text, status: status, headers: type + headers)
        }
        /// One issue a page, counted from 0.
        func page(_ index: Int, also: String = "") -> ScriptResponse {
            answer(#"{"list":[\#(issues.indices.contains(index) ? issues[index] : "")]\#(also)}"#)
        }
        let body = String(decoding: request.body ?? [], as: UTF8.self)
        switch "\(request.method) \(request.endpoint)" {
        case "GET /issues":
            return answer("[\(issues[0])]", headers: [("link", #"</issues?page=2>; rel="next""#)])
        case "GET /issues?page=2": return answer("[\(issues[1])]")
        case "GET /issues/1": return answer(issues[0])
        case "GET /issues/2": return answer(issues[1])
        case "POST /issues":
            return body == #"{"title":"Third"}"# ? answer(#"{"id":3}"#, status: 201) : answer("{}", status: 422)
        case "PATCH /issues/1", "PUT /issues/1/labels": return answer(body)
        case "DELETE /issues/1": return answer("", status: 204)
        case "POST /echo": return answer(body)
        case "POST /upload":
            let type = request.headers.first { $0.name == "content-type" }?.value ?? ""
            let isWhole = body.hasPrefix("--") && body.contains(#"filename="shot.png""#)
            return type.hasPrefix("multipart/form-data; boundary=") && isWhole
                ? answer("{}", status: 201) : answer("{}", status: 415)
        case "POST /graphql": return answer(#"{"data":{"viewer":{"login":"ada"}}}"#)
        case "GET /me", "GET https://status.example/me": return answer(#"{"login":"ada"}"#)
        case "GET /avatar": return ScriptResponse(status: 200, headers: [], body: [0x89, 0x50, 0x4E, 0x47])
        case "GET /by-cursor":
            return request.parameter("after") == "2" ? page(1) : page(0, also: #","meta":{"next":"2"}"#)
        case "GET /by-offset": return page(request.parameter("offset").flatMap { Int($0) } ?? 0)
        case "GET /by-page": return page((request.parameter("page").flatMap { Int($0) } ?? 0) - 1)
        case "GET /by-link": return page(0, also: #","next":"/by-link?page=2""#)
        case "GET /by-link?page=2": return page(1)
        default: return answer(#"{"message":"Not Found"}"#, status: 404)
        }
    }

    private static let server: @Sendable (String, [JSONValue]) async throws -> JSONValue = { name, arguments in
        switch name {
        case "getConnection": ["connection_config": ["subdomain": "acme"], "credentials": ["access_token": "t"]]
        case "getToken": "t"
        case "getMetadata": ["repo": "terapi"]
        case "getIntegration": ["unique_key": "github"]
        case "getEnvironmentVariables": [["name": "REGION", "value": "eu"]]
        case "getWebhookURL": "https://terapi.example/webhook"
        case "getCheckpoint": ["since": "2026-01-01T00:00:00Z"]
        case "getRecordsByIds": ["1": ["id": "1", "title": "First"]]
        case "listRecords":
            ["records": [["id": "1", "title": "First"], ["id": "2", "title": "Second"]], "next_cursor": .null]
        case "trackDeletesEnd": ["deletedKeys": ["3"]]
        case "triggerAction": ["id": 3]
        case "tryAcquireLock": true
        default: .null
        }
    }
}
