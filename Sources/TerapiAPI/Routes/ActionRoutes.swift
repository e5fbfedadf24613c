import HTTPTypes
import Hummingbird
import TerapiCore

/// Running actions and asking what became of them.
struct ActionRoutes: Sendable {
    static let maxRetries = 5

    let actions: any ActionControl

    func trigger(_ call: Call) async throws -> Response {
        let options = try readOptions(call)
        let (integrationKey, connectionID) = try call.connectionHeaders()
        var body = try await call.body()
        let name = body.requiredText("action_name", .syncName)
        let input = body.any("input")
        try body.finish()

        let request = ActionRequest(
            scope: try call.scope,
            integrationKey: integrationKey,
            connectionID: connectionID,
            name: name,
            input: input,
            idempotencyKey: options.idempotencyKey
        )
        guard options.isAsync else { return .json(bytes: try await actions.run(request)) }
        let id = try await actions.enqueue(request, maxRetries: options.maxRetries)
        let statusURL = "/action/\(id)"
        var response = Response.json(["statusUrl": .string(statusURL), "id": .string(id)], status: .accepted)
        response.headers[.location] = statusURL
        return response
    }

    func result(_ call: Call) async throws -> Response {
        let id = call.parameter("actionId")
        switch try await actions.result(of: id, in: call.scope) {
        case .pending: return .json(["status": "pending"], status: .accepted)
        case .success(let output): return .json(bytes: output)
        case .failure(let error): throw error
        case nil:
            throw TerapiError(
                .notFound,
                "There is no action with this id. Results are kept for 24 hours."
            )
        }
    }

    private func readOptions(_ call: Call) throws -> (isAsync: Bool, maxRetries: Int, idempotencyKey: String?) {
        let headers = call.request.headers
        var issues: [TerapiError.Issue] = []
        func refuse(_ name: HTTPField.Name, _ message: String) {
            issues.append(TerapiError.Issue(code: "invalid_format", message: message, path: [name.canonicalName]))
        }

        let isAsync = headers[.isAsync]?.lowercased() ?? "false"
        if !["true", "false"].contains(isAsync) { refuse(.isAsync, "Expected true or false.") }
        let maxRetries = headers[.maxRetries].map { Int($0) } ?? 0
        if maxRetries.map({ !(0...Self.maxRetries).contains($0) }) ?? true {
            refuse(.maxRetries, "Expected a whole number from 0 to \(Self.maxRetries).")
        }
        let key = headers[.idempotencyKey]
        if let key, !(1...255).contains(key.utf8.count) { refuse(.idempotencyKey, "Expected 1 to 255 characters.") }
        guard issues.isEmpty else {
            throw TerapiError(.invalidHeaders, "The headers are not valid.", issues: issues)
        }
        return (isAsync == "true", maxRetries ?? 0, key)
    }
}
