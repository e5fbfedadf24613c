import TerapiCore

/// What a browser asks for when it begins to connect. The flow puts the session's defaults in their place.
struct ConnectRequest: Sendable {
    var session: ConnectSession
    var integrationKey: String
    var connectionID: String?
    var config: JSONObject
    var userScopes: [String]
    var authorizationParams: [String: String]
    var attemptID: String?
    var openerOrigin: String?
    var returnURL: String?
    /// Whether the browser has been sent on from another host.
    var wasRedirected: Bool

    init(_ call: Call) throws {
        session = try call.session
        integrationKey = try call.parameter("uniqueKey", .integrationKey)
        var query = try call.query()
        _ = query.text("connect_session_token")
        connectionID = query.text("connection_id", .connectionID)
        let params = query.map("params")
        authorizationParams = query.map("authorization_params")
        userScopes = query.commaList("user_scope", .text(1...255))
        attemptID = query.text("attempt_id", .attemptID)
        openerOrigin = query.text("opener_origin")
        returnURL = query.text("return_url", .text(1...2048))
        wasRedirected = query.flag("redirected")
        if params.count > 50 { query.refuse("params", "too_big", "Expected at most 50 fields.") }
        if params.values.contains(where: { $0.utf8.count > 4096 }) {
            query.refuse("params", "too_big", "Expected at most 4096 characters in a field.")
        }
        try query.finish()

        guard session.allows(integration: integrationKey) else {
            throw TerapiError(.forbidden, "This connect session is not for the integration \"\(integrationKey)\".")
        }
        config = JSONObject(params.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
    }
}
