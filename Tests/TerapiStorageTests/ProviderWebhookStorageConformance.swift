import TerapiCore
import TerapiStorage
import Testing

@Suite(.timeLimit(.minutes(2)))
struct ProviderWebhookStorageConformance {
    private func webhook(_ fixture: StorageFixture, body: String = "{}", id: String? = nil) -> ProviderWebhook {
        ProviderWebhook(
            id: id ?? ProviderWebhook.newID(now: fixture.clock.now),
            scope: fixture.scope,
            integrationID: fixture.integration.id,
            integrationKey: "desk",
            request: ProviderWebhookRequest(
                method: "POST", url: "https://t.example/webhook/a/desk?x=1",
                headers: [.init("x-a", "1"), .init("x-a", "2")], body: Array(body.utf8)),
            claims: ["sub": "who"],
            receivedAt: fixture.clock.now,
            dueAt: fixture.clock.now
        )
    }

    private func run(_ fixture: StorageFixture, id: String = randomUUID()) -> ActionRun {
        ActionRun(
            id: id, scope: fixture.scope, connectionID: fixture.connection.id, kind: .webhook, name: "tickets",
            state: .waiting, input: Array(#"{"payload":1}"#.utf8), createdAt: fixture.clock.now)
    }

    private func settlement(
        _ webhook: ProviderWebhook,
        _ effects: [ProviderWebhookSettlement.Effect] = []
    ) -> ProviderWebhookSettlement {
        var done = webhook
        done.state = .done
        done.dueAt = nil
        done.types = ["a", "b"]
        done.handled = [0, 2]
        return ProviderWebhookSettlement(webhook: done, effects: effects)
    }

    @Test(arguments: Engine.allCases)
    func `keeps a request byte for byte, sealed`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        var kept = webhook(fixture)
        kept.request.body = [0, 255, 13, 10] + Array("the-canary".utf8)

        try await fixture.storage.store(kept)

        #expect(try await fixture.storage.dueProviderWebhooks(limit: 9, now: fixture.clock.now) == [kept])
        #expect(try await fixture.storage.providerWebhook(kept.id, in: fixture.scope) == kept)
        let stored = try await fixture.database.read { snapshot in
            try snapshot.first("select request from provider_webhook") { $0.bytes(0) }
        }
        #expect(stored?.firstRange(of: Array("the-canary".utf8)) == nil)
        #expect(try await fixture.storage.nextProviderWebhookAt() == fixture.clock.now)
    }

    @Test(arguments: Engine.allCases)
    func `writes all that follows from a webhook, or nothing`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let kept = webhook(fixture)
        try await fixture.storage.store(kept)
        var effect = ProviderWebhookSettlement.Effect()
        effect.runs = [run(fixture, id: "r-1"), run(fixture, id: "r-1")]

        await #expect(throws: (any Error).self) {
            try await fixture.storage.settle([settlement(kept, [effect])], now: fixture.clock.now)
        }
        #expect(try await fixture.storage.dueProviderWebhooks(limit: 9, now: fixture.clock.now).count == 1)
        #expect(try await fixture.storage.nextActionAt() == nil)

        effect.runs.removeLast()
        #expect(try await fixture.storage.settle([settlement(kept, [effect])], now: fixture.clock.now) == [0])
        let taken = try await fixture.storage.claimActions(limit: 9, busy: [:], owner: "me", now: fixture.clock.now)
        #expect(taken.map(\.id) == ["r-1"] && taken.first?.input == Array(#"{"payload":1}"#.utf8))
        let done = try #require(try await fixture.storage.providerWebhook(kept.id, in: fixture.scope))
        #expect(done.state == .done && done.types == ["a", "b"] && done.handled == [0, 2] && done.dueAt == nil)
    }

    @Test(arguments: Engine.allCases)
    func `leaves repetitions out`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        func settle(_ key: UInt8, content: [UInt8] = []) async throws -> Bool {
            let kept = webhook(fixture)
            try await fixture.storage.store(kept)
            var effect = ProviderWebhookSettlement.Effect(mark: .init(key: [key], content: content))
            effect.runs = [run(fixture)]
            return try await fixture.storage.settle([settlement(kept, [effect])], now: fixture.clock.now) == [0]
        }

        #expect(try await settle(1))
        #expect(try await !settle(1))
        #expect(try await settle(2))
        fixture.clock.advance(by: .seconds(6 * 86_400))
        #expect(try await !settle(1))
        fixture.clock.advance(by: .seconds(2 * 86_400))
        #expect(try await settle(1))
        // By content: only the last one of a place, and not for long.
        #expect(try await settle(3, content: [1]))
        #expect(try await !settle(3, content: [1]))
        #expect(try await settle(3, content: [2]))
        #expect(try await settle(3, content: [1]))
        fixture.clock.advance(by: .seconds(601))
        #expect(try await settle(3, content: [1]))
    }

    @Test(arguments: Engine.allCases)
    func `shows nothing of one environment in another, and replays nothing there`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let other = try await fixture.storage.createEnvironment(
            name: "prod", signingKey: WebhookSignature.newSecret(), now: fixture.clock.now)
        let kept = webhook(fixture)
        try await fixture.storage.store(kept)
        try await fixture.storage.settle([settlement(kept)], now: fixture.clock.now)
        let all = ProviderWebhookFilter(ids: [kept.id], limit: 9)

        #expect(try await fixture.storage.providerWebhooks(all, in: other.scope).isEmpty)
        let replayedThere = try await fixture.storage.replayProviderWebhooks(
            all, in: other.scope, now: fixture.clock.now)
        #expect(replayedThere == 0)
        #expect(try await fixture.storage.dueProviderWebhooks(limit: 9, now: fixture.clock.now).isEmpty)

        // The control.
        let replayed = try await fixture.storage.replayProviderWebhooks(
            all, in: fixture.scope, now: fixture.clock.now)
        #expect(replayed == 1)
        let due = try await fixture.storage.dueProviderWebhooks(limit: 9, now: fixture.clock.now)
        #expect(due.map(\.isReplay) == [true] && due.first?.handled == [])
    }

    @Test(arguments: Engine.allCases)
    func `finds connections by what they are known by now`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let bob = try await StorageFixture.connect(
            "bob", through: fixture.integration, storage: fixture.storage, now: fixture.clock.now)
        func found(_ name: String, _ value: String) async throws -> [String] {
            try await fixture.storage.connections(
                matching: .init(match: .field(name), value: value), integrationID: fixture.integration.id
            ).map(\.connectionID)
        }
        try await fixture.storage.setConfig(
            ["team.id": "T1", "n": 7, "list": ["T1"]], row: fixture.connection.id, now: fixture.clock.now)
        try await fixture.storage.setMetadata(
            ["n": "7"], merge: true, connectionIDs: ["bob"], integrationKey: "desk", in: fixture.scope,
            now: fixture.clock.now)

        #expect(try await found("team.id", "T1") == ["alice"])
        #expect(try await found("n", "7").sorted() == ["alice", "bob"])
        #expect(try await found("list", "T1").isEmpty)
        #expect(try await found("n", "8").isEmpty)
        try await fixture.storage.setConfig(["n": 8], row: fixture.connection.id, now: fixture.clock.now)
        #expect(try await found("n", "7") == ["bob"])
        #expect(try await found("n", "8") == ["alice"])
        _ = try await fixture.storage.deleteConnection("bob", integrationKey: "desk", in: fixture.scope)
        #expect(try await found("n", "7").isEmpty && bob.id > 0)
        let byID = try await fixture.storage.connections(
            matching: .init(match: .connectionID, value: "alice"), integrationID: fixture.integration.id)
        #expect(byID.map(\.connectionID) == ["alice"])
    }

    @Test(arguments: Engine.allCases)
    func `keeps registrations with their secrets sealed, and loses them with their connection`(engine: Engine)
        async throws
    {
        let fixture = try await StorageFixture(engine)
        var made = try await fixture.storage.createSubscription(
            WebhookSubscription(
                scope: fixture.scope, integrationID: fixture.integration.id, integrationKey: "desk",
                connectionID: fixture.connection.id, connectionName: "alice", secret: Secret("the-canary"),
                params: ["a": 1], isOurs: true, state: .pending, createdAt: fixture.clock.now))
        made.externalID = "x-1"
        made.renewAt = fixture.clock.now
        made.state = .active
        try await fixture.storage.updateSubscription(made)

        #expect(try await fixture.storage.subscription(made.id) == made)
        #expect(try await fixture.storage.subscription(token: made.token) == made)
        #expect(try await fixture.storage.subscription(token: Secret("other")) == nil)
        let known = try await fixture.storage.subscriptions(
            externalID: "x-1", integrationID: fixture.integration.id)
        #expect(known == [made])
        #expect(try await fixture.storage.subscriptionsToRenew(before: fixture.clock.now, limit: 9) == [made])
        #expect(try await fixture.storage.nextRenewalAt() == fixture.clock.now)
        let stored = try await fixture.database.read { snapshot in
            try snapshot.first("select document from webhook_subscription") { $0.bytes(0) }
        }
        #expect(stored?.firstRange(of: Array("the-canary".utf8)) == nil)
        #expect(stored?.firstRange(of: Array(made.token.reveal().utf8)) == nil)

        _ = try await fixture.storage.deleteConnection("alice", integrationKey: "desk", in: fixture.scope)
        #expect(try await fixture.storage.subscriptions(in: fixture.scope).isEmpty)
    }

    @Test(arguments: Engine.allCases)
    func `drops what is to be done for a connection that has gone meanwhile`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let kept = webhook(fixture)
        try await fixture.storage.store(kept)
        var effect = ProviderWebhookSettlement.Effect()
        effect.runs = [run(fixture)]
        _ = try await fixture.storage.deleteConnection("alice", integrationKey: "desk", in: fixture.scope)

        try await fixture.storage.settle([settlement(kept, [effect])], now: fixture.clock.now)

        #expect(try await fixture.storage.nextActionAt() == nil)
        #expect(try await fixture.storage.providerWebhook(kept.id, in: fixture.scope)?.state == .done)
    }
}
