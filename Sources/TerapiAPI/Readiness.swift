public import ServiceLifecycle
import Synchronization
import TerapiCore

/// Whether requests can be served now: what `GET /ready` tells. Run it as the last service, which is told first that the
/// server is about to stop.
public final class Readiness: Service {
    private let settings: any SettingsStorage
    private let isDraining = Mutex(false)

    init(settings: any SettingsStorage) {
        self.settings = settings
    }

    public func run() async throws {
        try await gracefulShutdown()
        isDraining.withLock { $0 = true }
    }

    /// - Throws: `TerapiError(.storageUnavailable)` with the reason why not.
    func check() async throws {
        if isDraining.withLock({ $0 }) { throw Self.notReady("The server is about to stop.") }
        do {
            _ = try await settings.environments()
        } catch {
            throw Self.notReady("The database cannot be read.", cause: error)
        }
    }

    private static func notReady(_ reason: String, cause: (any Error)? = nil) -> TerapiError {
        TerapiError(.storageUnavailable, reason, retryAfterSeconds: 1, cause: cause)
    }
}
