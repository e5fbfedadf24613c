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

    /// The authorization server, where it was found out while connecting and not named by the provider file. It is
    /// kept with the tokens so that nobody can lead a refresh elsewhere later.
    public struct Server: Sendable, Hashable {
        public var issuer: String?
        public var tokenURL: String
        /// What the tokens are for (RFC 8707).
        public var resource: String?
        /// How the client authenticates there, in the words of RFC 7591; `nil` for what the provider file says.
        public var clientAuthentication: String?

        public init(
            issuer: String? = nil,
            tokenURL: String,
            resource: String? = nil,
            clientAuthentication: String? = nil
        ) {
            self.issuer = issuer
            self.tokenURL = tokenURL
            self.resource = resource
            self.clientAuthentication = clientAuthentication
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
    public var server: Server?

    public init(
        accessToken: Secret,
        refreshToken: Secret? = nil,
        expiresAt: Timestamp? = nil,
        scopes: [String] = [],
        raw: JSONValue = .object(JSONObject()),
        configOverride: ConfigOverride? = nil,
        server: Server? = nil
    ) {
        self.accessToken = accessToken
        self.refreshToken = refreshToken
        self.expiresAt = expiresAt
        self.scopes = scopes
        self.raw = raw
        self.configOverride = configOverride
        self.server = server
    }
}

extension OAuth2Credentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "***" }
    public var debugDescription: String { "***" }
    /// `raw` holds the tokens as plain text: nothing of it may show where credentials are printed.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
