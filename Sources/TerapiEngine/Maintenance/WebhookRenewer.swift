import Logging
public import ServiceLifecycle
import TerapiCore

/// Renews registrations at providers before they end.
public struct WebhookRenewer: Service {
    private static let longestWait = Duration.seconds(3600)

    let services: EngineServices

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await runOnce()
                    let next = try await services.incoming.nextRenewalAt()
                    let latest = services.clock.now + Self.longestWait
                    await services.renewalWakeUp.wait(until: min(next ?? latest, latest), clock: services.clock)
                } catch is CancellationError {
                    break
                } catch {
                    services.logger.error("Renewing webhooks failed.", metadata: ["error": "\(error)"])
                    try? await services.clock.sleep(for: .seconds(60))
                }
            }
        }
    }

    /// Renews what is due now.
    /// - Returns: how many there were.
    @discardableResult
    public func runOnce() async throws -> Int {
        let due = try await services.incoming.subscriptionsToRenew(before: services.clock.now, limit: 100)
        let registrar = WebhookRegistrar(services: services)
        for subscription in due {
            // A failure is kept with the subscription, which is tried again; the others of the list go on.
            _ = try? await registrar.renew(subscription)
        }
        return due.count
    }
}
