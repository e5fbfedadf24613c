/// Runs of actions that are kept, and the queue that they form. Inputs and answers are sealed.
public protocol ActionStorage: Sendable {
    /// Keeps a run: one in the queue is due at once, one whose caller waits belongs to `owner` from the beginning.
    ///
    /// Durable when it returns.
    func beginAction(_ run: ActionRun, key: IdempotencyKey?, owner: String, now: Timestamp) async throws
        -> ActionBeginning

    /// Takes runs that are due, everyone's first before anyone's second.
    /// - Parameter busy: runs at work, by environment.
    func claimActions(limit: Int, busy: [Int64: Int], owner: String, now: Timestamp) async throws -> [ActionRun]

    /// When the next run in the queue falls due; `nil` when none waits.
    func nextActionAt() async throws -> Timestamp?

    /// Notes, before the request leaves, that a try sends one that may have an effect. Durable when it returns.
    /// - Throws: `TerapiError(.staleRun)` when the run is no longer at work: the request must not leave.
    func noteActionSends(_ id: String) async throws

    /// Keeps a run that was not kept before, because it is about to send a request that may have an effect. What is kept
    /// already stays as it is. Durable when it returns.
    /// - Throws: `TerapiError(.staleRun)` when the connection was deleted: the request must not leave.
    func keepSendingAction(_ run: ActionRun, owner: String) async throws

    /// Forgets a run whose caller has the answer and who has no key to ask again with.
    func forgetAction(_ id: String) async throws

    /// Ends a run together with the webhook that tells of it. Does nothing when the connection was deleted meanwhile.
    func endAction(_ id: String, _ state: ActionRun.State, answer: [UInt8]?, event: WebhookEvent?, now: Timestamp)
        async throws

    /// Puts a run back into the queue.
    func postponeAction(_ id: String, until moment: Timestamp) async throws

    /// Forgets a run that has done nothing, and its key with it.
    func removeAction(_ id: String) async throws

    func action(_ id: String, in scope: EnvironmentScope, now: Timestamp) async throws -> ActionRun?

    /// Runs that are at work in a process of another boot: it is gone.
    func interruptedActions(notOwnedBy owner: String) async throws -> [ActionRun]

    func removeExpiredActions(now: Timestamp) async throws

    /// The checkpoint of an action or an event's script, and its version: 0 when there is none.
    func scriptCheckpoint(_ script: ScriptPlace) async throws -> (value: JSONValue?, version: Int64)

    /// Puts or, by `nil`, takes away a checkpoint.
    /// - Returns: the new version, or `nil` when another run has changed it since `version` was read.
    func setScriptCheckpoint(_ value: JSONValue?, of script: ScriptPlace, over version: Int64) async throws -> Int64?
}

/// What became of a wish to begin a run.
public enum ActionBeginning: Sendable, Equatable {
    case begun
    /// The key was seen within the last 24 hours, with the same request.
    case known(ActionRun)
    /// The key was seen with another request.
    case otherRequest
}

/// A script of one connection.
public struct ScriptPlace: Sendable, Hashable {
    /// The connection's row.
    public var connectionID: Int64
    public var kind: ScriptInvocation.Kind
    public var name: String

    public init(connectionID: Int64, kind: ScriptInvocation.Kind, name: String) {
        self.connectionID = connectionID
        self.kind = kind
        self.name = name
    }
}
