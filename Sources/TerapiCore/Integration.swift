/// A provider as one environment has set it up.
public struct Integration: Sendable, Equatable {
    public var id: Int64
    public var scope: EnvironmentScope
    /// Named `unique_key`, `provider_config_key` and `providerConfigKey` on the wire: one and the same.
    public var key: String
    public var provider: String
    public var displayName: String
    public var forwardsWebhooks: Bool
    public var credentials: IntegrationCredentials?
    /// The fields that the provider's `integration_config` asks the developer for.
    public var custom: JSONObject
    public var createdAt: Timestamp
    public var updatedAt: Timestamp

    public init(
        id: Int64 = 0,
        scope: EnvironmentScope,
        key: String,
        provider: String,
        displayName: String,
        forwardsWebhooks: Bool = true,
        credentials: IntegrationCredentials? = nil,
        custom: JSONObject = [:],
        createdAt: Timestamp,
        updatedAt: Timestamp
    ) {
        self.id = id
        self.scope = scope
        self.key = key
        self.provider = provider
        self.displayName = displayName
        self.forwardsWebhooks = forwardsWebhooks
        self.credentials = credentials
        self.custom = custom
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}

/// What the team's developer app at the provider is known by.
public struct IntegrationCredentials: Sendable, Equatable {
    /// `OAUTH2`, `OAUTH1`, `TBA`, `APP` or `CUSTOM`.
    public var type: String
    public var clientID: String
    public var clientSecret: Secret
    public var scopes: [String]
    public var webhookSecret: Secret?
    public var app: App?

    /// An app that is installed at the provider and signs with a key of its own.
    public struct App: Sendable, Equatable {
        public var id: String
        /// The app's public page, from which it is installed.
        public var link: String
        /// PEM.
        public var privateKey: Secret

        public init(id: String, link: String, privateKey: Secret) {
            self.id = id
            self.link = link
            self.privateKey = privateKey
        }
    }

    public init(
        type: String,
        clientID: String,
        clientSecret: Secret,
        scopes: [String],
        webhookSecret: Secret? = nil,
        app: App? = nil
    ) {
        self.type = type
        self.clientID = clientID
        self.clientSecret = clientSecret
        self.scopes = scopes
        self.webhookSecret = webhookSecret
        self.app = app
    }
}
