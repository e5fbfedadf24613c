import TerapiCore
import TerapiScripts
import Testing

/// What a sync in YAML does with its provider's webhooks.
@Suite(.timeLimit(.minutes(1)))
struct DeclaredWebhookTests {
    private func file(_ webhook: String) -> String {
        """
        model: ticket
        frequency: every 5 minutes
        request:
          endpoint: /tickets
          params: { state: all, since: "${checkpoint.since}" }
          response_path: tickets
        checkpoint: { since: max(item.updated_at) }
        where: "!item.hidden"
        deleted: item.status === 'gone'
        map:
          id: String(item.id)
          title: item.title
        webhook:
        \(webhook.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n"))
        """
    }

    private func run(_ webhook: String, event: JSONValue, facts: JSONValue = [:], functions: FakeFunctions)
        async throws
    {
        let sync = try SyncFile(file(webhook), file: "desk/tickets.yaml", integrationKey: "desk", name: "tickets")
        let host = ScriptFixture.host()
        defer { host.stop() }
        _ = try await host.run(
            ScriptInvocation(
                environmentID: 1, kind: .sync, name: "desk/tickets", code: sync.definition.code,
                properties: ["entry": "onWebhook", "webhook": facts], input: event, timeout: .seconds(30)),
            functions: functions)
    }

    @Test
    func `takes the events that it names, and reads slowly as it says`() throws {
        let webhook = """
            events: [issues, "comment.*"]
            apply: event.ticket
            safety_frequency: every 2 hours
            """
        let sync = try SyncFile(file(webhook), file: "f.yaml", integrationKey: "desk", name: "tickets").definition

        #expect(sync.subscribes(to: "issues") && sync.subscribes(to: "comment.made") && !sync.subscribes(to: "push"))
        #expect(sync.safetyInterval == .seconds(7200))
        let all = try SyncFile(file("apply: event"), file: "f.yaml", integrationKey: "desk", name: "tickets").definition
        #expect(all.subscribes(to: "anything") && all.safetyInterval == .seconds(6 * 3600))
    }

    @Test(arguments: [
        ("events: a", "found 0"), ("apply: event\nfetch: { endpoint: /x }", "found 2"),
        ("fetch: { params: { a: b } }", "expected the key \"endpoint\" in request"),
        ("fetch: { endpoint: \"/x/${evnt.id}\" }", "expected ${checkpoint"),
        ("fetch: { endpoint: \"/x/${event.id}\" }\ndeleted: event.gone", "expected the key \"id\" in webhook"),
        ("apply: event\nsafety_frequency: sometimes", "expected a frequency"),
        ("aply: event", "expected one of events"),
    ])
    func `names what is wrong`(webhook: String, message: String) {
        let error = #expect(throws: TerapiError.self) {
            try SyncFile(file(webhook), file: "f.yaml", integrationKey: "desk", name: "tickets")
        }
        #expect(error?.issues.contains { $0.message.contains(message) } == true, "\(String(describing: error))")
    }

    @Test
    func `applies the record that came, by the rules of the sync`() async throws {
        let functions = FakeFunctions()
        let webhook = "apply: event.tickets"
        let event: JSONValue = [
            "tickets": [
                ["id": 1, "title": "one"], ["id": 2, "title": "two", "hidden": true], ["id": 3, "status": "gone"],
            ]
        ]

        try await run(webhook, event: event, functions: functions)

        #expect(functions.documents.contains(#"{"id":"1","title":"one"}"#))
        #expect(functions.documents.contains(#"{"id":"3"}"#))
        #expect(functions.ids.sorted() == ["1", "3"])
        #expect(functions.requests.isEmpty)
    }

    @Test
    func `deletes what the event says is gone`() async throws {
        let functions = FakeFunctions()
        let webhook = "apply: event.ticket\ndeleted: webhook.type === 'ticket.deleted'"

        try await run(
            webhook, event: ["ticket": ["id": 8]], facts: ["type": "ticket.deleted"], functions: functions)

        #expect(functions.documents == [#"{"id":"8"}"#])
        #expect(functions.ids == ["8"])
    }

    @Test
    func `fetches the one record that the event names`() async throws {
        let functions = FakeFunctions(respond: { _ in .json(#"{"ticket":{"id":7,"title":"seven"}}"#) })
        let webhook = "fetch: { endpoint: \"/tickets/${event.id}\", response_path: ticket }"

        try await run(webhook, event: ["id": "7/../8"], functions: functions)

        #expect(functions.requests.map(\.endpoint) == ["/tickets/7%2F..%2F8"])
        #expect(functions.requests.first?.parameter("state") == nil)
        #expect(functions.documents == [#"{"id":"7","title":"seven"}"#])
    }

    @Test(arguments: [404, 410])
    func `deletes what is gone before it could be fetched`(status: Int) async throws {
        let functions = FakeFunctions(respond: { _ in .json("{}", status: status) })
        let webhook = "fetch: { endpoint: \"/tickets/${event.id}\" }\nid: event.id"

        try await run(webhook, event: ["id": 7], functions: functions)

        #expect(functions.documents == [#"{"id":"7"}"#])
    }

    @Test
    func `reads the window that the event names`() async throws {
        let functions = FakeFunctions(respond: { _ in
            .json(#"{"tickets":[{"id":1,"title":"one"},{"id":2,"title":"two"}]}"#)
        })
        let webhook = "window: { params: { since: \"${webhook.from}\", until: \"${event.end}\" } }"

        try await run(
            webhook, event: ["end": 200], facts: ["type": "t", "from": 100], functions: functions)

        let request = try #require(functions.requests.first)
        #expect(request.endpoint == "/tickets" && request.parameter("state") == "all")
        #expect(request.parameter("since") == "100" && request.parameter("until") == "200")
        #expect(functions.ids == ["1", "2"])
        #expect(!functions.calls.contains { $0.hasPrefix("saveCheckpoint") })
    }

    @Test
    func `says which expression failed`() async throws {
        let error = await #expect(throws: TerapiError.self) {
            try await run("apply: event.a.b", event: [:], functions: FakeFunctions())
        }
        #expect(error?.message.contains("desk/tickets.yaml: webhook.apply:") == true)
    }
}
