/// What happened, kept apart from the records: a file of its own, so that logging never waits for them.
public protocol LogStorage: Sendable {
    /// Writes a batch. An operation whose id is known is replaced.
    func append(operations: [LogOperation], messages: [LogMessage]) async throws

    /// Ends as failed what an earlier process has begun and not ended, except for runs of syncs, which have their own way.
    func endInterrupted(now: Timestamp) async throws

    /// Operations, newest first.
    func operations(_ filter: LogFilter, in scope: EnvironmentScope) async throws -> [LogOperation]
    func operation(_ id: String, in scope: EnvironmentScope) async throws -> LogOperation?

    /// Messages of an operation in their order.
    func messages(operationID: String, after: Int64?, limit: Int) async throws -> [(id: Int64, message: LogMessage)]

    /// Everything of any environment after a place, in order; for `terapi logs -f`.
    func messages(after id: Int64, limit: Int) async throws -> [(id: Int64, message: LogMessage)]
}

public struct LogFilter: Sendable {
    public var kinds: [LogOperation.Kind]
    public var states: [LogOperation.State]
    public var integrationKey: String?
    public var connectionID: String?
    public var search: String?
    public var after: Timestamp?
    public var before: Timestamp?
    public var limit: Int

    public init(
        kinds: [LogOperation.Kind] = [],
        states: [LogOperation.State] = [],
        integrationKey: String? = nil,
        connectionID: String? = nil,
        search: String? = nil,
        after: Timestamp? = nil,
        before: Timestamp? = nil,
        limit: Int = 100
    ) {
        self.kinds = kinds
        self.states = states
        self.integrationKey = integrationKey
        self.connectionID = connectionID
        self.search = search
        self.after = after
        self.before = before
        self.limit = limit
    }
}
