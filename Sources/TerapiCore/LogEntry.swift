/// Something that Terapi did, from its beginning to its end, with messages about what happened on the way.
public struct LogOperation: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        case createConnection = "auth:create_connection"
        case refreshToken = "auth:refresh_token"
        case connectionTest = "auth:connection_test"
        case syncRun = "sync:run"
        case syncRequestRun = "sync:request_run"
        case syncRequestReset = "sync:request_run_full"
        case syncPause = "sync:pause"
        case syncStart = "sync:unpause"
        case syncCreateVariant = "sync:create_variant"
        case syncDeleteVariant = "sync:delete_variant"
        case syncBackfill = "sync:backfill"
        case actionRun = "action:run"
        case proxyCall = "proxy:call"
        case deploy = "deploy:scripts"
        case dryrun = "function:dryrun"
        case postConnectionCreation = "events:post_connection_creation"
        case preConnectionDeletion = "events:pre_connection_deletion"
        case validateConnection = "events:validate_connection"
        case incomingWebhook = "webhook:incoming"
        case forwardedWebhook = "webhook:forward"
        case webhookSubscription = "webhook:subscription"
        case syncWebhook = "webhook:sync"
        case webhookReplay = "webhook:replay"
        case actionWebhook = "webhook:async_action"
        case connectionWebhook = "webhook:connection_create"
    }

    public enum State: String, Sendable, CaseIterable {
        case waiting, running, success, failed, timeout, cancelled
    }

    public var id: String
    public var scope: EnvironmentScope
    public var kind: Kind
    public var state: State
    public var message: String
    public var integrationKey: String?
    public var connectionID: String?
    public var subject: String?
    public var createdAt: Timestamp
    public var endedAt: Timestamp?

    public init(
        id: String = randomUUID(),
        scope: EnvironmentScope,
        kind: Kind,
        state: State = .running,
        message: String,
        integrationKey: String? = nil,
        connectionID: String? = nil,
        subject: String? = nil,
        createdAt: Timestamp,
        endedAt: Timestamp? = nil
    ) {
        self.id = id
        self.scope = scope
        self.kind = kind
        self.state = state
        self.message = message
        self.integrationKey = integrationKey
        self.connectionID = connectionID
        self.subject = subject
        self.createdAt = createdAt
        self.endedAt = endedAt
    }
}

/// One line of an operation.
public struct LogMessage: Sendable, Equatable {
    public enum Level: String, Sendable, CaseIterable {
        case debug, info, warn, error
    }

    public var operationID: String
    public var level: Level
    /// Whether a script wrote it.
    public var isFromScript: Bool
    public var message: String
    /// Further facts: a request, an answer's status, a retry.
    public var meta: JSONObject
    public var createdAt: Timestamp

    public init(
        operationID: String,
        level: Level,
        isFromScript: Bool = false,
        message: String,
        meta: JSONObject = [:],
        createdAt: Timestamp
    ) {
        self.operationID = operationID
        self.level = level
        self.isFromScript = isFromScript
        self.message = message
        self.meta = meta
        self.createdAt = createdAt
    }
}

/// Takes log entries without ever making the caller wait; a full queue drops and counts.
public protocol LogSink: Sendable {
    /// Begins an operation, or replaces its state when its id is known.
    func record(_ operation: LogOperation)
    func record(_ message: LogMessage)
}
