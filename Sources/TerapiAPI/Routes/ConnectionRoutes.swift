import Hummingbird
import TerapiCore

/// End users' connections.
struct ConnectionRoutes: Sendable {
    let settings: any SettingsStorage
    let connections: any ConnectionStorage
    let providers: any ProviderAPI
    let connectFlow: any ConnectFlow
    let credentials: any CredentialSource

    func list(_ call: Call) async throws -> Response {
        var query = try call.query()
        var filter = ConnectionFilter()
        filter.connectionID = query.text("connectionId", .connectionID)
        filter.search = query.text("search")
        filter.endUserID = query.text("endUserId")
        filter.endUserOrganizationID = query.text("endUserOrganizationId")
        filter.integrationKeys = query.commaList("integrationId", .integrationKey)
        filter.tags = Dictionary(query.map("tags").map { ($0.key.lowercased(), $0.value) }) { $1 }
        filter.limit = query.integer("limit", in: 1...2000) ?? filter.limit
        filter.page = query.integer("page", in: 0...1_000_000) ?? 0
        try query.finish()

        let found = try await connections.connections(filter, in: call.scope)
        return .json(["connections": .array(found.map(\.summary))])
    }

    func one(_ call: Call) async throws -> Response {
        let connectionID = try call.parameter("connectionId", .connectionID)
        var query = try call.query()
        let integrationKey = query.requiredText("provider_config_key", .integrationKey)
        let forcesRefresh = query.flag("force_refresh")
        let showsRefreshToken = query.flag("refresh_token")
        let refreshesAppToken = query.flag("refresh_github_app_jwt_token")
        try query.finish()
        let mayRead = call.allows(.readConnectionCredentials)
        guard mayRead || !(forcesRefresh || showsRefreshToken || refreshesAppToken) else {
            throw TerapiError(
                .forbidden,
                "Refreshing or reading tokens needs the scope \"\(APIScope.readConnectionCredentials.rawValue)\"."
            )
        }

        let integration = try await integration(integrationKey, in: call.scope)
        let connection = try await connection(connectionID, integrationKey, in: call.scope)
        var json = connection.details
        if mayRead {
            let current = try await currentCredentials(of: connection, integration, forcesRefresh: forcesRefresh)
            json["credentials"] = current.publicJSON(includesRefreshToken: showsRefreshToken)
        }
        return .json(.object(json))
    }

    /// The credentials, refreshed when they are about to expire. A refresh that fails is told with the connection, so
    /// that a caller sees which end user has to connect again.
    private func currentCredentials(
        of connection: Connection,
        _ integration: Integration,
        forcesRefresh: Bool
    ) async throws -> Credentials {
        do {
            return try await credentials.credentials(
                of: connection, integration: integration, forceRefresh: forcesRefresh, staleGeneration: nil
            ).credentials
        } catch let error as TerapiError
            where [.connectionRefreshBackoff, .connectionRefreshExhausted, .refreshTokenExternalError].contains(
                error.code)
        {
            throw StatusError(
                error.status,
                TerapiError(
                    .invalidCredentials,
                    error.message,
                    payload: ["type": .string(error.code.rawValue), "connection": .object(connection.details)],
                    retryAfterSeconds: error.retryAfterSeconds,
                    cause: error
                )
            )
        }
    }

    /// Takes over a connection that was made elsewhere.
    func create(_ call: Call) async throws -> Response {
        var body = try await call.body()
        let integrationKey = body.requiredText("provider_config_key", .integrationKey)
        let connectionID = body.text("connection_id", .connectionID)
        let credentials = body.requiredObject("credentials")
        let metadata = body.object("metadata")
        let config = body.object("connection_config")
        let tags = body.tags()
        let endUser = body.endUser()
        let webhookURL = body.url("webhook_url_override")
        try body.finish()

        let (integration, provider) = try await setUp(integrationKey, in: call.scope)
        let connection = Connection(
            scope: try call.scope,
            integrationID: integration.id,
            connectionID: connectionID ?? randomUUID(),
            integrationKey: integration.key,
            provider: integration.provider,
            config: config ?? JSONObject(),
            metadata: metadata,
            tags: tags ?? [:],
            endUser: endUser,
            webhookURLOverride: webhookURL,
            createdAt: call.now,
            updatedAt: call.now
        )
        let given = try Credentials(imported: .object(credentials), mode: provider.authMode, now: call.now)
        return try await store(connection, given, call)
    }

    /// The same in the older form, whose credentials are flat fields.
    func createFlat(_ call: Call) async throws -> Response {
        var body = try await call.body()
        let integrationKey = body.requiredText("provider_config_key", .integrationKey)
        let connectionID = body.requiredText("connection_id", .connectionID)
        let metadata = body.object("metadata")
        let config = body.object("connection_config")
        var fields = JSONObject()
        for name in [
            "access_token", "refresh_token", "expires_at", "oauth_token", "oauth_token_secret", "username", "password",
        ] {
            fields[name] = body.any(name)
        }
        fields["apiKey"] = body.any("api_key")
        if let seconds = body.any("expires_in")?.int { fields["expires_at"] = JSONValue(call.now + .seconds(seconds)) }
        if body.flag("no_expiration") == true { fields["expires_at"] = nil }
        var override = JSONObject()
        override["client_id"] = body.text("oauth_client_id_override").map(JSONValue.string)
        override["client_secret"] = body.text("oauth_client_secret_override", .text(1...4096)).map(JSONValue.string)
        if !override.isEmpty { fields["config_override"] = .object(override) }
        try body.finish()

        let (integration, provider) = try await setUp(integrationKey, in: call.scope)
        let connection = Connection(
            scope: try call.scope,
            integrationID: integration.id,
            connectionID: connectionID,
            integrationKey: integration.key,
            provider: integration.provider,
            config: config ?? JSONObject(),
            metadata: metadata,
            createdAt: call.now,
            updatedAt: call.now
        )
        let given = try Credentials(imported: .object(fields), mode: provider.authMode, now: call.now)
        return try await store(connection, given, call)
    }

    private func store(_ connection: Connection, _ given: Credentials, _ call: Call) async throws -> Response {
        let stored = try await connectFlow.importConnection(connection, credentials: given)
        var json = stored.details
        if call.allows(.readConnectionCredentials) {
            json["credentials"] = try await shown(given, of: stored).publicJSON(includesRefreshToken: false)
        }
        return .json(.object(json), status: .created)
    }

    /// With the token that was got while importing, where there is one.
    private func shown(_ given: Credentials, of connection: Connection) async throws -> Credentials {
        guard case .derived = given,
            let integration = try await settings.integration(key: connection.integrationKey, in: connection.scope)
        else { return given }
        return try await credentials.credentials(
            of: connection, integration: integration, forceRefresh: false, staleGeneration: nil
        ).credentials
    }

    func update(_ call: Call) async throws -> Response {
        let connectionID = try call.parameter("connectionId", .connectionID)
        var query = try call.query()
        let integrationKey = query.requiredText("provider_config_key", .integrationKey)
        try query.finish()
        var body = try await call.body()
        let tags = body.tags()
        let endUser = body.endUser()
        let changesWebhookURL = body.has("webhook_url_override")
        let webhookURL = body.url("webhook_url_override")
        try body.finish()

        _ = try await integration(integrationKey, in: call.scope)
        var connection = try await connection(connectionID, integrationKey, in: call.scope)
        if let tags { connection.tags = tags }
        if let endUser { connection.endUser = endUser }
        if changesWebhookURL { connection.webhookURLOverride = webhookURL }
        try await connections.updateSettings(of: connection, now: call.now)
        return .success
    }

    func delete(_ call: Call) async throws -> Response {
        let connectionID = try call.parameter("connectionId", .connectionID)
        var query = try call.query()
        let integrationKey = query.requiredText("provider_config_key", .integrationKey)
        try query.finish()

        _ = try await integration(integrationKey, in: call.scope)
        guard try await connectFlow.deleteConnection(connectionID, integrationKey: integrationKey, in: call.scope)
        else {
            throw Self.unknown
        }
        return .success
    }

    private func integration(_ key: String, in scope: EnvironmentScope) async throws -> Integration {
        guard let integration = try await settings.integration(key: key, in: scope) else {
            throw TerapiError(.unknownProviderConfig, "There is no integration with this key in the environment.")
        }
        return integration
    }

    private func setUp(_ key: String, in scope: EnvironmentScope) async throws -> (Integration, Provider) {
        guard let integration = try await settings.integration(key: key, in: scope) else {
            throw TerapiError(.notFound, "There is no integration with this key in the environment.")
        }
        guard let provider = providers.provider(integration.provider) else {
            throw TerapiError(.notFound, "The integration's provider is no longer in the catalogue.")
        }
        return (integration, provider)
    }

    private func connection(
        _ connectionID: String,
        _ integrationKey: String,
        in scope: EnvironmentScope
    ) async throws -> Connection {
        guard let found = try await connections.connection(connectionID, integrationKey: integrationKey, in: scope)
        else {
            throw Self.unknown
        }
        return found
    }

    private static var unknown: TerapiError {
        TerapiError(.notFound, "There is no connection with this id for the integration in the environment.")
    }
}
