/// A separate space with its own keys, integrations, connections and records.
public struct Environment: Sendable, Equatable {
    public var id: Int64
    public var uuid: String
    public var name: String
    public var settings: EnvironmentSettings
    public var createdAt: Timestamp

    public init(id: Int64, uuid: String, name: String, settings: EnvironmentSettings, createdAt: Timestamp) {
        self.id = id
        self.uuid = uuid
        self.name = name
        self.settings = settings
        self.createdAt = createdAt
    }

    public var scope: EnvironmentScope { EnvironmentScope(environmentID: id) }
}

/// The environment that a caller may touch. Every query takes one.
///
/// It comes from an authenticated key or token, or from a stored row, never from a path, a header or a body.
public struct EnvironmentScope: Sendable, Hashable {
    public let environmentID: Int64

    public init(environmentID: Int64) {
        self.environmentID = environmentID
    }
}

/// What the team sets for one environment.
public struct EnvironmentSettings: Sendable, Equatable {
    public var primaryWebhookURL: String?
    public var secondaryWebhookURL: String?
    /// Whether a sync run that changed nothing sends a webhook too.
    public var sendsUnchangedSyncs = false
    public var sendsAuthCreation = true
    public var sendsAuthRefreshErrors = true
    public var sendsSyncErrors = true
    public var sendsActionCompletions = true
    /// Origins that may learn a connect result when the connect session names none, such as `https://app.example.com`.
    public var defaultOrigins: [String] = []

    /// Where webhooks go unless a connection has a URL of its own.
    public var webhookURLs: [String] { [primaryWebhookURL, secondaryWebhookURL].compactMap(\.self) }

    public init() {}
}

/// A value that the team gives to the scripts of an environment.
public struct EnvironmentVariable: Sendable, Equatable {
    public var name: String
    public var value: Secret

    public init(name: String, value: Secret) {
        self.name = name
        self.value = value
    }
}

/// A secret with which webhooks are signed: `whsec_` and base64.
public struct WebhookSigningKey: Sendable, Equatable {
    public var id: Int64
    public var secret: Secret
    public var createdAt: Timestamp
    /// When the key stops signing; `nil` for the current one. A replaced key goes on for 24 hours.
    public var expiresAt: Timestamp?

    public init(id: Int64, secret: Secret, createdAt: Timestamp, expiresAt: Timestamp?) {
        self.id = id
        self.secret = secret
        self.createdAt = createdAt
        self.expiresAt = expiresAt
    }
}
