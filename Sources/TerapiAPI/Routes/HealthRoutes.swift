import Hummingbird
import TerapiCore

/// Whether the server lives, and whether it can serve.
struct HealthRoutes: Sendable {
    let isReady: @Sendable () async -> Bool

    func health(_ call: Call) -> Response {
        .json(["result": "ok"])
    }

    func ready(_ call: Call) async throws -> Response {
        guard await isReady() else {
            throw TerapiError(
                .storageUnavailable, "The server is not ready yet, or is about to stop.", retryAfterSeconds: 1)
        }
        return .json(["result": "ok"])
    }
}
