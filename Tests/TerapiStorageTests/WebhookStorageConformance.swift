import TerapiCore
import TerapiStorage
import Testing

@Suite(.timeLimit(.minutes(2)))
struct WebhookStorageConformance {
    @Test(arguments: Engine.allCases)
    func `takes everyone's first delivery before anyone's second, within each one's share`(
        engine: Engine
    ) async throws {
        let fixture = try await StorageFixture(engine)
        try await emit(["slow", "slow", "slow", "slow", "fast", "other"], in: fixture)

        let first = try await claim(fixture, limit: 10, perURL: 2)
        let held = try await claim(fixture, limit: 10, perURL: 4, busy: ["https://slow": 3])
        #expect(first.map(\.url) == ["https://slow", "https://fast", "https://other", "https://slow"])
        #expect(held.map(\.url) == ["https://slow"])
        #expect(try await claim(fixture, limit: 10, perURL: 2, busy: ["https://slow": 2]).isEmpty)
    }

    @Test(arguments: Engine.allCases)
    func `brings a delivery back when its claim runs out`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        try await emit(["a"], in: fixture)
        let claimed = try await claim(fixture)
        #expect(claimed.count == 1)
        #expect(try await claim(fixture).isEmpty)
        #expect(try await fixture.storage.nextDeliveryAt() == fixture.clock.now + .seconds(30))

        fixture.clock.advance(by: .seconds(30))
        #expect(try await claim(fixture).map(\.id) == claimed.map(\.id))
    }

    @Test(arguments: Engine.allCases)
    func `makes due again what another owner had taken, and nothing else`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        try await emit(["a", "b"], in: fixture)
        let dead = try #require(try await claim(fixture, limit: 1, owner: "dead").first)
        let own = try #require(try await claim(fixture, limit: 1, owner: "next").first)

        try await fixture.storage.releaseDeliveries(notOwnedBy: "next", now: fixture.clock.now)

        #expect(dead.id != own.id)
        #expect(try await claim(fixture, owner: "next").map(\.id) == [dead.id])
    }

    @Test(arguments: Engine.allCases)
    func `keeps the story of each event`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        try await emit(["a"], in: fixture)
        let delivery = try #require(try await claim(fixture).first)
        let now = fixture.clock.now
        func finish(_ number: Int, _ status: Int?, _ state: WebhookDelivery.State, next: Timestamp?) async throws {
            try await fixture.storage.finishAttempt(
                DeliveryAttempt(
                    number: number,
                    startedAt: now,
                    duration: .milliseconds(12),
                    status: status,
                    error: status == 200 ? nil : "refused"
                ),
                deliveryID: delivery.id,
                state: state,
                nextAttemptAt: next,
                breaker: .webhooks,
                now: now
            )
        }

        try await finish(1, 500, .pending, next: now + .seconds(5))
        #expect(try await claim(fixture).isEmpty)
        fixture.clock.advance(by: .seconds(5))
        let retried = try #require(try await claim(fixture).first)
        try await finish(2, 200, .delivered, next: nil)

        let story = try #require(try await fixture.storage.event(delivery.event.id, in: fixture.scope))
        #expect(retried.attempts == 1 && retried.event.body == delivery.event.body)
        #expect(story.deliveries[0].delivery.state == .delivered && story.deliveries[0].delivery.attempts == 2)
        #expect(story.deliveries[0].attempts.map(\.status) == [500, 200])
        #expect(story.deliveries[0].attempts.map(\.error) == ["refused", nil])
        #expect(try await fixture.storage.nextDeliveryAt() == nil)
        let other = try await fixture.storage.createEnvironment(
            name: "prod",
            signingKey: WebhookSignature.newSecret(),
            now: now
        )
        #expect(try await fixture.storage.event(delivery.event.id, in: other.scope) == nil)
        #expect(try await fixture.storage.events(in: other.scope, before: nil, limit: 9).isEmpty)
    }

    private func emit(_ hosts: [String], in fixture: StorageFixture) async throws {
        let claimed = try await fixture.claim()
        let events = hosts.map { host in
            WebhookEvent(
                scope: fixture.scope,
                connectionID: nil,
                kind: .sync,
                body: Array(host.utf8),
                urls: ["https://\(host)"],
                createdAt: fixture.clock.now
            )
        }
        try await fixture.storage.endRun(
            claimed,
            ending: RunEnding(status: .success, nextRunAt: nil, failures: 0),
            events: events,
            now: fixture.clock.now
        )
    }

    private func claim(
        _ fixture: StorageFixture,
        limit: Int = 10,
        perURL: Int = 10,
        busy: [String: Int] = [:],
        owner: String = "first"
    ) async throws -> [WebhookDelivery] {
        try await fixture.storage.claimDeliveries(
            limit: limit,
            perURL: perURL,
            busy: busy,
            owner: owner,
            leaseUntil: fixture.clock.now + .seconds(30),
            now: fixture.clock.now
        )
    }
}
