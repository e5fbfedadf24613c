import Synchronization
import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

@Suite(.timeLimit(.minutes(1)))
struct EndpointBreakerTests {
    private static let never = EndpointBreaker(threshold: .max, firstPause: .seconds(1), longestPause: .seconds(1))

    @Test
    func `leaves an endpoint alone after ten failures, asks one at a time, and drops nothing`() async throws {
        let fixture = try await EngineFixture()
        fixture.endpoints.set(EngineFixture.url, status: 500)
        let ids = try await fixture.sendEvents(40, to: [EngineFixture.url])
        let sender = fixture.engine.webhookSender

        #expect(try await sender.runOnce() == 10)
        // All the others are due, and none of them goes out or loses a try.
        #expect(try await sender.runOnce() == 0)
        for seconds in [30, 60, 120, 240, 480, 600, 600] as [Double] {
            let next = try #require(try await fixture.storage.nextDeliveryAt())
            #expect((next - fixture.clock.now).seconds == seconds)
            fixture.clock.advance(by: next - fixture.clock.now - .microseconds(1))
            #expect(try await sender.runOnce() == 0)
            fixture.clock.advance(by: .microseconds(1))
            #expect(try await sender.runOnce() == 1)
            #expect(try await sender.runOnce() == 0)
        }
        #expect(fixture.endpoints.requests.count == 17)
        let tries = try await attempts(ids, fixture)
        #expect(tries.reduce(0, +) == 17)

        fixture.endpoints.set(EngineFixture.url, status: 200)
        fixture.clock.advance(by: .seconds(600))
        #expect(try await sender.runOnce() == 1)
        // It has arrived: the others follow as usual.
        fixture.clock.advance(by: .seconds(3600))
        while try await sender.runOnce() > 0 {}
        #expect(try await states(ids, fixture) == Array(repeating: .delivered, count: 40))
        #expect(Set(fixture.endpoints.requests.map { $0.header("webhook-id") }) == Set(ids))
    }

    @Test
    func `without it a dead endpoint gets every try, so that the test above could fail`() async throws {
        let fixture = try await EngineFixture()
        fixture.endpoints.set(EngineFixture.url, status: 500)
        try await fixture.sendEvents(40, to: [EngineFixture.url])
        let sender = WebhookSender(services: fixture.engine.webhookSender.services, breaker: Self.never)

        while try await sender.runOnce() > 0 {}

        #expect(fixture.endpoints.requests.count == 40)
    }

    @Test
    func `a success in between begins the count anew`() async throws {
        let fixture = try await EngineFixture()
        let answers = Mutex(0)
        fixture.endpoints.set(EngineFixture.url) { request in
            let number = answers.withLock { answers in
                answers += 1
                return answers
            }
            return OutboundResponse(status: number % 10 == 0 ? 200 : 500, headers: [], body: [], url: request.url)
        }
        let sender = fixture.engine.webhookSender
        for _ in 1...30 {
            try await fixture.sendEvent()
            #expect(try await sender.runOnce() == 1)
        }
        #expect(fixture.endpoints.requests.count == 30)
    }

    @Test
    func `other endpoints go on while one is left alone`() async throws {
        let fixture = try await EngineFixture()
        fixture.endpoints.set(EngineFixture.url, status: 500)
        try await fixture.sendEvents(20, to: [EngineFixture.url])
        let sender = fixture.engine.webhookSender
        #expect(try await sender.runOnce() == 10)

        let ids = try await fixture.sendEvents(5, to: ["https://other.example/"])

        #expect(try await sender.runOnce() == 5)
        #expect(try await states(ids, fixture) == Array(repeating: .delivered, count: 5))
    }

    @Test
    func `remembers over a restart that an endpoint is left alone, and says so`() async throws {
        let fixture = try await EngineFixture()
        fixture.endpoints.set(EngineFixture.url, status: 500)
        let ids = try await fixture.sendEvents(20, to: [EngineFixture.url])
        #expect(try await fixture.engine.webhookSender.runOnce() == 10)

        let next = try fixture.restarted()
        try await next.prepare()

        #expect(try await next.webhookSender.runOnce() == 0)
        let event = try #require(try await fixture.storage.event(ids[19], in: fixture.scope))
        #expect(event.deliveries.first?.delivery.heldUntil == fixture.clock.now + .seconds(30))
        #expect(event.deliveries.first?.delivery.attempts == 0)
        fixture.clock.advance(by: .seconds(30))
        #expect(try await next.webhookSender.runOnce() == 1)
        #expect(fixture.log.messages.contains { $0.message.contains("nothing is sent to it until") })
    }

    @Test
    func `the sender finds out by itself when the endpoint is well again`() async throws {
        let fixture = try await EngineFixture()
        fixture.endpoints.set(EngineFixture.url, status: 500)
        let ids = try await fixture.sendEvents(12, to: [EngineFixture.url])
        let sending = Task { try await fixture.engine.webhookSender.run() }
        try await fixture.endpoints.arrived.reached(10)
        fixture.endpoints.set(EngineFixture.url, status: 200)
        while fixture.endpoints.arrived.count < 22 {
            await fixture.clock.untilSleepers { !$0.isEmpty }
            fixture.clock.advance(by: .seconds(30))
            await Task.yield()
        }
        sending.cancel()
        try await sending.value
        #expect(Set(fixture.endpoints.requests.map { $0.header("webhook-id") }) == Set(ids))
    }

    private func attempts(_ ids: [String], _ fixture: EngineFixture) async throws -> [Int] {
        try await deliveries(ids, fixture).map(\.attempts)
    }

    private func states(_ ids: [String], _ fixture: EngineFixture) async throws -> [WebhookDelivery.State] {
        try await deliveries(ids, fixture).map(\.state)
    }

    private func deliveries(_ ids: [String], _ fixture: EngineFixture) async throws -> [WebhookDelivery] {
        var found: [WebhookDelivery] = []
        for id in ids {
            found += try await fixture.storage.event(id, in: fixture.scope)?.deliveries.map(\.delivery) ?? []
        }
        return found
    }
}
