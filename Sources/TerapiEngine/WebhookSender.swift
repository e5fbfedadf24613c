import Logging
public import ServiceLifecycle
import Synchronization
import TerapiCore

/// Delivers webhook events: at least once, over about three days, with a slow endpoint slowing only itself.
public struct WebhookSender: Service {
    static let timeout = Duration.seconds(15)
    /// Longer than a try can take: what was sent and could not be noted comes back after it.
    static let lease = Duration.seconds(60)
    static let maxAtOnce = 64
    static let maxPerURL = 10

    let services: EngineServices
    let breaker: EndpointBreaker
    private let busy = Busy<String>()

    init(services: EngineServices, breaker: EndpointBreaker = .webhooks) {
        self.services = services
        self.breaker = breaker
    }

    /// At the shutdown nothing new is taken, and the tries that are under way end in their own time.
    public func run() async throws {
        await withGracefulShutdownHandler {
            await work()
        } onGracefulShutdown: {
            services.webhookWakeUp.ring()
        }
    }

    /// Takes up what a process that died had in its hands. Its tries were cut off and count as none.
    func recover() async throws {
        try await services.deliveries.releaseDeliveries(notOwnedBy: services.bootID, now: services.clock.now)
    }

    /// Delivers what is due now, one try each.
    /// - Returns: how many tries were made.
    @discardableResult
    public func runOnce() async throws -> Int {
        let deliveries = try await claim()
        await withDiscardingTaskGroup { group in
            for delivery in deliveries { group.addTask { await attempt(delivery) } }
        }
        return deliveries.count
    }

    private func work() async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled, !Task.isShuttingDownGracefully {
                do {
                    let deliveries = try await claim()
                    for delivery in deliveries {
                        group.addTask {
                            await attempt(delivery)
                            services.webhookWakeUp.ring()
                        }
                    }
                    if !deliveries.isEmpty, busy.total < Self.maxAtOnce { continue }
                    let next = busy.total < Self.maxAtOnce ? try await services.deliveries.nextDeliveryAt() : nil
                    // What is due but held back by its busy endpoint waits for the end of a try, which rings.
                    let now = services.clock.now
                    let moment = next.flatMap { $0 > now ? $0 : nil } ?? now + .seconds(30)
                    await services.webhookWakeUp.wait(until: moment, clock: services.clock)
                } catch is CancellationError {
                    break
                } catch {
                    services.logger.error("Looking for due webhooks failed.", metadata: ["error": "\(error)"])
                    try? await services.clock.sleep(for: .seconds(1))
                }
            }
        }
    }

    private func claim() async throws -> [WebhookDelivery] {
        let now = services.clock.now
        let deliveries = try await services.deliveries.claimDeliveries(
            limit: Self.maxAtOnce - busy.total,
            perURL: Self.maxPerURL,
            busy: busy.counts,
            owner: services.bootID,
            leaseUntil: now + Self.lease,
            now: now
        )
        for delivery in deliveries { busy.take(delivery.url) }
        return deliveries
    }

    private func attempt(_ delivery: WebhookDelivery) async {
        defer { busy.free(delivery.url) }
        let started = services.clock.now
        let outcome = await send(delivery, at: started)
        let attempt = DeliveryAttempt(
            number: delivery.attempts + 1,
            startedAt: started,
            duration: services.clock.now - started,
            status: outcome.status,
            error: outcome.error
        )
        var random = SystemRandomNumberGenerator()
        let wait =
            outcome.error == nil || outcome.isFinal
            ? nil
            : RetryPolicy.webhooks.delay(
                afterAttempt: attempt.number,
                retryAfter: outcome.retryAfter,
                random: &random
            )
        let state: WebhookDelivery.State = outcome.error == nil ? .delivered : wait == nil ? .failed : .pending
        var heldUntil: Timestamp?
        do {
            let now = services.clock.now
            heldUntil = try await services.deliveries.finishAttempt(
                attempt,
                deliveryID: delivery.id,
                state: state,
                nextAttemptAt: wait.map { now + $0 },
                breaker: breaker,
                now: now
            )
        } catch {
            // The lease runs out and the event goes out once more: better twice than never.
            services.logger.error("A webhook's outcome could not be stored.", metadata: ["error": "\(error)"])
        }
        note(attempt, of: delivery, state: state, wait: wait, heldUntil: heldUntil)
    }

    private struct Outcome {
        var status: Int?
        var error: String?
        var retryAfter: Duration?
        /// 410: the endpoint asks for nothing more.
        var isFinal = false
    }

    private func send(_ delivery: WebhookDelivery, at now: Timestamp) async -> Outcome {
        do {
            let keys = try await services.settings.signingKeys(in: delivery.event.scope, now: now)
            let headers = try WebhookSignature.headers(
                id: delivery.event.id,
                timestamp: now.unixSeconds,
                body: delivery.event.body,
                keys: keys.map(\.secret)
            )
            let type = delivery.event.headers["content-type"] ?? "application/json"
            let passedOn = delivery.event.headers.sorted { $0.key < $1.key }
                .filter { $0.key != "content-type" && !$0.key.hasPrefix("webhook-") && !$0.key.hasPrefix("x-terapi-") }
            let response = try await services.client.send(
                OutboundRequest(
                    method: "POST",
                    url: delivery.url,
                    headers: passedOn.map { ($0.key, $0.value) } + headers
                        + [("content-type", type), ("user-agent", "Terapi")],
                    body: delivery.event.body,
                    timeout: Self.timeout,
                    purpose: .webhook,
                    redirects: .never,
                    maxAnswerBytes: 1_000_000
                )
            )
            guard !(200..<300).contains(response.status) else { return Outcome(status: response.status) }
            return Outcome(
                status: response.status,
                error: "The endpoint answered \(response.status).",
                retryAfter: [429, 503].contains(response.status)
                    ? response.header("retry-after").flatMap { RetryAfter.parse($0, now: now) } : nil,
                isFinal: response.status == 410
            )
        } catch {
            return Outcome(error: (error as? TerapiError)?.message ?? "The delivery failed inside the server.")
        }
    }

    private func note(
        _ attempt: DeliveryAttempt,
        of delivery: WebhookDelivery,
        state: WebhookDelivery.State,
        wait: Duration?,
        heldUntil: Timestamp?
    ) {
        let log = OperationLog(
            LogOperation(
                id: "\(delivery.event.id)-\(delivery.id)",
                scope: delivery.event.scope,
                kind: delivery.event.kind.logKind,
                message: "Webhook \(delivery.event.id)",
                createdAt: delivery.event.createdAt
            ),
            sink: services.log,
            clock: services.clock
        )
        if let heldUntil {
            log.write(
                .warn,
                "The endpoint has failed too often in a row: nothing is sent to it until \(heldUntil.iso8601), and then one "
                    + "event first. Nothing is lost."
            )
        }
        switch state {
        case .delivered: log.end(.success, "Delivered at try \(attempt.number), status \(attempt.status ?? 0).")
        case .failed: log.end(.failed, "Try \(attempt.number): \(attempt.error ?? "failed"). No try is left.")
        case .pending:
            let seconds = Int(wait?.seconds.rounded() ?? 0)
            log.write(.warn, "Try \(attempt.number): \(attempt.error ?? "failed") Next try in \(seconds) s.")
        }
    }
}

extension WebhookEvent.Kind {
    fileprivate var logKind: LogOperation.Kind {
        switch self {
        case .sync, .backfillFinished: .syncWebhook
        case .auth: .connectionWebhook
        case .asyncAction: .actionWebhook
        case .forward: .forwardedWebhook
        }
    }
}
