import Logging
public import ServiceLifecycle
import TerapiCore

/// Renews tokens that nobody happens to use before they expire, and clears away expired sessions.
public struct CredentialRefresher: Service {
    static let interval = Duration.seconds(30)
    static let horizon = Duration.seconds(60)

    let services: EngineServices

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await runOnce()
                    try await services.clock.sleep(for: Self.interval)
                } catch is CancellationError {
                    break
                } catch {
                    services.logger.error(
                        "Refreshing tokens in the background failed.", metadata: ["error": "\(error)"])
                    try? await services.clock.sleep(for: Self.interval)
                }
            }
        }
    }

    public func runOnce() async throws {
        let rows = try await services.connections.connectionsExpiring(
            before: services.clock.now + Self.horizon,
            limit: 100
        )
        for row in rows {
            guard let connection = try await services.connections.connection(row: row),
                let integration = try await services.settings.integration(
                    key: connection.integrationKey,
                    in: connection.scope
                )
            else { continue }
            // The refresher logs and stores its own failures; the others of the list go on.
            _ = try? await services.credentials.credentials(
                of: connection,
                integration: integration,
                forceRefresh: false,
                staleGeneration: nil
            )
        }
        try await services.connections.pruneSessions(now: services.clock.now)
    }
}
