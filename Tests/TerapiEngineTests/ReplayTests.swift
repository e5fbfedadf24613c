import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

@Suite(.timeLimit(.minutes(1)))
struct ReplayTests {
    @Test
    func `sends what was delivered once more, under the same id`() async throws {
        let fixture = try await EngineFixture()
        let id = try await fixture.sendEvent()
        try await fixture.engine.webhookSender.runOnce()

        let outcome = try await fixture.engine.deliveries.replay(.events([id]), in: fixture.scope)

        #expect(outcome == ReplayOutcome(events: 1, deliveries: 1))
        #expect(try await fixture.engine.webhookSender.runOnce() == 1)
        #expect(fixture.endpoints.requests.map { $0.header("webhook-id") } == [id, id])
        #expect(try await states(of: id, fixture) == [.delivered, .delivered])
        #expect(fixture.log.operations(.webhookReplay).map(\.state) == [.success])
    }

    @Test
    func `gives what has failed for good its tries again`() async throws {
        let fixture = try await EngineFixture()
        fixture.endpoints.set(EngineFixture.url, status: 410)
        let id = try await fixture.sendEvent()
        try await fixture.engine.webhookSender.runOnce()
        #expect(try await states(of: id, fixture) == [.failed])
        fixture.endpoints.set(EngineFixture.url, status: 200)

        try await fixture.engine.deliveries.replay(.events([id]), in: fixture.scope)
        try await fixture.engine.webhookSender.runOnce()

        #expect(try await states(of: id, fixture) == [.failed, .delivered])
    }

    @Test
    func `hurries what still waits, and does not double it`() async throws {
        let fixture = try await EngineFixture()
        fixture.endpoints.set(EngineFixture.url, status: 500)
        let id = try await fixture.sendEvent()
        try await fixture.engine.webhookSender.runOnce()
        #expect(try await fixture.engine.webhookSender.runOnce() == 0)

        try await fixture.engine.deliveries.replay(.events([id]), in: fixture.scope)

        #expect(try await fixture.engine.webhookSender.runOnce() == 1)
        #expect(try await states(of: id, fixture) == [.pending])
        #expect(fixture.endpoints.requests.count == 2)
    }

    @Test
    func `leaves alone what somebody has in his hands`() async throws {
        let fixture = try await EngineFixture()
        let id = try await fixture.sendEvent()
        let taken = try await fixture.storage.claimDeliveries(
            limit: 10, perURL: 10, busy: [:], owner: "another", leaseUntil: fixture.clock.now + .seconds(60),
            now: fixture.clock.now
        )
        #expect(taken.count == 1)

        try await fixture.engine.deliveries.replay(.events([id]), in: fixture.scope)

        #expect(try await fixture.engine.webhookSender.runOnce() == 0)
    }

    @Test
    func `goes to the URLs that are set today`() async throws {
        let fixture = try await EngineFixture()
        fixture.endpoints.set(EngineFixture.url, status: 410)
        let id = try await fixture.sendEvent()
        try await fixture.engine.webhookSender.runOnce()
        var settings = fixture.environment.settings
        settings.primaryWebhookURL = "https://new.example/"
        settings.secondaryWebhookURL = "https://second.example/"
        try await fixture.storage.updateSettings(settings, in: fixture.scope)

        let outcome = try await fixture.engine.deliveries.replay(.events([id]), in: fixture.scope)
        try await fixture.engine.webhookSender.runOnce()

        #expect(outcome == ReplayOutcome(events: 1, deliveries: 2))
        #expect(
            Set(fixture.endpoints.requests.map(\.url).dropFirst()) == [
                "https://new.example/", "https://second.example/",
            ])
    }

    @Test(arguments: [true, false])
    func `sends a range of time again, all of it or what has not arrived`(undelivered: Bool) async throws {
        let fixture = try await EngineFixture()
        let start = fixture.clock.now
        fixture.endpoints.set(EngineFixture.url, status: 200)
        let early = try await fixture.sendEvent()
        try await fixture.engine.webhookSender.runOnce()
        fixture.clock.advance(by: .seconds(100))
        let arrived = try await fixture.sendEvents(3, to: [EngineFixture.url])
        while try await fixture.engine.webhookSender.runOnce() > 0 {}
        fixture.endpoints.set(EngineFixture.url, status: 410)
        let failed = try await fixture.sendEvents(3, to: [EngineFixture.url])
        while try await fixture.engine.webhookSender.runOnce() > 0 {}
        fixture.clock.advance(by: .seconds(100))
        let late = try await fixture.sendEvent()
        while try await fixture.engine.webhookSender.runOnce() > 0 {}
        fixture.endpoints.set(EngineFixture.url, status: 200)
        let before = fixture.endpoints.requests.count

        let outcome = try await fixture.engine.deliveries.replay(
            .range(from: start + .seconds(50), until: start + .seconds(200), undelivered: undelivered),
            in: fixture.scope
        )
        while try await fixture.engine.webhookSender.runOnce() > 0 {}

        let sent = fixture.endpoints.requests.dropFirst(before).map { $0.header("webhook-id") }
        #expect(Set(sent) == Set(undelivered ? failed : arrived + failed))
        #expect(outcome.events == sent.count && outcome.deliveries == sent.count)
        #expect(!sent.contains(early) && !sent.contains(late))
    }

    @Test
    func `goes through more events than one transaction takes`() async throws {
        let fixture = try await EngineFixture()
        let start = fixture.clock.now
        let count = DeliveryController.batchSize * 2 + 7
        // All at one moment: the place between two transactions is found by the id.
        try await fixture.sendEvents(count, to: [])

        let outcome = try await fixture.engine.deliveries.replay(
            .range(from: start, until: start + .seconds(1), undelivered: true), in: fixture.scope)

        #expect(outcome == ReplayOutcome(events: count, deliveries: count))
    }

    @Test
    func `has an endpoint tried again that is left alone`() async throws {
        let fixture = try await EngineFixture()
        fixture.endpoints.set(EngineFixture.url, status: 500)
        let ids = try await fixture.sendEvents(15, to: [EngineFixture.url])
        #expect(try await fixture.engine.webhookSender.runOnce() == 10)
        #expect(try await fixture.engine.webhookSender.runOnce() == 0)
        fixture.endpoints.set(EngineFixture.url, status: 200)

        try await fixture.engine.deliveries.replay(.events(ids), in: fixture.scope)

        // One finds out, the others follow.
        #expect(try await fixture.engine.webhookSender.runOnce() == 1)
        #expect(try await fixture.engine.webhookSender.runOnce() == 10)
        #expect(try await fixture.engine.webhookSender.runOnce() == 4)
    }

    @Test
    func `knows no events of another environment`() async throws {
        let fixture = try await EngineFixture()
        let id = try await fixture.sendEvent()
        let other = try await fixture.storage.createEnvironment(
            name: "prod", signingKey: WebhookSignature.newSecret(), now: fixture.clock.now)

        await expect(.notFound) { try await fixture.engine.deliveries.replay(.events([id]), in: other.scope) }
        let outcome = try await fixture.engine.deliveries.replay(
            .range(from: fixture.clock.now - .seconds(10), until: fixture.clock.now + .seconds(10), undelivered: false),
            in: other.scope
        )
        #expect(outcome == ReplayOutcome())
    }

    private func states(of id: String, _ fixture: EngineFixture) async throws -> [WebhookDelivery.State] {
        try await fixture.storage.event(id, in: fixture.scope)?.deliveries.map(\.delivery.state) ?? []
    }
}
