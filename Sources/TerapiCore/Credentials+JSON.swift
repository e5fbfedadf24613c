extension Credentials {
    /// The form that is sealed and stored.
    public var stored: JSONValue {
        var object = JSONObject([("type", .string(type))])
        switch self {
        case .oauth2(let tokens):
            object["access_token"] = .string(tokens.accessToken.reveal())
            object["refresh_token"] = tokens.refreshToken.map { .string($0.reveal()) }
            object["expires_at"] = tokens.expiresAt.map { JSONValue($0.microseconds) }
            if !tokens.scopes.isEmpty { object["scopes"] = JSONValue(tokens.scopes) }
            object["raw"] = tokens.raw
            object["config_override"] = tokens.configOverride.map(\.json)
            object["server"] = tokens.server.map(\.json)
        case .oauth1(let tokens):
            object["oauth_token"] = .string(tokens.token.reveal())
            object["oauth_token_secret"] = .string(tokens.tokenSecret.reveal())
            object["raw"] = tokens.raw
            object["config_override"] = tokens.configOverride.map(\.json)
        case .tba(let tokens):
            object["token_id"] = .string(tokens.token.reveal())
            object["token_secret"] = .string(tokens.tokenSecret.reveal())
            object["config_override"] = tokens.configOverride.map(\.json)
        case .apiKey(let key):
            object["apiKey"] = .string(key.reveal())
        case .basic(let username, let password):
            object["username"] = .string(username)
            object["password"] = .string(password.reveal())
        case .derived(let derived):
            object["given"] = .object(derived.given)
            object["issued"] = .object(derived.issued)
            object["refresh_token"] = derived.refreshToken.map { .string($0.reveal()) }
            object["issued_at"] = derived.issuedAt.map { JSONValue($0.microseconds) }
            object["expires_at"] = derived.expiresAt.map { JSONValue($0.microseconds) }
            object["raw"] = derived.raw
        case .none: break
        }
        return .object(object)
    }

    /// Reads what ``stored`` wrote.
    /// - Throws: `TerapiError` with `.serverError` when the document is anything else.
    public init(stored: JSONValue) throws {
        func secret(_ name: String) -> Secret? { stored[name]?.string.map(Secret.init) }
        func moment(_ name: String) -> Timestamp? {
            stored[name]?.int.map { Timestamp(microseconds: Int64($0)) }
        }
        let raw = stored["raw"] ?? .object(JSONObject())
        let override = stored["config_override"].map(OAuth2Credentials.ConfigOverride.init(json:))
        guard let mode = stored["type"]?.string.flatMap(AuthMode.init) else { throw Self.unreadable }
        switch mode {
        case .oauth2:
            guard let accessToken = secret("access_token") else { throw Self.unreadable }
            self = .oauth2(
                OAuth2Credentials(
                    accessToken: accessToken,
                    refreshToken: secret("refresh_token"),
                    expiresAt: moment("expires_at"),
                    scopes: stored["scopes"]?.array?.compactMap(\.string) ?? [],
                    raw: raw,
                    configOverride: override,
                    server: stored["server"].flatMap(OAuth2Credentials.Server.init(json:))
                )
            )
        case .oauth1:
            guard let token = secret("oauth_token"), let tokenSecret = secret("oauth_token_secret") else {
                throw Self.unreadable
            }
            self = .oauth1(
                OAuth1Credentials(token: token, tokenSecret: tokenSecret, raw: raw, configOverride: override)
            )
        case .tba:
            guard let token = secret("token_id"), let tokenSecret = secret("token_secret") else {
                throw Self.unreadable
            }
            self = .tba(OAuth1Credentials(token: token, tokenSecret: tokenSecret, configOverride: override))
        case .apiKey:
            guard let key = secret("apiKey") else { throw Self.unreadable }
            self = .apiKey(key)
        case .basic:
            guard let username = stored["username"]?.string, let password = secret("password") else {
                throw Self.unreadable
            }
            self = .basic(username: username, password: password)
        case .none: self = .none
        default:
            guard let given = stored["given"]?.object, let issued = stored["issued"]?.object else {
                throw Self.unreadable
            }
            self = .derived(
                DerivedCredentials(
                    mode: mode,
                    given: given,
                    issued: issued,
                    refreshToken: secret("refresh_token"),
                    issuedAt: moment("issued_at"),
                    expiresAt: moment("expires_at"),
                    raw: raw
                )
            )
        }
    }

    private static var unreadable: TerapiError {
        TerapiError(.serverError, "The stored credentials cannot be read.")
    }

    /// The form that the HTTP API and scripts get, secrets included: only for a caller who may read credentials.
    /// - Parameter includesRefreshToken: whether the refresh token is shown, also inside `raw`.
    public func publicJSON(includesRefreshToken: Bool) -> JSONValue {
        switch self {
        case .oauth2(let tokens):
            var object = JSONObject([("type", .string(type)), ("access_token", .string(tokens.accessToken.reveal()))])
            if includesRefreshToken { object["refresh_token"] = tokens.refreshToken.map { .string($0.reveal()) } }
            object["expires_at"] = tokens.expiresAt.map { .string($0.iso8601) }
            object["config_override"] = tokens.configOverride.map(\.json)
            object["raw"] = includesRefreshToken ? tokens.raw : Self.without(tokens.refreshToken, tokens.raw)
            return .object(object)
        case .derived(let derived):
            var object = JSONObject([("type", .string(type))]).merging(derived.given).merging(derived.issued)
            object["type"] = .string(type)
            if includesRefreshToken { object["refresh_token"] = derived.refreshToken.map { .string($0.reveal()) } }
            object["expires_at"] = derived.expiresAt.map { .string($0.iso8601) }
            object["raw"] = includesRefreshToken ? derived.raw : Self.without(derived.refreshToken, derived.raw)
            return .object(object)
        case .none: return .object(JSONObject())
        default: return stored
        }
    }

    /// By its usual name, and by its value where the provider calls it otherwise.
    private static func without(_ refreshToken: Secret?, _ raw: JSONValue) -> JSONValue {
        switch raw {
        case .object(let object):
            .object(
                JSONObject(
                    object.members
                        .filter { name, value in
                            name.lowercased().replacing("_", with: "") != "refreshtoken"
                                && (refreshToken == nil || value.string.map(Secret.init) != refreshToken)
                        }
                        .map { ($0.name, without(refreshToken, $0.value)) }
                )
            )
        case .array(let values): .array(values.map { without(refreshToken, $0) })
        default: raw
        }
    }
}

extension OAuth2Credentials.ConfigOverride {
    var json: JSONValue {
        var object = JSONObject()
        object["client_id"] = clientID.map(JSONValue.string)
        object["client_secret"] = clientSecret.map { .string($0.reveal()) }
        return .object(object)
    }

    init(json: JSONValue) {
        self.init(clientID: json["client_id"]?.string, clientSecret: json["client_secret"]?.string.map(Secret.init))
    }
}

extension OAuth2Credentials.Server {
    var json: JSONValue {
        var object = JSONObject([("token_url", .string(tokenURL))])
        object["issuer"] = issuer.map(JSONValue.string)
        object["resource"] = resource.map(JSONValue.string)
        object["client_authentication"] = clientAuthentication.map(JSONValue.string)
        return .object(object)
    }

    init?(json: JSONValue) {
        guard let tokenURL = json["token_url"]?.string else { return nil }
        self.init(
            issuer: json["issuer"]?.string,
            tokenURL: tokenURL,
            resource: json["resource"]?.string,
            clientAuthentication: json["client_authentication"]?.string
        )
    }
}
