import HTTPTypes
import Hummingbird
import TerapiCore

/// The short permissions with which end users make connections.
struct ConnectSessionRoutes: Sendable {
    static let lifetime = Duration.seconds(30 * 60)

    let settings: any SettingsStorage
    let connections: any ConnectionStorage
    let publicURL: String

    func create(_ call: Call) async throws -> Response {
        var body = try await call.body()
        var session = ConnectSession(scope: try call.scope, endUser: nil, expiresAt: call.now + Self.lifetime)
        session.allowedIntegrations = body.texts("allowed_integrations", .integrationKey, maxCount: 1000) ?? []
        session.connectionID = body.text("connection_id", .connectionID)
        readShared(&body, into: &session)
        if session.endUser == nil, session.tags.isEmpty {
            body.refuse("end_user", code: "invalid_type", "Required unless there are tags.")
        }
        try await checkIntegrations(of: session, &body)
        try body.finish()

        return try await answer(session)
    }

    func reconnect(_ call: Call) async throws -> Response {
        var body = try await call.body()
        let connectionID = body.requiredText("connection_id", .connectionID)
        let integrationKey = body.requiredText("integration_id", .integrationKey)
        var session = ConnectSession(scope: try call.scope, endUser: nil, expiresAt: call.now + Self.lifetime)
        session.allowedIntegrations = [integrationKey]
        session.connectionID = connectionID
        session.isReconnect = true
        readShared(&body, into: &session)
        let connection = try await connections.connection(
            connectionID, integrationKey: integrationKey, in: call.scope
        )
        if connection == nil, !connectionID.isEmpty, !integrationKey.isEmpty {
            body.refuse("connection_id", code: "custom", "There is no connection with this id for the integration.")
        }
        try body.finish()

        session.endUser = session.endUser ?? connection?.endUser
        if session.tags.isEmpty { session.tags = connection?.tags ?? [:] }
        return try await answer(session)
    }

    private func readShared(_ body: inout BodyReader, into session: inout ConnectSession) {
        session.tags = body.tags() ?? [:]
        session.endUser = body.endUser()
        if let organization = body.nested("organization", BodyReader.organization) {
            session.endUser?.organizationID = organization.id
            session.endUser?.organizationDisplayName = organization.name
        }
        session.allowedOrigins = body.origins("allowed_origins") ?? []
        session.webhookURLOverride = body.url("webhook_url_override")
        session.defaults =
            body.nestedMap("integrations_config_defaults") { _, reader in
                var defaults = ConnectSession.Defaults()
                let scopes = reader.text("user_scopes", .text(0...4096)) ?? ""
                defaults.userScopes = scopes.split(whereSeparator: { $0 == "," || $0 == " " }).map(String.init)
                defaults.authorizationParams = reader.textMap("authorization_params") ?? [:]
                defaults.connectionConfig = reader.object("connection_config") ?? JSONObject()
                return defaults
            } ?? [:]
        // Links to documentation for the connect page: checked, and not shown, because our page explains its fields.
        _ = body.nestedMap("overrides") { _, reader in reader.url("docs_connect") }
    }

    private func checkIntegrations(of session: ConnectSession, _ body: inout BodyReader) async throws {
        guard !session.allowedIntegrations.isEmpty || !session.defaults.isEmpty else { return }
        let known = Set(try await settings.integrations(in: session.scope).map(\.key))
        for (index, key) in session.allowedIntegrations.enumerated() where !known.contains(key) {
            body.refuse("allowed_integrations", String(index), code: "custom", "There is no integration with this key.")
        }
        for key in session.defaults.keys.sorted() where !known.contains(key) {
            body.refuse("integrations_config_defaults", key, code: "custom", "There is no integration with this key.")
        }
    }

    private func answer(_ session: ConnectSession) async throws -> Response {
        let token = Token.random(.connectSession)
        _ = try await connections.createSession(session, tokenHash: token.hash)
        return .json(
            [
                "data": [
                    "token": .string(token.text.reveal()),
                    "connect_link": .string("\(publicURL)/connect/\(token.text.reveal())"),
                    "expires_at": JSONValue(session.expiresAt),
                ]
            ],
            status: .created
        )
    }

    /// What the page of an end user may know about its own session.
    func current(_ call: Call) throws -> Response {
        let session = try call.session
        var data = JSONObject([("endUser", session.endUser?.json ?? .null)])
        if !session.allowedIntegrations.isEmpty {
            data["allowed_integrations"] = JSONValue(session.allowedIntegrations)
        }
        if !session.defaults.isEmpty {
            data["integrations_config_defaults"] = .object(
                JSONObject(session.defaults.sorted { $0.key < $1.key }.map { ($0.key, $0.value.json) })
            )
        }
        if session.isReconnect { data["isReconnecting"] = true }
        data["connectUISettings"] = [:]
        return .json(["data": .object(data)])
    }

    func deleteCurrent(_ call: Call) async throws -> Response {
        try await connections.deleteSession(row: call.session.id)
        return .noContent
    }

    /// How a try to connect stands; asked every half second by the page that opened the popup.
    func attempt(_ call: Call) async throws -> Response {
        let id = try call.parameter("attemptId", .attemptID)
        guard let attempt = try await connections.attempt(id, sessionRow: call.session.id, now: call.now) else {
            throw TerapiError(
                .notFound, "This connect session has no such attempt. It is known once the popup has loaded.")
        }
        var json = JSONObject([("state", .string("pending")), ("providerConfigKey", .string(attempt.integrationKey))])
        switch attempt.state {
        case .pending: break
        case .success(let connectionID):
            json["state"] = "success"
            json["connectionId"] = .string(connectionID)
        case .failure(let type, let message):
            json["state"] = "error"
            json["error"] = ["type": .string(type), "message": .string(message)]
        }
        return .json(.object(json))
    }
}

extension ConnectSession.Defaults {
    fileprivate var json: JSONValue {
        [
            "user_scopes": .string(userScopes.joined(separator: ",")),
            "authorization_params": JSONValue(authorizationParams),
            "connection_config": .object(connectionConfig),
        ]
    }
}
