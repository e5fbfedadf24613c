import Synchronization
import TerapiCore
import TerapiScripts
import Testing

/// YAML files run as scripts against a provider in memory.
@Suite(.timeLimit(.minutes(1)))
struct DeclaredSyncTests {
    @Test
    func `reads on from the checkpoint and saves it after each page`() async throws {
        let functions = FakeFunctions(
            respond: { request in
                request.endpoint.hasSuffix("page=2")
                    ? .json(#"[{"node_id":3,"title":"c","state":"open","updated_at":"2026-03-01T00:00:00Z"}]"#)
                    : .json(
                        #"""
                        [{"node_id":1,"title":"a","state":"open","updated_at":"2026-02-01T00:00:00Z"},
                        {"node_id":2,"pull_request":{},"updated_at":"2026-02-02T00:00:00Z"}]
                        """#,
                        headers: [("link", #"<https://api.example/repositories/1/issues?page=2>; rel="next""#)]
                    )
            },
            answer: { name, _ in
                switch name {
                case "getMetadata": ["owner": "o/p", "repo": "r"]
                case "getCheckpoint": ["since": "2026-01-31T12:00:00Z"]
                default: .null
                }
            }
        )

        try await run(SyncFileTests.issues, functions: functions)

        #expect(
            functions.requests.map(\.endpoint) == [
                "/repos/o%2Fp/r/issues", "https://api.example/repositories/1/issues?page=2",
            ])
        #expect(functions.requests.first?.parameter("since") == "2026-01-31T11:59:59Z")
        #expect(functions.requests.first?.parameter("per_page") == "100")
        #expect(
            functions.documents == [
                #"{"id":"1","title":"a","status":"open"}"#, #"{"id":"3","title":"c","status":"open"}"#,
            ])
        #expect(
            functions.calls.filter { $0.hasPrefix("saveCheckpoint") } == [
                #"saveCheckpoint[{"since":"2026-02-02T00:00:00Z"}]"#,
                #"saveCheckpoint[{"since":"2026-03-01T00:00:00Z"}]"#,
            ])
    }

    @Test
    func `stops reading when a page could not be saved, and tells why`() async throws {
        let functions = FakeFunctions(
            respond: { request in
                let page = Int(request.parameter("page") ?? "") ?? 1
                return .json(#"{"items":[{"id":\#(page)}],"next":\#(page + 1)}"#)
            },
            change: { change in
                if change.ids == ["3"] { throw TerapiError(.storageUnavailable, "The disk is full.") }
            }
        )
        let file = """
            model: thing
            frequency: every hour
            request:
              endpoint: /things
              paginate: { type: cursor, cursor_path: next, cursor_name: page }
              response_path: items
            """

        let error = await #expect(throws: TerapiError.self) { try await run(file, functions: functions) }

        #expect(error?.code == .storageUnavailable)
        #expect(functions.ids == ["1", "2", "3"])
        // The page after the failed one had been read ahead, and the one after that while it was handed over.
        #expect(functions.requests.count <= 5)
    }

    @Test
    func `reads a store with tombstones, a next page header and a version tag`() async throws {
        let file = """
            model: contact
            frequency: every minute
            request:
              endpoint: /v1/buckets/crm/collections/contacts/records
              params: { _since: "${checkpoint.since}" }
              paginate: { type: link, header: next-page }
              response_path: data
            checkpoint: { since: "firstResponse.headers.etag.replaceAll('\\"', '')" }
            deleted: item.deleted
            """
        let functions = FakeFunctions(
            respond: { request in
                request.endpoint.hasPrefix("http")
                    ? .json(#"{"data":[{"id":"c","n":3}]}"#, headers: [("etag", #""99""#)])
                    : .json(
                        #"{"data":[{"id":"a","n":1},{"id":"b","deleted":true,"last_modified":5}]}"#,
                        headers: [("etag", #""42""#), ("next-page", "http://x.example/v1/next?_token=1")]
                    )
            },
            answer: { name, _ in name == "getCheckpoint" ? ["since": "17"] : .null }
        )

        try await run(file, functions: functions)

        #expect(functions.requests.first?.parameter("_since") == "17")
        #expect(
            functions.changes.map { "\($0.kind) \($0.ids)" } == [
                #"delete ["b"]"#, #"save ["a"]"#, #"save ["c"]"#,
            ])
        #expect(functions.calls.last == #"saveCheckpoint[{"since":"42"}]"#)
    }

    @Test
    func `drops a parameter without a value`() async throws {
        let file = """
            model: a
            frequency: every day
            request: { endpoint: /x, params: { since: "${checkpoint.since}", all: 1 } }
            checkpoint: { since: max(item.at) }
            """
        let functions = FakeFunctions(respond: { _ in .json(#"[{"id":1,"at":5},{"id":2,"at":4}]"#) })

        try await run(file, functions: functions)

        #expect(functions.requests.first?.query.map(\.name) == ["all"])
        #expect(functions.calls.last == #"saveCheckpoint[{"since":5}]"#)
    }

    @Test(arguments: [
        (#"[{"id":1}]"#, 200, true),
        ("<html>", 200, false),
        (#"{"error":"x"}"#, 200, false),
        (#"[{"id":1"#, 200, false),
        (#"[]"#, 500, false),
        (#"[{"name":"no id"}]"#, 200, false),
    ])
    func `ends a full read only after a complete one`(body: String, status: Int, isComplete: Bool) async throws {
        let file = "model: a\nfrequency: every day\nrequest: { endpoint: /x }\ntrack_deletes: true"
        let functions = FakeFunctions(respond: { _ in .json(body, status: status) })

        try? await run(file, functions: functions)

        #expect(functions.calls.dropFirst().first == #"trackDeletesStart["a"]"#)
        #expect(functions.calls.contains(#"trackDeletesEnd["a"]"#) == isComplete)
    }

    @Test(arguments: [
        ("map: { id: item.id, title: item.a.b.c }", "github/issues.yaml: map.title: "),
        ("where: item.a.b", "github/issues.yaml: where: "),
        ("where: item.(", "github/issues.yaml: where: "),
        ("checkpoint: { since: max(item.a.b) }", "github/issues.yaml: checkpoint.since: "),
        ("checkpoint: { since: response.headers.etag.x.y }", "github/issues.yaml: checkpoint.since: "),
    ])
    func `names file and key of an expression that fails`(line: String, expected: String) async throws {
        let functions = FakeFunctions(respond: { _ in .json(#"[{"id":1}]"#) })

        let error = await #expect(throws: TerapiError.self) {
            try await run("model: a\nfrequency: every day\nrequest: { endpoint: /x }\n\(line)", functions: functions)
        }

        #expect(error?.code == .scriptError)
        #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
    }

    private func run(_ text: String, functions: FakeFunctions) async throws {
        let file = try SyncFile(text, file: "github/issues.yaml", integrationKey: "github", name: "issues")
        var invocation = ScriptFixture.sync("")
        invocation.code = file.definition.code
        let host = ScriptFixture.host()
        defer { host.stop() }
        _ = try await host.run(invocation, functions: functions)
    }
}
