import Logging
public import ServiceLifecycle
import TerapiCore

/// Renews tokens that nobody happens to use before they expire, asks once a day whether what cannot be renewed still
/// works, and clears away expired sessions.
public struct CredentialRefresher: Service {
    static let interval = Duration.seconds(30)
    static let horizon = Duration.seconds(60)
    static let verificationInterval = Duration.seconds(86_400)
    /// How many are verified in one round, so that slow providers do not keep tokens waiting.
    static let verifiedAtOnce = 20

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
        let now = services.clock.now
        let expiring = try await services.connections.connectionsExpiring(before: now + Self.horizon, limit: 100)
        try await ask(for: expiring, forceRefresh: false)
        let unverified = try await services.connections.connectionsToVerify(
            since: now - Self.verificationInterval,
            refusedBefore: now - TokenRefresher.refusalPause,
            limit: Self.verifiedAtOnce
        )
        try await ask(for: unverified, forceRefresh: true)
        try await services.connections.pruneSessions(now: services.clock.now)
    }

    private func ask(for rows: [Int64], forceRefresh: Bool) async throws {
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
                forceRefresh: forceRefresh,
                staleGeneration: nil
            )
        }
    }
}
