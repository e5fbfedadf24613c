import Logging
public import ServiceLifecycle
import TerapiCore

/// Works on what providers have sent: takes it apart, finds whose it is, and hands it to syncs and to the team's backend.
///
/// What follows from a webhook is written in the transaction that marks it as done: a crash repeats all of it or nothing.
public struct ProviderWebhookWorker: Service {
    static let batch = 256
    /// When to look again for the connections of an event: it may be faster than the storing of its connection.
    static let retries: [Duration] = [.seconds(10), .seconds(60), .seconds(600)]

    let services: EngineServices

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    guard try await runOnce() < Self.batch else { continue }
                    let next = try await services.incoming.nextProviderWebhookAt()
                    let later = services.clock.now + .seconds(60)
                    await services.incomingWakeUp.wait(until: min(next ?? later, later), clock: services.clock)
                } catch is CancellationError {
                    break
                } catch {
                    services.logger.error(
                        "Working on provider webhooks failed.", metadata: ["error": "\(error)"])
                    try? await services.clock.sleep(for: .seconds(1))
                }
            }
        }
    }

    /// Works on what is due now, up to a batch.
    /// - Returns: how many webhooks there were.
    @discardableResult
    public func runOnce() async throws -> Int {
        let webhooks = try await services.incoming.dueProviderWebhooks(limit: Self.batch, now: services.clock.now)
        guard !webhooks.isEmpty else { return 0 }
        var router = ProviderWebhookRouter(services: services)
        var settlements: [ProviderWebhookSettlement] = []
        for webhook in webhooks { settlements.append(try await router.settlement(of: webhook)) }
        let repetitions = try await services.incoming.settle(settlements, now: services.clock.now)
        for (settlement, repeated) in zip(settlements, repetitions) { note(settlement, repeated: repeated) }
        services.actionWakeUp.ring()
        services.webhookWakeUp.ring()
        services.syncWakeUp.ring()
        return webhooks.count
    }

    private func note(_ settlement: ProviderWebhookSettlement, repeated: Int) {
        let webhook = settlement.webhook
        let log = OperationLog(
            LogOperation(
                id: webhook.id,
                scope: webhook.scope,
                kind: .incomingWebhook,
                message: webhook.types.isEmpty ? "A webhook came." : webhook.types.joined(separator: ", "),
                integrationKey: webhook.integrationKey,
                subject: webhook.types.first,
                createdAt: webhook.receivedAt
            ),
            sink: services.log,
            clock: services.clock
        )
        let runs = settlement.effects.reduce(0) { $0 + $1.runs.count }
        let forwards = settlement.effects.reduce(0) { $0 + $1.forwards.count }
        switch webhook.state {
        case .received:
            log.write(.warn, webhook.error ?? "It is looked at again.")
            log.wait()
        case .done:
            let repetition = repeated > 0 ? " \(repeated) had come before and did nothing." : ""
            log.end(.success, "\(runs) runs of webhook functions, \(forwards) forwards.\(repetition)")
        case .unmatched, .failed:
            log.end(.failed, webhook.error)
        }
    }
}
