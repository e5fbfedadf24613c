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

    func tokenBased(_ call: Call) async throws -> Response {
        try await connect(call) { body in
            let token = body.requiredText("token_id", .text(1...4096))
            let secret = body.requiredText("token_secret", .text(1...4096))
            let clientID = body.text("oauth_client_id_override", .text(1...1024))
            let clientSecret = body.text("oauth_client_secret_override", .text(1...4096))
            let override = OAuth2Credentials.ConfigOverride(
                clientID: clientID, clientSecret: clientSecret.map { Secret($0) }
            )
            return .tba(
                OAuth1Credentials(
                    token: Secret(token), tokenSecret: Secret(secret),
                    configOverride: clientID == nil && clientSecret == nil ? nil : override
                )
            )
        }
    }

    func unauthenticated(_ call: Call) async throws -> Response {
        try await connect(call) { _ in .none }
    }

    /// The modes that get a token for what is entered. The flow checks the fields, because the provider names them.
    func derived(_ mode: AuthMode) -> @Sendable (Call) async throws -> Response {
        { call in
            try await connect(call) { body in
                var credentials = DerivedCredentials(mode: mode, given: JSONObject())
                credentials.once = mode == .twoStep ? body.object("assertionOption") ?? [:] : [:]
                credentials.given = body.remaining()
                return .derived(credentials)
            }
        }
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
