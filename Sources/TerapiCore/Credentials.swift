/// What authorises the requests of one connection.
public enum Credentials: Sendable, Hashable {
    case oauth2(OAuth2Credentials)
    case apiKey(Secret)
    case basic(username: String, password: Secret)
    case none
}

/// The tokens of an OAuth 2 grant.
public struct OAuth2Credentials: Sendable, Hashable {
    /// The OAuth client of this one connection, where it differs from the integration's.
    public struct ConfigOverride: Sendable, Hashable {
        public var clientID: String?
        public var clientSecret: Secret?

        public init(clientID: String? = nil, clientSecret: Secret? = nil) {
            self.clientID = clientID
            self.clientSecret = clientSecret
        }
    }

    public var accessToken: Secret
    public var refreshToken: Secret?
    /// When the access token ends; `nil` when the provider does not say.
    public var expiresAt: Timestamp?
    /// What the provider says that it granted; empty when it does not say.
    public var scopes: [String]
    /// The provider's latest token answer as it came. It holds the tokens.
    public var raw: JSONValue
    public var configOverride: ConfigOverride?

    public init(
        accessToken: Secret,
        refreshToken: Secret? = nil,
        expiresAt: Timestamp? = nil,
        scopes: [String] = [],
        raw: JSONValue = .object(JSONObject()),
        configOverride: ConfigOverride? = nil
    ) {
        self.accessToken = accessToken
        self.refreshToken = refreshToken
        self.expiresAt = expiresAt
        self.scopes = scopes
        self.raw = raw
        self.configOverride = configOverride
    }
}

extension OAuth2Credentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "***" }
    public var debugDescription: String { "***" }
    /// `raw` holds the tokens as plain text: nothing of it may show where credentials are printed.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension Credentials {
    /// The auth mode that these belong to, as it is written in JSON.
    public var type: String {
        switch self {
        case .oauth2: "OAUTH2"
        case .apiKey: "API_KEY"
        case .basic: "BASIC"
        case .none: "NONE"
        }
    }

    /// Every value in here that must not reach a log.
    public var allSecrets: [Secret] {
        switch self {
        case .oauth2(let tokens):
            [tokens.accessToken, tokens.refreshToken, tokens.configOverride?.clientSecret].compactMap(\.self)
                + Self.tokens(in: tokens.raw)
        case .apiKey(let key): [key]
        case .basic(_, let password): [password]
        case .none: []
        }
    }

    // A token answer may hold further tokens (an `id_token`, one of a team) under names that we do not know.
    private static func tokens(in raw: JSONValue) -> [Secret] {
        switch raw {
        case .object(let object):
            object.members.flatMap { member -> [Secret] in
                if case .string(let text) = member.value {
                    return member.name.contains("token") && member.name != "token_type" && !text.isEmpty
                        ? [Secret(text)] : []
                }
                return tokens(in: member.value)
            }
        case .array(let values): values.flatMap(tokens(in:))
        default: []
        }
    }

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
            object["config_override"] = tokens.configOverride.map(Self.json)
        case .apiKey(let key):
            object["apiKey"] = .string(key.reveal())
        case .basic(let username, let password):
            object["username"] = .string(username)
            object["password"] = .string(password.reveal())
        case .none: break
        }
        return .object(object)
    }

    /// Reads what ``stored`` wrote.
    /// - Throws: `TerapiError` with `.serverError` when the document is anything else.
    public init(stored: JSONValue) throws {
        switch stored["type"]?.string {
        case "OAUTH2":
            guard let accessToken = stored["access_token"]?.string else { throw Self.unreadable }
            let override = stored["config_override"].map {
                OAuth2Credentials.ConfigOverride(
                    clientID: $0["client_id"]?.string,
                    clientSecret: $0["client_secret"]?.string.map(Secret.init)
                )
            }
            self = .oauth2(
                OAuth2Credentials(
                    accessToken: Secret(accessToken),
                    refreshToken: stored["refresh_token"]?.string.map(Secret.init),
                    expiresAt: stored["expires_at"]?.int.map { Timestamp(microseconds: Int64($0)) },
                    scopes: stored["scopes"]?.array?.compactMap(\.string) ?? [],
                    raw: stored["raw"] ?? .object(JSONObject()),
                    configOverride: override
                )
            )
        case "API_KEY":
            guard let key = stored["apiKey"]?.string else { throw Self.unreadable }
            self = .apiKey(Secret(key))
        case "BASIC":
            guard let username = stored["username"]?.string, let password = stored["password"]?.string else {
                throw Self.unreadable
            }
            self = .basic(username: username, password: Secret(password))
        case "NONE": self = .none
        default: throw Self.unreadable
        }
    }

    private static var unreadable: TerapiError {
        TerapiError(.serverError, "The stored credentials cannot be read.")
    }

    private static func json(_ override: OAuth2Credentials.ConfigOverride) -> JSONValue {
        var object = JSONObject()
        object["client_id"] = override.clientID.map(JSONValue.string)
        object["client_secret"] = override.clientSecret.map { .string($0.reveal()) }
        return .object(object)
    }

    /// The form that the HTTP API and scripts get, secrets included: only for a caller who may read credentials.
    /// - Parameter includesRefreshToken: whether the refresh token is shown, also inside `raw`.
    public func publicJSON(includesRefreshToken: Bool) -> JSONValue {
        switch self {
        case .oauth2(let tokens):
            var object = JSONObject([("type", .string(type)), ("access_token", .string(tokens.accessToken.reveal()))])
            if includesRefreshToken { object["refresh_token"] = tokens.refreshToken.map { .string($0.reveal()) } }
            object["expires_at"] = tokens.expiresAt.map { .string($0.iso8601) }
            object["config_override"] = tokens.configOverride.map(Self.json)
            object["raw"] = includesRefreshToken ? tokens.raw : Self.withoutRefreshToken(tokens.raw)
            return .object(object)
        case .none: return .object(JSONObject())
        default: return stored
        }
    }

    private static func withoutRefreshToken(_ raw: JSONValue) -> JSONValue {
        switch raw {
        case .object(let object):
            .object(
                JSONObject(
                    object.members.filter { $0.name != "refresh_token" }.map {
                        ($0.name, withoutRefreshToken($0.value))
                    }
                )
            )
        case .array(let values): .array(values.map(withoutRefreshToken))
        default: raw
        }
    }

    /// Reads credentials that a customer imports: the `credentials` of `POST /connections`.
    /// - Throws: `TerapiError` with `.invalidBody` and the path of each field that is wrong.
    public init(imported json: JSONValue, mode: AuthMode, now: Timestamp) throws {
        var reader = ImportReader(json: json)
        if let type = json["type"]?.string, type != mode.rawValue {
            reader.refuse("type", "Expected \"\(mode.rawValue)\", the provider's auth mode, and not \"\(type)\".")
        }
        switch mode {
        case .oauth2:
            let accessToken = reader.text("access_token", maxLength: 65_536)
            let refreshToken = reader.text("refresh_token", isRequired: false, maxLength: 65_536)
            let expiresAt = reader.moment("expires_at", now: now)
            let override = reader.override()
            reader.finish(allowed: ["type", "access_token", "refresh_token", "expires_at", "config_override", "raw"])
            try reader.check()
            self = .oauth2(
                OAuth2Credentials(
                    accessToken: Secret(accessToken ?? ""),
                    refreshToken: refreshToken.map(Secret.init),
                    expiresAt: expiresAt,
                    raw: json["raw"] ?? .object(JSONObject()),
                    configOverride: override
                )
            )
        case .apiKey:
            let key = reader.text("apiKey", maxLength: 1024)
            reader.finish(allowed: ["type", "apiKey"])
            try reader.check()
            self = .apiKey(Secret(key ?? ""))
        case .basic:
            let username = reader.text("username", mayBeEmpty: true, maxLength: 1024)
            let password = reader.text("password", mayBeEmpty: true, maxLength: 1024)
            reader.finish(allowed: ["type", "username", "password"])
            try reader.check()
            self = .basic(username: username ?? "", password: Secret(password ?? ""))
        case .none:
            reader.finish(allowed: ["type"])
            try reader.check()
            self = .none
        default:
            throw TerapiError(.invalidBody, "Connections of the auth mode \(mode.rawValue) are not supported yet.")
        }
    }
}

/// Collects everything that is wrong with imported credentials before refusing them.
private struct ImportReader {
    let json: JSONValue
    var issues: [TerapiError.Issue] = []

    mutating func refuse(_ field: String, _ message: String) {
        issues.append(TerapiError.Issue(code: "invalid_value", message: message, path: ["credentials", field]))
    }

    mutating func text(
        _ field: String,
        isRequired: Bool = true,
        mayBeEmpty: Bool = false,
        maxLength: Int
    ) -> String? {
        switch json[field] {
        case .string(let text):
            if text.isEmpty, !mayBeEmpty { refuse(field, "Expected a text that is not empty.") }
            if text.utf8.count > maxLength { refuse(field, "Expected at most \(maxLength) bytes.") }
            return text
        case nil, .null:
            if isRequired { refuse(field, "Required.") }
            return nil
        case let value?:
            refuse(field, "Expected a string and not \(value.kind).")
            return nil
        }
    }

    mutating func moment(_ field: String, now: Timestamp) -> Timestamp? {
        switch json[field] {
        case nil, .null: return nil
        case .string(let text):
            if let moment = Timestamp(iso8601: text) { return moment }
        case .number(let digits):
            if let seconds = Double(digits), seconds > 0, seconds < 100_000_000_000 {
                return Timestamp(microseconds: Int64(seconds * 1_000_000))
            }
        default: break
        }
        refuse(field, "Expected a date and time such as \(now.iso8601).")
        return nil
    }

    mutating func override() -> OAuth2Credentials.ConfigOverride? {
        guard let override = json["config_override"], !override.isNull else { return nil }
        guard override.object != nil else {
            refuse("config_override", "Expected an object and not \(override.kind).")
            return nil
        }
        return OAuth2Credentials.ConfigOverride(
            clientID: override["client_id"]?.string,
            clientSecret: override["client_secret"]?.string.map(Secret.init)
        )
    }

    mutating func finish(allowed: Set<String>) {
        guard let object = json.object else {
            issues = [
                TerapiError.Issue(
                    code: "invalid_type",
                    message: "Expected an object and not \(json.kind).",
                    path: ["credentials"]
                )
            ]
            return
        }
        for name in object.names where !allowed.contains(name) {
            issues.append(
                TerapiError.Issue(
                    code: "unrecognized_keys",
                    message: "Unknown field.",
                    path: ["credentials", name]
                )
            )
        }
    }

    func check() throws {
        guard issues.isEmpty else {
            throw TerapiError(.invalidBody, "The credentials are not complete.", issues: issues)
        }
    }
}
