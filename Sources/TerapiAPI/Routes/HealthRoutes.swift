import Hummingbird
import TerapiCore

/// Whether the server lives, and whether it can serve.
struct HealthRoutes: Sendable {
    let readiness: Readiness

    func health(_ call: Call) -> Response {
        .json(["result": "ok"])
    }

    func ready(_ call: Call) async throws -> Response {
        try await readiness.check()
        return .json(["result": "ok"])
    }
}
