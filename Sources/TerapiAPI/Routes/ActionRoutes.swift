import HTTPTypes
import Hummingbird
import TerapiCore

/// Running actions and asking what became of them.
struct ActionRoutes: Sendable {
    static let maxRetries = 5

    let actions: any ActionControl

    func trigger(_ call: Call) async throws -> Response {
        try await run(call) {
            var body = try await call.body()
            let name = body.requiredText("action_name", .syncName)
            let input = body.any("input")
            try body.finish()
            return (name, input)
        }
    }

    /// Runs an action as the headers say: at once or by the queue.
    /// - Parameter read: which one, and its input.
    func run(_ call: Call, read: () async throws -> (name: String, input: JSONValue?)) async throws -> Response {
        let options = try readOptions(call)
        let (integrationKey, connectionID) = try call.connectionHeaders()
        let (name, input) = try await read()
        let request = ActionRequest(
            scope: try call.scope,
            integrationKey: integrationKey,
            connectionID: connectionID,
            name: name,
            input: input,
            idempotencyKey: options.idempotencyKey
        )
        return try await perform(request, isAsync: options.isAsync, maxRetries: options.maxRetries)
    }

    /// The same as ``trigger(_:)``, with all that it needs in the body.
    func invoke(_ call: Call) async throws -> Response {
        var body = try await call.body()
        let connectionID = body.requiredText("connection_id", .connectionID)
        let integrationKey = body.requiredText("integration_id", .integrationKey)
        let name = body.requiredText("name", .syncName)
        let input = body.any("input")
        let waiting = body.requiredChoice("invocation_type", of: Waiting.allCases)
        let options = body.nested("options") { options in
            (options.integer("max_retries", in: 0...Self.maxRetries), options.text("idempotency_key", .text(1...255)))
        }
        try body.finish()

        let request = ActionRequest(
            scope: try call.scope,
            integrationKey: integrationKey,
            connectionID: connectionID,
            name: name,
            input: input,
            idempotencyKey: options?.1
        )
        return try await perform(request, isAsync: waiting == .doesNotWait, maxRetries: options?.0 ?? 0)
    }

    private enum Waiting: String, CaseIterable {
        case waits = "wait"
        case doesNotWait = "no_wait"
    }

    private func perform(_ request: ActionRequest, isAsync: Bool, maxRetries: Int) async throws -> Response {
        guard isAsync else { return .json(bytes: try await actions.run(request)) }
        let id = try await actions.enqueue(request, maxRetries: maxRetries)
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
