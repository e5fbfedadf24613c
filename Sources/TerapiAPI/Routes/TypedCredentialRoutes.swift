import Hummingbird
import TerapiCore

/// Connections whose credentials the end user types in: no popup.
struct TypedCredentialRoutes: Sendable {
    let connectFlow: any ConnectFlow

    func apiKey(_ call: Call) async throws -> Response {
        try await connect(call) { body in
            .apiKey(Secret(body.requiredText("apiKey", .text(1...1024))))
        }
    }

    func basic(_ call: Call) async throws -> Response {
        try await connect(call) { body in
            let username = body.text("username", .text(0...1024)) ?? ""
            let password = body.text("password", .text(0...1024)) ?? ""
            return .basic(username: username, password: Secret(password))
        }
    }

    func unauthenticated(_ call: Call) async throws -> Response {
        try await connect(call) { _ in .none }
    }

    private func connect(
        _ call: Call,
        _ readCredentials: (inout BodyReader) -> Credentials
    ) async throws -> Response {
        let request = try ConnectRequest(call)
        var body = try await call.body()
        let credentials = readCredentials(&body)
        try body.finish()

        let connection = try await connectFlow.connect(
            session: request.session,
            integrationKey: request.integrationKey,
            connectionID: request.connectionID,
            config: request.config,
            credentials: credentials
        )
        return .json([
            "providerConfigKey": .string(connection.integrationKey),
            "connectionId": .string(connection.connectionID),
        ])
    }
}
