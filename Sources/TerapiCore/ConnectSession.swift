/// A short permission with which one end user makes a connection.
public struct ConnectSession: Sendable, Equatable {
    /// What a connection made in this session through one integration starts from.
    public struct Defaults: Sendable, Equatable {
        public var userScopes: [String]
        public var authorizationParams: [String: String]
        public var connectionConfig: JSONObject

        public init(
            userScopes: [String] = [],
            authorizationParams: [String: String] = [:],
            connectionConfig: JSONObject = [:]
        ) {
            self.userScopes = userScopes
            self.authorizationParams = authorizationParams
            self.connectionConfig = connectionConfig
        }
    }

    public var id: Int64
    public var scope: EnvironmentScope
    public var endUser: EndUser?
    public var tags: [String: String]
    /// Empty: all of the environment's.
    public var allowedIntegrations: [String]
    /// Who may learn the result. Empty: the environment's default origins.
    public var allowedOrigins: [String]
    public var defaults: [String: Defaults]
    /// The id that the new connection gets; for a reconnect the one it has.
    public var connectionID: String?
    public var isReconnect: Bool
    public var webhookURLOverride: String?
    public var expiresAt: Timestamp

    public init(
        id: Int64 = 0,
        scope: EnvironmentScope,
        endUser: EndUser?,
        tags: [String: String] = [:],
        allowedIntegrations: [String] = [],
        allowedOrigins: [String] = [],
        defaults: [String: Defaults] = [:],
        connectionID: String? = nil,
        isReconnect: Bool = false,
        webhookURLOverride: String? = nil,
        expiresAt: Timestamp
    ) {
        self.id = id
        self.scope = scope
        self.endUser = endUser
        self.tags = tags
        self.allowedIntegrations = allowedIntegrations
        self.allowedOrigins = allowedOrigins
        self.defaults = defaults
        self.connectionID = connectionID
        self.isReconnect = isReconnect
        self.webhookURLOverride = webhookURLOverride
        self.expiresAt = expiresAt
    }

    public func allows(integration key: String) -> Bool {
        allowedIntegrations.isEmpty || allowedIntegrations.contains(key)
    }
}

/// One try of an end user to connect, and how it ended. The page that opened the popup asks for it by its id.
public struct ConnectAttempt: Sendable, Equatable {
    public enum State: Sendable, Equatable {
        case pending
        case success(connectionID: String)
        case failure(type: String, message: String)
    }

    /// 256 random bits: also the OAuth `state`.
    public var id: String
    public var sessionID: Int64
    public var scope: EnvironmentScope
    public var integrationKey: String
    public var state: State
    public var createdAt: Timestamp

    public init(
        id: String,
        sessionID: Int64,
        scope: EnvironmentScope,
        integrationKey: String,
        state: State = .pending,
        createdAt: Timestamp
    ) {
        self.id = id
        self.sessionID = sessionID
        self.scope = scope
        self.integrationKey = integrationKey
        self.state = state
        self.createdAt = createdAt
    }
}

/// What is remembered between sending a browser to the provider and its return. Used once, for ten minutes.
public struct OAuthSession: Sendable {
    /// The OAuth `state`.
    public var state: String
    public var attemptID: String
    public var sessionID: Int64
    public var scope: EnvironmentScope
    public var integrationKey: String
    public var connectionID: String
    public var connectionConfig: JSONObject
    public var codeVerifier: Secret?
    /// Hash of the secret cookie of the browser that began.
    public var browserHash: [UInt8]
    public var redirectURI: String
    /// Where the result may be posted; `nil` for a full-page redirect without an opener.
    public var openerOrigin: String?
    /// Where a full-page redirect ends.
    public var returnURL: String?
    /// What its beginning has found out for its end.
    public var notes: AuthorizationNotes
    public var expiresAt: Timestamp

    public init(
        state: String,
        attemptID: String,
        sessionID: Int64,
        scope: EnvironmentScope,
        integrationKey: String,
        connectionID: String,
        connectionConfig: JSONObject,
        codeVerifier: Secret?,
        browserHash: [UInt8],
        redirectURI: String,
        openerOrigin: String?,
        returnURL: String?,
        notes: AuthorizationNotes = AuthorizationNotes(),
        expiresAt: Timestamp
    ) {
        self.state = state
        self.attemptID = attemptID
        self.sessionID = sessionID
        self.scope = scope
        self.integrationKey = integrationKey
        self.connectionID = connectionID
        self.connectionConfig = connectionConfig
        self.codeVerifier = codeVerifier
        self.browserHash = browserHash
        self.redirectURI = redirectURI
        self.openerOrigin = openerOrigin
        self.returnURL = returnURL
        self.notes = notes
        self.expiresAt = expiresAt
    }
}

/// What the end of an authorization needs to know of its beginning, besides what every flow has.
public struct AuthorizationNotes: Sendable, Equatable {
    /// The temporary token of OAuth 1, which the browser brings back, and the secret that belongs to it.
    public var requestToken: Secret?
    public var requestTokenSecret: Secret?
    /// The OAuth client that was registered for this connection.
    public var client: OAuth2Credentials.ConfigOverride?
    public var server: OAuth2Credentials.Server?
    /// Whether the server has promised to name itself in the callback (RFC 9207).
    public var expectsIssuer: Bool

    public init(
        requestToken: Secret? = nil,
        requestTokenSecret: Secret? = nil,
        client: OAuth2Credentials.ConfigOverride? = nil,
        server: OAuth2Credentials.Server? = nil,
        expectsIssuer: Bool = false
    ) {
        self.requestToken = requestToken
        self.requestTokenSecret = requestTokenSecret
        self.client = client
        self.server = server
        self.expectsIssuer = expectsIssuer
    }

    /// The form that is sealed and stored.
    public var stored: JSONValue {
        var object = JSONObject([("expects_issuer", .bool(expectsIssuer))])
        object["request_token"] = requestToken.map { .string($0.reveal()) }
        object["request_token_secret"] = requestTokenSecret.map { .string($0.reveal()) }
        object["client"] = client.map(\.json)
        object["server"] = server.map(\.json)
        return .object(object)
    }

    /// Reads what ``stored`` wrote.
    public init(stored: JSONValue?) {
        self.init(
            requestToken: stored?["request_token"]?.string.map(Secret.init),
            requestTokenSecret: stored?["request_token_secret"]?.string.map(Secret.init),
            client: stored?["client"].map(OAuth2Credentials.ConfigOverride.init(json:)),
            server: stored?["server"].flatMap(OAuth2Credentials.Server.init(json:)),
            expectsIssuer: stored?["expects_issuer"]?.bool ?? false
        )
    }
}
