/// The actions that exist, and running them on request.
public protocol ActionControl: Sendable {
    func actions(integrationKey: String, in scope: EnvironmentScope) -> [ActionDefinition]
    func onEvents(integrationKey: String, in scope: EnvironmentScope) -> [OnEventDefinition]

    /// Runs an action and waits for its end.
    /// - Returns: what it returned, as JSON.
    /// - Throws: `TerapiError`: `.unknownConnection`, `.unknownProvider`, `.notFound`, `.invalidActionInput`,
    ///   `.invalidActionOutput`, `.scriptOutputTooLarge`, `.scriptHTTPError` (a request of the script failed),
    ///   `.actionScriptFailure` (the script threw), `.scriptLimitExceeded`, `.outcomeUnknown`, `.tooManyRequests`, or
    ///   with an idempotency key `.idempotencyKeyInUse` and `.idempotencyKeyReused`.
    func run(_ request: ActionRequest) async throws -> [UInt8]

    /// Puts an action into the queue. Durable when it returns.
    /// - Parameter maxRetries: tries after the first one that failed.
    /// - Returns: the id of the run.
    func enqueue(_ request: ActionRequest, maxRetries: Int) async throws -> String

    /// What became of a run; `nil` when there is none, or it ended more than 24 hours ago.
    func result(of id: String, in scope: EnvironmentScope) async throws -> ActionResult?
}

/// A caller's wish to run an action.
public struct ActionRequest: Sendable {
    public var scope: EnvironmentScope
    public var integrationKey: String
    public var connectionID: String
    public var name: String
    /// `nil` when the caller sent none.
    public var input: JSONValue?
    public var idempotencyKey: String?

    public init(
        scope: EnvironmentScope,
        integrationKey: String,
        connectionID: String,
        name: String,
        input: JSONValue?,
        idempotencyKey: String? = nil
    ) {
        self.scope = scope
        self.integrationKey = integrationKey
        self.connectionID = connectionID
        self.name = name
        self.input = input
        self.idempotencyKey = idempotencyKey
    }
}

public enum ActionResult: Sendable {
    case pending
    /// JSON as the action returned it.
    case success([UInt8])
    case failure(TerapiError)
}
