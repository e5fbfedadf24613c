/// A webhook of a provider that was found genuine, as it is kept.
public struct ProviderWebhook: Sendable, Equatable {
    public enum State: String, Sendable, CaseIterable {
        /// Kept, and not worked on yet.
        case received
        /// Everything that it tells has been handed on.
        case done
        /// Something in it matches no connection.
        case unmatched
        /// The integration's provider cannot read it any more.
        case failed
    }

    /// Begins with the time, so that ids sort as webhooks came. Also the id of the operation in the logs.
    public var id: String
    public var scope: EnvironmentScope
    /// The integration's row.
    public var integrationID: Int64
    public var integrationKey: String
    /// The registration whose address it came to.
    public var subscriptionID: Int64?
    public var request: ProviderWebhookRequest
    /// What a signed token said.
    public var claims: JSONValue?
    public var state: State
    public var receivedAt: Timestamp
    /// When it is worked on next; `nil` when that is over.
    public var dueAt: Timestamp?
    /// How often connections were looked for.
    public var attempts: Int
    /// The places of the events that have been handed on.
    public var handled: [Int]
    /// A person has asked for it once more: repetitions are wanted.
    public var isReplay: Bool
    /// As the provider names its events.
    public var types: [String]
    public var error: String?

    public init(
        id: String,
        scope: EnvironmentScope,
        integrationID: Int64,
        integrationKey: String,
        subscriptionID: Int64? = nil,
        request: ProviderWebhookRequest,
        claims: JSONValue? = nil,
        state: State = .received,
        receivedAt: Timestamp,
        dueAt: Timestamp?,
        attempts: Int = 0,
        handled: [Int] = [],
        isReplay: Bool = false,
        types: [String] = [],
        error: String? = nil
    ) {
        self.id = id
        self.scope = scope
        self.integrationID = integrationID
        self.integrationKey = integrationKey
        self.subscriptionID = subscriptionID
        self.request = request
        self.claims = claims
        self.state = state
        self.receivedAt = receivedAt
        self.dueAt = dueAt
        self.attempts = attempts
        self.handled = handled
        self.isReplay = isReplay
        self.types = types
        self.error = error
    }

    public static func newID(now: Timestamp) -> String {
        var bytes: [UInt8] = []
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: now.microseconds >> Int64(shift)))
        }
        return "pwh_" + hex(bytes + randomBytes(6))
    }
}

/// What is to become of one webhook: written in one transaction with everything that follows from it.
public struct ProviderWebhookSettlement: Sendable {
    /// One event of the webhook for the connections that it is about.
    public struct Effect: Sendable {
        /// By which a repetition is known; `nil` when it cannot be.
        public var mark: Mark?
        public var withdrawal: Withdrawal?
        public var runs: [ActionRun] = []
        public var forwards: [WebhookEvent] = []
        /// Syncs that take the event: they may read less often.
        public var pushed: [Pushed] = []
        /// Syncs that are to run as soon as possible.
        public var triggered: [(connectionID: Int64, sync: String)] = []

        public init(mark: Mark? = nil) {
            self.mark = mark
        }
    }

    public struct Mark: Sendable, Equatable {
        public var key: [UInt8]
        /// A digest of the content: the key names only a place, whose last content counts. Empty when the key is enough.
        public var content: [UInt8]

        public init(key: [UInt8], content: [UInt8] = []) {
            self.key = key
            self.content = content
        }
    }

    /// The end of an authorization that the end user has withdrawn at the provider.
    public struct Withdrawal: Sendable {
        public var connectionID: Int64
        /// Of the credentials that have ended.
        public var generation: Int64
        public var event: WebhookEvent?

        public init(connectionID: Int64, generation: Int64, event: WebhookEvent?) {
            self.connectionID = connectionID
            self.generation = generation
            self.event = event
        }
    }

    public struct Pushed: Sendable {
        public var connectionID: Int64
        public var sync: String
        public var safetyInterval: Duration

        public init(connectionID: Int64, sync: String, safetyInterval: Duration) {
            self.connectionID = connectionID
            self.sync = sync
            self.safetyInterval = safetyInterval
        }
    }

    /// With its new state.
    public var webhook: ProviderWebhook
    public var effects: [Effect]

    public init(webhook: ProviderWebhook, effects: [Effect]) {
        self.webhook = webhook
        self.effects = effects
    }
}

/// A registration of our address at a provider, or an address that a person registers there.
public struct WebhookSubscription: Sendable, Equatable {
    public enum State: String, Sendable {
        /// Our request to the provider is under way.
        case pending
        case active
        /// The provider refused to make or to renew it.
        case failed
    }

    public var id: Int64
    public var scope: EnvironmentScope
    public var integrationID: Int64
    public var integrationKey: String
    /// The connection's row; `nil` when it is for all of the integration.
    public var connectionID: Int64?
    /// The connection's id as the team knows it.
    public var connectionName: String?
    /// The unguessable end of the address.
    public var token: Secret
    /// The provider's id of it.
    public var externalID: String?
    public var secret: Secret?
    /// What the caller gave.
    public var params: JSONObject
    /// What the provider answered.
    public var answer: JSONValue?
    /// Whether we made it at the provider, and so renew it and take it back.
    public var isOurs: Bool
    public var state: State
    public var error: String?
    public var expiresAt: Timestamp?
    public var renewAt: Timestamp?
    /// Failures to renew in a row.
    public var failures: Int
    public var createdAt: Timestamp

    public init(
        id: Int64 = 0,
        scope: EnvironmentScope,
        integrationID: Int64,
        integrationKey: String,
        connectionID: Int64?,
        connectionName: String? = nil,
        token: Secret = WebhookSubscription.newToken(),
        externalID: String? = nil,
        secret: Secret? = nil,
        params: JSONObject = [:],
        answer: JSONValue? = nil,
        isOurs: Bool = false,
        state: State = .active,
        error: String? = nil,
        expiresAt: Timestamp? = nil,
        renewAt: Timestamp? = nil,
        failures: Int = 0,
        createdAt: Timestamp
    ) {
        self.id = id
        self.scope = scope
        self.integrationID = integrationID
        self.integrationKey = integrationKey
        self.connectionID = connectionID
        self.connectionName = connectionName
        self.token = token
        self.externalID = externalID
        self.secret = secret
        self.params = params
        self.answer = answer
        self.isOurs = isOurs
        self.state = state
        self.error = error
        self.expiresAt = expiresAt
        self.renewAt = renewAt
        self.failures = failures
        self.createdAt = createdAt
    }

    public static func newToken() -> Secret { Secret(hex(randomBytes(24))) }
}
