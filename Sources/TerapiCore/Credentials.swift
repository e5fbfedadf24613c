/// What authorises the requests of one connection.
public enum Credentials: Sendable, Hashable {
    case oauth2(OAuth2Credentials)
    case oauth1(OAuth1Credentials)
    case apiKey(Secret)
    case basic(username: String, password: Secret)
    /// NetSuite's token-based authentication: tokens that the end user types in, and OAuth 1 signatures.
    case tba(OAuth1Credentials)
    case derived(DerivedCredentials)
    case none
}

/// A token of OAuth 1 (RFC 5849) and the secret that signs with it. Neither ends.
public struct OAuth1Credentials: Sendable, Hashable {
    public var token: Secret
    public var tokenSecret: Secret
    /// The provider's token answer as it came. It holds both.
    public var raw: JSONValue
    public var configOverride: OAuth2Credentials.ConfigOverride?

    public init(
        token: Secret,
        tokenSecret: Secret,
        raw: JSONValue = .object(JSONObject()),
        configOverride: OAuth2Credentials.ConfigOverride? = nil
    ) {
        self.token = token
        self.tokenSecret = tokenSecret
        self.raw = raw
        self.configOverride = configOverride
    }
}

/// What an end user entered, and what was got for it and can be got again: a token, a session, temporary keys.
public struct DerivedCredentials: Sendable, Hashable {
    public var mode: AuthMode
    /// As it was entered, by the names of the provider's form. Holds secrets.
    public var given: JSONObject
    /// As it was got, by the names of the wire: `token`, `session_id`, … Holds secrets.
    public var issued: JSONObject
    public var refreshToken: Secret?
    public var issuedAt: Timestamp?
    /// When what was issued ends; `nil` when nobody knows.
    public var expiresAt: Timestamp?
    /// The provider's latest answer as it came. It holds secrets.
    public var raw: JSONValue
    /// Entered for the first token only, and never stored.
    public var once = JSONObject()

    public init(
        mode: AuthMode,
        given: JSONObject,
        issued: JSONObject = [:],
        refreshToken: Secret? = nil,
        issuedAt: Timestamp? = nil,
        expiresAt: Timestamp? = nil,
        raw: JSONValue = .object(JSONObject())
    ) {
        self.mode = mode
        self.given = given
        self.issued = issued
        self.refreshToken = refreshToken
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        self.raw = raw
    }

    /// What a request shows, whatever the mode calls it.
    public var token: Secret? {
        (issued["token"]?.string ?? issued["access_token"]?.string).map(Secret.init)
    }
}

extension OAuth1Credentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "***" }
    public var debugDescription: String { "***" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension DerivedCredentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "***" }
    public var debugDescription: String { "***" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension Credentials {
    /// The auth mode that these belong to, as it is written in JSON.
    public var type: String {
        switch self {
        case .oauth2: AuthMode.oauth2.rawValue
        case .oauth1: AuthMode.oauth1.rawValue
        case .apiKey: AuthMode.apiKey.rawValue
        case .basic: AuthMode.basic.rawValue
        case .tba: AuthMode.tba.rawValue
        case .derived(let derived): derived.mode.rawValue
        case .none: AuthMode.none.rawValue
        }
    }

    /// When they end; `nil` when they do not, or nobody knows.
    public var expiresAt: Timestamp? {
        switch self {
        case .oauth2(let tokens): tokens.expiresAt
        case .derived(let derived): derived.expiresAt
        default: nil
        }
    }

    /// Whether new ones can be had without the end user.
    public var canRefresh: Bool {
        switch self {
        case .oauth2(let tokens): tokens.refreshToken != nil
        case .derived: true
        default: false
        }
    }

    /// Whether nothing can be renewed, and asking the provider is the only way to learn that they still work.
    public var canOnlyBeVerified: Bool {
        switch self {
        case .apiKey, .basic, .tba: true
        default: false
        }
    }

    /// For how long they were meant to work, as far as it is known.
    public var lifetime: Duration? {
        switch self {
        case .oauth2(let tokens):
            tokens.raw["expires_in"].flatMap { $0.double ?? $0.string.flatMap(Double.init) }.map { .seconds($0) }
        case .derived(let derived):
            if let begin = derived.issuedAt, let end = derived.expiresAt { end - begin } else { nil }
        default: nil
        }
    }

    /// The OAuth client of this one connection.
    public var configOverride: OAuth2Credentials.ConfigOverride? {
        switch self {
        case .oauth2(let tokens): tokens.configOverride
        case .oauth1(let tokens), .tba(let tokens): tokens.configOverride
        default: nil
        }
    }

    /// Every value in here that must not reach a log.
    public var allSecrets: [Secret] {
        switch self {
        case .oauth2(let tokens):
            [tokens.accessToken, tokens.refreshToken, tokens.configOverride?.clientSecret].compactMap(\.self)
                + Self.tokens(in: tokens.raw)
        case .oauth1(let tokens), .tba(let tokens):
            [tokens.token, tokens.tokenSecret, tokens.configOverride?.clientSecret].compactMap(\.self)
                + Self.tokens(in: tokens.raw)
        case .apiKey(let key): [key]
        case .basic(_, let password): [password]
        case .derived(let derived):
            [derived.given, derived.issued, derived.once].flatMap { Self.secrets(in: .object($0)) }
                + [derived.refreshToken].compactMap(\.self) + Self.tokens(in: derived.raw)
        case .none: []
        }
    }

    // A token answer may hold further tokens (an `id_token`, one of a team) under names that we do not know.
    private static func tokens(in raw: JSONValue) -> [Secret] {
        switch raw {
        case .object(let object):
            object.members.flatMap { member -> [Secret] in
                if case .string(let text) = member.value {
                    let name = member.name.lowercased()
                    return ["token", "secret", "session", "accesskey"].contains(where: name.contains)
                        && name != "token_type" && !text.isEmpty ? [Secret(text)] : []
                }
                return tokens(in: member.value)
            }
        case .array(let values): values.flatMap(tokens(in:))
        default: []
        }
    }

    /// Fields of a form that people read aloud; any other may be a secret.
    private static let plainFields: Set = [
        "app_id", "appid", "client_id", "clientid", "company", "companyid", "email", "external_id", "host",
        "installation_id", "organization_id", "region", "role_arn", "scope", "scopes", "service", "tenant", "username",
    ]

    private static func secrets(in value: JSONValue) -> [Secret] {
        switch value {
        case .string(let text): text.isEmpty ? [] : [Secret(text)]
        case .object(let object):
            object.members.filter { !plainFields.contains($0.name.lowercased()) }.flatMap { secrets(in: $0.value) }
        case .array(let values): values.flatMap(secrets(in:))
        default: []
        }
    }
}
