/// A run of an action, or of an event's scripts, that is kept: it outlives the request that asked for it.
public struct ActionRun: Sendable, Equatable {
    public enum Kind: String, Sendable {
        /// An action whose caller waits; kept because of its idempotency key, or because it has sent something.
        case awaited
        /// An action in the queue.
        case queued
        /// The scripts of an event in the queue.
        case event
        /// A sync's webhook function in the queue.
        case webhook
    }

    public enum State: String, Sendable {
        case waiting, running, success, failed
        /// It had sent a request that may have had an effect when its process ended. It is not run again.
        case outcomeUnknown = "outcome_unknown"

        public var isFinal: Bool { self != .waiting && self != .running }
    }

    /// For how long a finished run and its idempotency key are kept.
    public static let retention = Duration.seconds(24 * 3600)

    /// Also the id of its operation in the logs.
    public var id: String
    public var scope: EnvironmentScope
    /// The connection's row.
    public var connectionID: Int64
    public var kind: Kind
    /// The action's name, or the event's, or the sync's.
    public var name: String
    public var state: State
    /// JSON; `nil` when the caller sent none.
    public var input: [UInt8]?
    /// JSON: what the action returned, or the error in the form that the engine keeps it in.
    public var answer: [UInt8]?
    /// Tries begun so far.
    public var attempts: Int
    /// Tries after the first one that the caller has allowed.
    public var maxRetries: Int
    /// Whether this try has sent, or was about to send, a request other than a read.
    public var hasSent: Bool
    public var createdAt: Timestamp

    public init(
        id: String = randomUUID(),
        scope: EnvironmentScope,
        connectionID: Int64,
        kind: Kind,
        name: String,
        state: State,
        input: [UInt8]? = nil,
        answer: [UInt8]? = nil,
        attempts: Int = 0,
        maxRetries: Int = 0,
        hasSent: Bool = false,
        createdAt: Timestamp
    ) {
        self.id = id
        self.scope = scope
        self.connectionID = connectionID
        self.kind = kind
        self.name = name
        self.state = state
        self.input = input
        self.answer = answer
        self.attempts = attempts
        self.maxRetries = maxRetries
        self.hasSent = hasSent
        self.createdAt = createdAt
    }
}

/// What a caller sends so that a repeated request is recognised.
public struct IdempotencyKey: Sendable {
    /// The caller's own; unique within the environment.
    public var text: String
    /// What is asked for, in a canonical form: the same key with another request is a mistake.
    public var request: [UInt8]

    public init(text: String, request: [UInt8]) {
        self.text = text
        self.request = request
    }
}
