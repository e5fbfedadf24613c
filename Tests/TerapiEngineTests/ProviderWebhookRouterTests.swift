import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

/// What becomes of an event that was kept.
@Suite(.timeLimit(.minutes(1)))
struct ProviderWebhookRouterTests {
    @Test
    func `runs the webhook function of the connection that the event names`() async throws {
        let fixture = try await WebhookFixture(subscriptions: ["ticket.*"])
        let bob = try await EngineFixture.connect(
            "bob", integration: fixture.base.integration, storage: fixture.storage,
            syncs: [EngineFixture.definition(webhookSubscriptions: ["ticket.*"])], now: fixture.base.clock.now)
        try await fixture.storage.setMetadata(
            ["account": 17], merge: true, connectionIDs: ["bob"], integrationKey: "desk", in: fixture.base.scope,
            now: fixture.base.clock.now)

        try await fixture.send(WebhookFixture.event("e-1"))
        try await fixture.send(#"{"type":"ticket.made","id":"e-2","account":17}"#)
        try await fixture.send(WebhookFixture.event("e-3", type: "user.changed"))
        try await fixture.work()

        let runs = fixture.seen.all
        #expect(Set(runs.map { $0.properties["connectionId"]?.string }) == ["alice", "bob"])
        #expect(runs.count == 2)
        #expect(runs.first { $0.properties["connectionId"] == "bob" }?.input?["account"] == 17)
        #expect(
            runs.first { $0.properties["connectionId"] == "alice" }?.properties["webhook"]
                == ["type": "ticket.changed", "id": "e-1"])
        #expect(try await fixture.kept().map(\.state) == [.done, .done, .done])
        #expect(bob.id != fixture.base.connection.id)
        let operations = fixture.base.log.operations(.incomingWebhook).filter { $0.id.hasPrefix("pwh_") }
        #expect(operations.map(\.state) == [.success, .success, .success])
        // All came at one moment of the test's clock.
        #expect(operations.compactMap(\.subject).sorted() == ["ticket.changed", "ticket.made", "user.changed"])
    }

    @Test
    func `takes a repetition for what it is, unless it is asked for`() async throws {
        let fixture = try await WebhookFixture()
        for _ in 0..<3 { try await fixture.send(WebhookFixture.event()) }
        #expect(try await fixture.work().count == 1)
        #expect(fixture.base.log.text.contains("1 had come before and did nothing."))

        let first = try #require(try await fixture.kept().last)
        let count = try await fixture.engine.providerWebhooks.replay(
            ProviderWebhookFilter(ids: [first.id], limit: 1), in: fixture.base.scope)

        #expect(count == 1)
        #expect(try await fixture.work().count == 2)
        // Without the provider's own id only the same content in a row is a repetition.
        let other = try await WebhookFixture { $0.id = nil }
        for state in ["open", "open", "closed", "open"] {
            other.base.clock.advance(by: .milliseconds(1))
            try await other.send(#"{"type":"t","account":"a-1","state":"\#(state)"}"#)
        }
        #expect(try await Set(other.work().map { $0["state"]?.string }) == ["open", "closed"])
        #expect(other.seen.all.count == 3)
    }

    @Test
    func `looks at each event of a request by itself`() async throws {
        let fixture = try await WebhookFixture { rule in
            rule.each = try WebhookExpression("body:$")
            rule.event = try WebhookExpression("item:type")
            rule.id = try WebhookExpression("item:id")
            rule.routes = [.init(value: try WebhookExpression("item:account"), match: .field("account"))]
        }

        try await fixture.send(
            #"[{"type":"t","id":"1","account":"a-1"},{"type":"t","id":"2","account":"nobody"},"#
                + #"{"type":"t","id":"3","account":"a-1"}]"#)
        #expect(try await Set(fixture.work().compactMap { $0["id"]?.string }) == ["1", "3"])
        #expect(try await fixture.kept().first?.state == .received)

        // The one that was lost is found when its connection is there, and the others are not repeated.
        try await fixture.storage.setConfig(
            ["account": "nobody"], row: fixture.base.connection.id, now: fixture.base.clock.now)
        fixture.base.clock.advance(by: .seconds(11))
        #expect(try await fixture.work().compactMap { $0["id"]?.string }.sorted() == ["1", "2", "3"])
        #expect(try await fixture.kept().first?.state == .done)
    }

    @Test
    func `keeps what matches no connection, and replays it`() async throws {
        let fixture = try await WebhookFixture()
        try await fixture.send(WebhookFixture.event(account: "unknown"))
        for _ in 0..<4 {
            #expect(try await fixture.work().isEmpty)
            fixture.base.clock.advance(by: .seconds(601))
        }
        let lost = try #require(try await fixture.kept(.unmatched).first)
        #expect(lost.error?.contains("No connection has the account unknown.") == true)
        #expect(lost.dueAt == nil && lost.attempts == 4)
        #expect(fixture.base.log.operations(.incomingWebhook).last?.state == .failed)

        try await fixture.storage.setConfig(
            ["account": "unknown"], row: fixture.base.connection.id, now: fixture.base.clock.now)
        let replayed = try await fixture.engine.providerWebhooks.replay(
            ProviderWebhookFilter(states: [.unmatched], limit: 100), in: fixture.base.scope)

        #expect(replayed == 1)
        #expect(try await fixture.work().count == 1)
        #expect(try await fixture.kept(.done).count == 1)
    }

    @Test
    func `does what follows from an event once, whenever the power goes`() async throws {
        let fixture = try await WebhookFixture()
        try await fixture.send(WebhookFixture.event())
        fixture.base.database.isDown = true
        await #expect(throws: (any Error).self) { try await fixture.work() }
        fixture.base.database.isDown = false

        let restarted = try fixture.base.restarted()
        #expect(try await restarted.providerWebhookWorker.runOnce() == 1)
        #expect(try await restarted.providerWebhookWorker.runOnce() == 0)
        #expect(try await restarted.actionWorker.runOnce() == 1)
        #expect(fixture.seen.all.count == 1)
    }

    // MARK: Forwards

    @Test
    func `passes an event on for its connection, with the provider's headers and our signature`() async throws {
        let fixture = try await WebhookFixture(subscriptions: [])
        try await fixture.send(
            WebhookFixture.event(),
            headers: [
                ("x-event", "ticket"), ("authorization", "hidden"), ("cookie", "hidden"), ("host", "hidden"),
                ("sec-fetch-mode", "hidden"), ("webhook-id", "theirs"), ("content-type", "text/plain"),
            ])
        try await fixture.work()
        try await fixture.engine.webhookSender.runOnce()

        let sent = try #require(fixture.base.endpoints.requests(to: EngineFixture.url).first)
        #expect(
            String(decoding: sent.body ?? [], as: UTF8.self)
                == #"{"connectionId":"alice","from":"desk","payload":{"account":"a-1","id":"e-1","n":1,"#
                + #""type":"ticket.changed"},"providerConfigKey":"desk","type":"forward"}"#)
        #expect(sent.header("x-event") == "ticket")
        #expect(sent.header("content-type") == "application/json")
        #expect(!sent.headers.contains { $0.value == "hidden" })
        let key = try await fixture.storage.signingKeys(in: fixture.base.scope, now: fixture.base.clock.now)[0]
        #expect(sent.isSigned(with: key.secret, now: fixture.base.clock.now))
        #expect(sent.headers.filter { $0.name == "webhook-id" }.count == 1)
        #expect(fixture.base.log.operations(.forwardedWebhook).map(\.state) == [.success])
    }

    @Test
    func `passes on what is nobody's exactly as it came, and nothing when the integration says so`() async throws {
        let fixture = try await WebhookFixture()
        try await fixture.send(#"{ "type":"a" , "id":"9"}"#, headers: [("content-type", "application/json")])
        try await fixture.work()
        try await fixture.engine.webhookSender.runOnce()
        let sent = try #require(fixture.base.endpoints.requests(to: EngineFixture.url).first)
        #expect(sent.body == Array(#"{ "type":"a" , "id":"9"}"#.utf8))
        #expect(try await fixture.kept(.unmatched).count == 1)

        let quiet = try await WebhookFixture()
        var integration = try #require(
            try await quiet.storage.integration(key: "desk", in: quiet.base.scope))
        integration.forwardsWebhooks = false
        try await quiet.storage.updateIntegration(integration)
        try await quiet.send(WebhookFixture.event())
        try await quiet.send(#"{"type":"a","id":"9"}"#)
        #expect(try await quiet.work().count == 1)
        try await quiet.engine.webhookSender.runOnce()
        #expect(quiet.base.endpoints.requests(to: EngineFixture.url).isEmpty)
    }

    // MARK: The end of an authorization

    @Test
    func `marks the connection whose end user has withdrawn the authorization`() async throws {
        let fixture = try await WebhookFixture { rule in
            rule.lifecycle.deauthorized = [try WebhookCondition("body:type==deauthorized")]
        }
        try await fixture.send(WebhookFixture.event("e-1", type: "ticket.changed"))
        try await fixture.work()
        #expect(try await fixture.storage.connection(row: fixture.base.connection.id)?.errors.isEmpty == true)

        for _ in 0..<2 { try await fixture.send(WebhookFixture.event("e-2", type: "deauthorized")) }
        try await fixture.work()

        let errors = try await fixture.storage.connection(row: fixture.base.connection.id)?.errors ?? []
        #expect(errors.map(\.kind) == [.auth])
        let told = try await fixture.base.events().filter { $0["type"] == "auth" }
        #expect(told.count == 1)
        #expect(told.first?["error"]?["type"] == "authorization_withdrawn")
    }

    /// A provider that repeats itself, or a person who replays what came last week, does not end what is new.
    @Test
    func `a repeated word of the end leaves alone who has connected again since`() async throws {
        let fixture = try await WebhookFixture { rule in
            rule.lifecycle.deauthorized = [try WebhookCondition("body:type==deauthorized")]
        }
        try await fixture.send(WebhookFixture.event("e-1", type: "deauthorized"))
        try await fixture.work()
        let row = fixture.base.connection.id
        #expect(try await fixture.storage.credentials(row: row)?.needsReconnect == true)
        fixture.base.clock.advance(by: .seconds(60))
        let connection = try #require(try await fixture.storage.connection(row: row))
        _ = try await fixture.storage.save(
            connection, replacing: .any, credentials: .oauth2(.init(accessToken: Secret("new"))),
            syncs: [], now: fixture.base.clock.now, event: { _, _ in nil }, scripts: { _ in nil }
        )
        #expect(try await fixture.storage.credentials(row: row)?.needsReconnect == false)

        _ = try await fixture.engine.providerWebhooks.replay(
            ProviderWebhookFilter(limit: 100), in: fixture.base.scope)
        try await fixture.work()
        #expect(try await fixture.storage.credentials(row: row)?.needsReconnect == false)
        try await fixture.send(WebhookFixture.event("e-1", type: "deauthorized"))
        try await fixture.work()

        #expect(try await fixture.storage.credentials(row: row)?.needsReconnect == false)
        // The control: a new word counts.
        try await fixture.send(WebhookFixture.event("e-9", type: "deauthorized"))
        try await fixture.work()
        #expect(try await fixture.storage.credentials(row: row)?.needsReconnect == true)
    }

    // MARK: Reading less

    @Test
    func `reads slowly while the provider pushes, and at its own frequency when it has stopped`() async throws {
        let fixture = try await WebhookFixture()
        let clock = fixture.base.clock
        let start = clock.now
        try await fixture.engine.syncWorker.runOnce()
        let regular = try #require(try await fixture.base.sync().nextRunAt)
        #expect(regular < start + .seconds(400))

        clock.advance(by: .seconds(60))
        try await fixture.send(WebhookFixture.event("e-1"))
        try await fixture.work()
        #expect(try await fixture.base.sync().nextRunAt == start + .seconds(6 * 3600))

        // Events go on: the reading after the safety interval is followed by another of that length.
        clock.advance(by: .seconds(6 * 3600 - 120))
        try await fixture.send(WebhookFixture.event("e-2"))
        try await fixture.work()
        let last = clock.now
        clock.advance(by: .seconds(120))
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        #expect(try await fixture.base.sync().nextRunAt == last + .seconds(6 * 3600))

        // None has come for so long: it reads, and goes on as if there were no pushing.
        clock.advance(by: .seconds(6 * 3600))
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        let next = try #require(try await fixture.base.sync().nextRunAt)
        #expect(next > clock.now && next < clock.now + .seconds(400))
    }

    @Test
    func `reads at once what a webhook function has failed to take`() async throws {
        let fixture = try await WebhookFixture()
        try await fixture.engine.syncWorker.runOnce()
        try await fixture.send(WebhookFixture.event("e-1"))
        try await fixture.work()
        #expect(try await fixture.base.sync().lastEventAt != nil)
        fixture.base.scripts.set { run in
            if run.invocation.properties["entry"] != nil { throw ScriptRun.actionError("no") }
        }

        try await fixture.send(WebhookFixture.event("e-2"))
        try await fixture.work()

        #expect(try await fixture.base.sync().lastEventAt == nil)
        #expect(try await fixture.base.sync().nextRunAt == fixture.base.clock.now)
    }

    @Test
    func `does not put off a first reading, nor a sync that takes no events`() async throws {
        let fixture = try await WebhookFixture()
        let due = try await fixture.base.sync().nextRunAt
        try await fixture.send(WebhookFixture.event())
        try await fixture.work()
        #expect(try await fixture.base.sync().nextRunAt == due)

        let other = try await WebhookFixture(subscriptions: [])
        try await other.engine.syncWorker.runOnce()
        let next = try await other.base.sync().nextRunAt
        try await other.send(WebhookFixture.event())
        try await other.work()
        #expect(try await other.base.sync().nextRunAt == next)
    }

    @Test
    func `lets a sync run at once that an event triggers, however many come`() async throws {
        let fixture = try await WebhookFixture(subscriptions: []) { rule in
            rule.triggers = [.init(event: "ticket.*", sync: "tickets"), .init(event: "user.*", sync: "nothing")]
        }
        try await fixture.engine.syncWorker.runOnce()
        for number in 0..<5 { try await fixture.send(WebhookFixture.event("e-\(number)")) }
        try await fixture.work()

        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
    }
}
