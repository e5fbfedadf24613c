import Synchronization
import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

@Suite(.timeLimit(.minutes(1)))
struct WebhookSenderTests {
    private let waits: [Double] = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]

    @Test
    func `tries ten times over three days, and then says that it failed`() async throws {
        let fixture = try await EngineFixture()
        fixture.endpoints.set(EngineFixture.url, status: 500)
        let id = try await fixture.sendEvent()
        let start = fixture.clock.now
        #expect(try await sender(fixture).runOnce() == 1)
        for seconds in waits {
            let next = try #require(try await fixture.storage.nextDeliveryAt())
            #expect(abs((next - fixture.clock.now).seconds / seconds - 1) <= 0.2 + 1e-6)
            fixture.clock.advance(by: next - fixture.clock.now - .microseconds(1))
            #expect(try await sender(fixture).runOnce() == 0)
            fixture.clock.advance(by: .microseconds(1))
            #expect(try await sender(fixture).runOnce() == 1)
        }
        #expect(try await fixture.storage.nextDeliveryAt() == nil)
        #expect(abs((fixture.clock.now - start).seconds / 272_105 - 1) <= 0.2)
        let history = try #require(try await fixture.storage.event(id, in: fixture.scope))
        let delivery = try #require(history.deliveries.first)
        #expect(delivery.delivery.state == .failed)
        #expect(delivery.attempts.map(\.number) == Array(1...10))
        #expect(delivery.attempts.allSatisfy { $0.status == 500 && $0.error == "The endpoint answered 500." })
        // The same id over all tries, and a time of its own for each.
        #expect(Set(fixture.endpoints.requests.map { $0.header("webhook-id") }) == [id])
        #expect(Set(fixture.endpoints.requests.map { $0.header("webhook-timestamp") }).count == 10)
        #expect(fixture.log.operations(.syncWebhook).map(\.state) == [.failed])
    }

    @Test
    func `delivers once, and no more after that`() async throws {
        let fixture = try await EngineFixture()
        let id = try await fixture.sendEvent()
        #expect(try await sender(fixture).runOnce() == 1)
        fixture.clock.advance(by: .seconds(10 * 86_400))
        #expect(try await sender(fixture).runOnce() == 0)
        let history = try #require(try await fixture.storage.event(id, in: fixture.scope))
        #expect(history.deliveries.map(\.delivery.state) == [.delivered])
        #expect(fixture.log.operations(.syncWebhook).map(\.state) == [.success])
    }

    @Test
    func `signs in both ways what it sends byte for byte`() async throws {
        let fixture = try await EngineFixture()
        let id = try await fixture.sendEvent(body: #"{"a":"é","b":1}"#)
        try await sender(fixture).runOnce()
        let request = try #require(fixture.endpoints.requests.first)
        let key = try await currentKey(fixture)
        #expect(request.method == "POST")
        #expect(request.header("content-type") == "application/json")
        #expect(request.header("webhook-id") == id)
        #expect(request.header("webhook-timestamp") == String(fixture.clock.now.unixSeconds))
        #expect(request.body.map { String(decoding: $0, as: UTF8.self) } == #"{"a":"é","b":1}"#)
        #expect(request.isSigned(with: key, now: fixture.clock.now))
        #expect(!request.isSigned(with: WebhookSignature.newSecret(), now: fixture.clock.now))
        #expect(
            request.header("x-terapi-hmac-sha256")
                == hex(hmacSHA256(key: Array(key.reveal().utf8), request.body ?? []))
        )
        #expect(request.timeout == .seconds(15))
        #expect(request.purpose == .webhook)
        guard case .never = request.redirects else {
            Issue.record("A webhook follows no redirect.")
            return
        }
    }

    @Test
    func `signs with both keys for a day after a rotation`() async throws {
        let fixture = try await EngineFixture()
        let old = try await currentKey(fixture)
        let new = WebhookSignature.newSecret()
        try await fixture.storage.rotateSigningKey(
            to: new,
            in: fixture.scope,
            now: fixture.clock.now,
            replacedExpiresAt: fixture.clock.now + .seconds(86_400)
        )
        try await fixture.sendEvent()
        try await sender(fixture).runOnce()
        let during = try #require(fixture.endpoints.requests.last)
        #expect(during.isSigned(with: old, now: fixture.clock.now))
        #expect(during.isSigned(with: new, now: fixture.clock.now))
        #expect(
            during.header("x-terapi-hmac-sha256")
                == hex(hmacSHA256(key: Array(new.reveal().utf8), during.body ?? []))
        )
        fixture.clock.advance(by: .seconds(86_401))
        try await fixture.sendEvent()
        try await sender(fixture).runOnce()
        let after = try #require(fixture.endpoints.requests.last)
        #expect(!after.isSigned(with: old, now: fixture.clock.now))
        #expect(after.isSigned(with: new, now: fixture.clock.now))
    }

    @Test(arguments: [200, 201, 204, 299])
    func `takes every answer of the 200s for a success`(status: Int) async throws {
        let fixture = try await EngineFixture()
        fixture.endpoints.set(EngineFixture.url, status: status)
        let id = try await fixture.sendEvent()
        try await sender(fixture).runOnce()
        #expect(try await state(id, fixture) == .delivered)
    }

    @Test(arguments: [100, 199, 300, 301, 302, 304, 307, 308, 400, 401, 404, 429, 500, 503])
    func `takes every other answer for a failure, redirects too`(status: Int) async throws {
        let fixture = try await EngineFixture()
        fixture.endpoints.set(EngineFixture.url, status: status, headers: [("location", "https://elsewhere.example/")])
        let id = try await fixture.sendEvent()
        try await sender(fixture).runOnce()
        #expect(try await state(id, fixture) == .pending)
        #expect(fixture.endpoints.requests.count == 1)
    }

    @Test
    func `stops for good where the endpoint is gone`() async throws {
        let fixture = try await EngineFixture()
        fixture.endpoints.set(EngineFixture.url, status: 410)
        let id = try await fixture.sendEvent()
        try await sender(fixture).runOnce()
        #expect(try await state(id, fixture) == .failed)
        fixture.clock.advance(by: .seconds(10 * 86_400))
        #expect(try await sender(fixture).runOnce() == 0)
    }

    @Test(
        arguments: [
            (429, "600", 600), (503, "600", 600), (500, "600", 5), (429, "1", 5), (429, "999999", 86_400),
            (429, "x", 5),
        ] as [(Int, String, Double)])
    func `waits longer where it is asked to, and never shorter`(status: Int, retryAfter: String, seconds: Double)
        async throws
    {
        let fixture = try await EngineFixture()
        fixture.endpoints.set(EngineFixture.url, status: status, headers: [("retry-after", retryAfter)])
        try await fixture.sendEvent()
        try await sender(fixture).runOnce()
        let wait = try #require(try await fixture.storage.nextDeliveryAt()) - fixture.clock.now
        #expect(abs(wait.seconds / seconds - 1) <= 0.2 + 1e-6)
    }

    @Test
    func `tries again when no answer came, and says why`() async throws {
        let fixture = try await EngineFixture()
        fixture.endpoints.set(EngineFixture.url) { _ in
            throw TerapiError(.providerUnreachable, "customer.example does not resolve.")
        }
        let id = try await fixture.sendEvent()
        try await sender(fixture).runOnce()
        let attempt = try #require(
            try await fixture.storage.event(id, in: fixture.scope)?.deliveries.first?.attempts.first)
        #expect(attempt.status == nil)
        #expect(attempt.error == "customer.example does not resolve.")
        #expect(try await state(id, fixture) == .pending)
    }

    @Test
    func `sends to both URLs, each on its own`() async throws {
        let fixture = try await EngineFixture { $0.secondaryWebhookURL = "https://second.example/" }
        fixture.endpoints.set("https://second.example/", status: 500)
        fixture.scripts.set { try await $0.save([1]) }
        try await fixture.engine.syncWorker.runOnce()
        #expect(try await sender(fixture).runOnce() == 2)
        fixture.endpoints.set("https://second.example/", status: 200)
        fixture.clock.advance(by: .seconds(7))
        #expect(try await sender(fixture).runOnce() == 1)
        #expect(fixture.endpoints.requests(to: EngineFixture.url).count == 1)
        #expect(fixture.endpoints.requests(to: "https://second.example/").count == 2)
    }

    // MARK: Crashes

    @Test
    func `what a process had in its hands when it died goes out at the next start`() async throws {
        let fixture = try await EngineFixture()
        let id = try await fixture.sendEvent()
        let taken = try await fixture.storage.claimDeliveries(
            limit: 10,
            perURL: 10,
            busy: [:],
            owner: "dead",
            leaseUntil: fixture.clock.now + WebhookSender.lease,
            now: fixture.clock.now
        )
        #expect(taken.map(\.event.id) == [id])
        let next = try fixture.restarted()
        #expect(try await next.webhookSender.runOnce() == 0)
        try await next.prepare()
        #expect(try await next.webhookSender.runOnce() == 1)
        #expect(try await state(id, fixture) == .delivered)
    }

    @Test
    func `a start does not hurry what waits for its next try`() async throws {
        let fixture = try await EngineFixture()
        fixture.endpoints.set(EngineFixture.url, status: 500)
        try await fixture.sendEvent()
        try await sender(fixture).runOnce()
        let next = try fixture.restarted()
        try await next.prepare()
        #expect(try await next.webhookSender.runOnce() == 0)
        fixture.clock.advance(by: .seconds(6))
        #expect(try await next.webhookSender.runOnce() == 1)
    }

    @Test
    func `sends twice rather than never when the outcome could not be stored`() async throws {
        let fixture = try await EngineFixture()
        fixture.endpoints.set(EngineFixture.url) { request in
            fixture.database.isDown = true
            return OutboundResponse(status: 200, headers: [], body: [], url: request.url)
        }
        let id = try await fixture.sendEvent()
        try await sender(fixture).runOnce()
        fixture.database.isDown = false
        fixture.endpoints.set(EngineFixture.url, status: 200)
        fixture.clock.advance(by: WebhookSender.lease)
        #expect(try await sender(fixture).runOnce() == 1)
        #expect(try await state(id, fixture) == .delivered)
        // The receiver can tell that it is a repetition.
        #expect(fixture.endpoints.requests.map { $0.header("webhook-id") } == [id, id])
    }

    // MARK: Slow endpoints

    @Test
    func `an endpoint that does not answer slows only itself`() async throws {
        let fixture = try await EngineFixture()
        let slow = "https://slow.example/"
        let answer = Counter()
        let atOnce = Mutex((now: 0, most: 0))
        fixture.endpoints.set(slow) { request in
            atOnce.withLock { atOnce in
                atOnce.now += 1
                atOnce.most = max(atOnce.most, atOnce.now)
            }
            defer { atOnce.withLock { $0.now -= 1 } }
            try await answer.reached()
            return OutboundResponse(status: 200, headers: [], body: [], url: request.url)
        }
        try await fixture.sendEvents(40, to: [slow])
        let sending = Task { try await sender(fixture).run() }
        try await fixture.endpoints.arrived.reached(WebhookSender.maxPerURL)
        // All the others are delivered while the ten hang.
        for index in 0..<100 {
            try await fixture.sendEvents(1, to: ["https://fast-\(index).example/"])
            fixture.engine.webhookSender.services.webhookWakeUp.ring()
        }
        try await fixture.endpoints.arrived.reached(WebhookSender.maxPerURL + 100)
        #expect(fixture.endpoints.requests(to: slow).count == WebhookSender.maxPerURL)
        answer.increment()
        // Each that ends lets the next one go, without the clock being moved.
        try await fixture.endpoints.arrived.reached(140)
        #expect(fixture.endpoints.requests(to: slow).count == 40)
        #expect(atOnce.withLock { $0.most } == WebhookSender.maxPerURL)
        sending.cancel()
        try await sending.value
    }

    @Test
    func `more events than it sends at once are all delivered`() async throws {
        let fixture = try await EngineFixture()
        for index in 0..<30 { try await fixture.sendEvents(10, to: ["https://e-\(index).example/"]) }
        let sending = Task { try await sender(fixture).run() }
        try await fixture.endpoints.arrived.reached(300)
        sending.cancel()
        try await sending.value
        #expect(Set(fixture.endpoints.requests.map { $0.header("webhook-id") }).count == 300)
    }

    @Test
    func `tries again by itself when the time has come`() async throws {
        let fixture = try await EngineFixture()
        fixture.endpoints.set(EngineFixture.url, status: 500)
        try await fixture.sendEvent()
        let sending = Task { try await sender(fixture).run() }
        try await fixture.endpoints.arrived.reached(1)
        while fixture.endpoints.arrived.count < 4 {
            await fixture.clock.untilSleepers { !$0.isEmpty }
            fixture.clock.advance(by: .seconds(30))
            await Task.yield()
        }
        sending.cancel()
        try await sending.value
    }

    private func sender(_ fixture: EngineFixture) -> WebhookSender { fixture.engine.webhookSender }

    private func currentKey(_ fixture: EngineFixture) async throws -> Secret {
        try #require(try await fixture.storage.signingKeys(in: fixture.scope, now: fixture.clock.now).first).secret
    }

    private func state(_ id: String, _ fixture: EngineFixture) async throws -> WebhookDelivery.State? {
        try await fixture.storage.event(id, in: fixture.scope)?.deliveries.first?.delivery.state
    }
}

extension EngineFixture {
    /// Puts an event on its way to the environment's URL.
    @discardableResult
    func sendEvent(body: String = "{}") async throws -> String {
        try await sendEvents(1, to: [Self.url], body: body)[0]
    }

    /// Stores events in a transaction that ends a run, as the engine does.
    @discardableResult
    func sendEvents(_ count: Int, to urls: [String], body: String = "{}") async throws -> [String] {
        try await storage.requestRun(
            syncID: try await sync().id,
            reset: false,
            confirmsMassDeletion: false,
            now: clock.now
        )
        let claimed = try await storage.claimRun(
            owner: "test",
            leaseUntil: clock.now + .seconds(30),
            operationID: randomUUID(),
            now: clock.now
        )
        guard let (sync, run) = claimed else { throw TerapiError(.serverError, "Nothing is due.") }
        let events = (0..<count).map { _ in
            WebhookEvent(
                scope: scope,
                connectionID: connection.id,
                kind: .sync,
                body: Array(body.utf8),
                urls: urls,
                createdAt: clock.now
            )
        }
        try await storage.endRun(
            RunFence(syncID: sync.id, runID: run.id, generation: run.generation),
            ending: RunEnding(status: .success, nextRunAt: clock.now + .seconds(86_400), failures: 0),
            events: events,
            now: clock.now
        )
        return events.map(\.id)
    }
}
