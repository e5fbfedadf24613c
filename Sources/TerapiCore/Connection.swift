/// One end user's authorised link through an integration. Its credentials are kept apart.
public struct Connection: Sendable, Equatable {
    /// The row; what other rows refer to.
    public var id: Int64
    public var scope: EnvironmentScope
    public var integrationID: Int64
    /// The team's own name for it, unique within the integration.
    public var connectionID: String
    public var integrationKey: String
    public var provider: String
    /// What the provider's `connection_config` asks the end user for, and what answers of the provider filled in.
    public var config: JSONObject
    /// Anything that the team keeps with the connection; syncs can read it.
    public var metadata: JSONObject?
    public var tags: [String: String]
    public var endUser: EndUser?
    public var webhookURLOverride: String?
    /// What stands in the way now.
    public var errors: [ConnectionError]
    public var createdAt: Timestamp
    public var updatedAt: Timestamp
    public var lastFetchedAt: Timestamp?

    public init(
        id: Int64 = 0,
        scope: EnvironmentScope,
        integrationID: Int64,
        connectionID: String,
        integrationKey: String,
        provider: String,
        config: JSONObject = [:],
        metadata: JSONObject? = nil,
        tags: [String: String] = [:],
        endUser: EndUser? = nil,
        webhookURLOverride: String? = nil,
        errors: [ConnectionError] = [],
        createdAt: Timestamp,
        updatedAt: Timestamp,
        lastFetchedAt: Timestamp? = nil
    ) {
        self.id = id
        self.scope = scope
        self.integrationID = integrationID
        self.connectionID = connectionID
        self.integrationKey = integrationKey
        self.provider = provider
        self.config = config
        self.metadata = metadata
        self.tags = tags
        self.endUser = endUser
        self.webhookURLOverride = webhookURLOverride
        self.errors = errors
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.lastFetchedAt = lastFetchedAt
    }
}

/// The person behind a connection, as the team names them.
public struct EndUser: Sendable, Equatable {
    public var id: String
    public var email: String?
    public var displayName: String?
    public var tags: [String: String]
    public var organizationID: String?
    public var organizationDisplayName: String?

    public init(
        id: String,
        email: String? = nil,
        displayName: String? = nil,
        tags: [String: String] = [:],
        organizationID: String? = nil,
        organizationDisplayName: String? = nil
    ) {
        self.id = id
        self.email = email
        self.displayName = displayName
        self.tags = tags
        self.organizationID = organizationID
        self.organizationDisplayName = organizationDisplayName
    }
}

/// A standing problem of a connection and the operation in the logs that tells about it.
public struct ConnectionError: Sendable, Equatable {
    public enum Kind: String, Sendable {
        /// The credentials no longer work: the end user must connect again.
        case auth
        /// The last run of a sync failed.
        case sync
    }

    public var kind: Kind
    public var operationID: String
    /// The sync's name for `.sync`; empty for `.auth`.
    public var subject: String

    public init(kind: Kind, operationID: String, subject: String = "") {
        self.kind = kind
        self.operationID = operationID
        self.subject = subject
    }
}

/// A connection's credentials as stored, with what the refresh protocol needs.
public struct StoredCredentials: Sendable {
    /// The refresh in flight, if any.
    public struct Claim: Sendable, Equatable {
        public var attempt: String
        /// The boot of the process that makes the call.
        public var owner: String
        public var deadline: Timestamp

        public init(attempt: String, owner: String, deadline: Timestamp) {
            self.attempt = attempt
            self.owner = owner
            self.deadline = deadline
        }
    }

    /// Grows by one with each new set of credentials. A refresh commits only over the generation that it started from.
    public var generation: Int64
    public var credentials: Credentials
    public var previous: Credentials?
    /// Pairs that a late refresh brought after another had advanced; tried before a connection is given up.
    public var orphans: [Credentials]
    public var claim: Claim?
    /// When the provider first refused this generation with `invalid_grant`.
    public var refusedAt: Timestamp?
    /// Whether the end user has to connect again.
    public var needsReconnect: Bool
    /// No automatic refresh before this moment.
    public var retryAfter: Timestamp?
    public var failedAttempts: Int

    public init(
        generation: Int64,
        credentials: Credentials,
        previous: Credentials? = nil,
        orphans: [Credentials] = [],
        claim: Claim? = nil,
        refusedAt: Timestamp? = nil,
        needsReconnect: Bool = false,
        retryAfter: Timestamp? = nil,
        failedAttempts: Int = 0
    ) {
        self.generation = generation
        self.credentials = credentials
        self.previous = previous
        self.orphans = orphans
        self.claim = claim
        self.refusedAt = refusedAt
        self.needsReconnect = needsReconnect
        self.retryAfter = retryAfter
        self.failedAttempts = failedAttempts
    }
}
