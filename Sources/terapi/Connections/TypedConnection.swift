import TerapiCore

/// A connection of credentials that cannot be imported: made in a connect session, as if its end user had typed them in.
struct TypedConnection {
    private let route: String
    private let body: JSONObject

    /// - Parameter body: of `POST /connections`.
    /// - Returns: `nil` for credentials that `POST /connections` takes.
    init?(_ body: JSONObject) {
        let routes: [AuthMode: String] = [
            .twoStep: "two-step", .jwt: "jwt", .signature: "signature", .awsSigV4: "aws-sigv4", .bill: "bill",
        ]
        let mode = body["credentials"]?["type"]?.string.flatMap(AuthMode.init)
        guard let route = mode.flatMap({ routes[$0] }) else { return nil }
        self.route = route
        self.body = body
    }

    /// - Returns: the connection, as `GET /connections/{id}` shows it.
    func make(_ client: RemoteClient) async throws -> JSONValue {
        let key = body["provider_config_key"].cell
        var session: JSONObject = ["allowed_integrations": [.string(key)]]
        for field in ["connection_id", "end_user", "tags"] { session[field] = body[field] }
        if let config = body["connection_config"] {
            session["integrations_config_defaults"] = .object([key: ["connection_config": config]])
        }
        let made = try await client.send("POST", "/connect/sessions", body: .object(session))
        var credentials = body["credentials"]?.object ?? [:]
        credentials["type"] = nil
        let connected = try await client.speaking(as: Secret(made["data"]?["token"].cell ?? ""))
            .send("POST", "/auth/\(route)/\(PercentEncoding.encode(key))", body: .object(credentials))
        let id = connected["connectionId"].cell
        if let metadata = body["metadata"] {
            let more: JSONObject = [
                "provider_config_key": .string(key), "connection_id": .string(id), "metadata": metadata,
            ]
            _ = try await client.send("POST", "/connections/metadata", body: .object(more))
        }
        return try await client.send("GET", Connections.path(id), query: [("provider_config_key", key)])
    }
}
