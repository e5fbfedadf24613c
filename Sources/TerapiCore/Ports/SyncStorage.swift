/// Syncs, their schedules and their runs.
public protocol SyncStorage: Sendable {
    /// Brings an environment's syncs in line with its definitions: makes those that connections lack, due at once when
    /// they start automatically; stops those that nothing defines any more, with their place kept; and goes on with those
    /// that are defined again. A connection whose scripts of an event are still to run gets its syncs after those.
    func settleSyncs(_ definitions: [SyncDefinition], in scope: EnvironmentScope, now: Timestamp) async throws

    /// Makes syncs due by the frequency of their definition, on the connections that have no frequency of their own.
    func reschedule(_ definitions: [SyncDefinition], in scope: EnvironmentScope, now: Timestamp) async throws

    /// Makes the syncs that a connection lacks, due at once when they start automatically.
    func addSyncs(_ definitions: [SyncDefinition], to connectionID: Int64, now: Timestamp) async throws

    func syncs(connectionID: Int64) async throws -> [Sync]
    func syncs(integrationKey: String, in scope: EnvironmentScope) async throws -> [Sync]
    func latestRun(syncID: Int64) async throws -> SyncRun?

    /// Pauses or starts. A running run goes on. Starting makes the sync due at `nextRunAt`.
    func setState(_ state: Sync.State, syncID: Int64, nextRunAt: Timestamp?, now: Timestamp) async throws

    /// Makes a variant of a sync, due at once when the sync starts automatically.
    /// - Parameter limit: how many variants a sync may have on one connection.
    /// - Throws: `TerapiError`: `.unknownSync` when the connection does not have the sync, `.syncVariantAlreadyExists`,
    ///   `.resourceCapped`.
    func addVariant(
        _ variant: String,
        of definition: SyncDefinition,
        connectionID: Int64,
        limit: Int,
        now: Timestamp
    ) async throws -> Sync

    /// Ends a variant and removes its checkpoint, its runs and its records for good.
    /// - Parameter models: those of the sync, without the variant.
    func removeVariant(_ sync: Sync, models: [String]) async throws

    /// How far the sync has come in reading its history; `nil` when it has none to read.
    func backfill(syncID: Int64) async throws -> Backfill?

    /// Notes how far a run has come in reading the history.
    /// - Parameter event: goes out with the first note that it is finished.
    /// - Returns: whether this was that note.
    /// - Throws: `TerapiError(.staleRun)` when a later run has begun.
    func note(_ backfill: Backfill, run: RunFence, event: WebhookEvent?) async throws -> Bool

    func setFrequencyOverride(_ text: String?, syncID: Int64, nextRunAt: Timestamp?) async throws

    /// Asks for one run as soon as possible.
    /// - Parameters:
    ///   - reset: forgets checkpoint and last sync date first; a run in progress loses the right to write.
    ///   - confirmsMassDeletion: the run may delete any number of records.
    func requestRun(syncID: Int64, reset: Bool, confirmsMassDeletion: Bool, now: Timestamp) async throws

    /// Takes the next due sync that nobody runs, and begins a run: a new generation, a row, a lease.
    ///
    /// Fair: of the due syncs the one whose environment and connection have the fewest runs at work, then the longest due.
    /// - Parameter operationID: the run's operation in the logs.
    func claimRun(
        owner: String,
        leaseUntil: Timestamp,
        operationID: String,
        now: Timestamp
    ) async throws -> (sync: Sync, run: SyncRun)?

    /// When the next sync falls due; `nil` when none is scheduled.
    func nextDueAt() async throws -> Timestamp?

    /// - Returns: `false` when the run has lost its sync.
    func renewLease(_ run: RunFence, until: Timestamp) async throws -> Bool

    func checkpoint(syncID: Int64) async throws -> JSONValue?
    func run(_ id: Int64) async throws -> SyncRun?

    /// Ends a run: its row, the sync's schedule and the webhook events, in one transaction.
    /// - Throws: `TerapiError(.staleRun)` when a later run has begun; nothing is written then.
    func endRun(_ run: RunFence, ending: RunEnding, events: [WebhookEvent], now: Timestamp) async throws

    /// Begins the run of a sync's webhook function beside the sync's own runs, or goes on with the one of the same
    /// operation that was cut off: what it had committed still counts.
    /// - Returns: `nil` when there is no such sync.
    func beginWebhookRun(syncID: Int64, operationID: String, now: Timestamp) async throws -> SyncRun?

    /// Lets a sync read again at once and at its own frequency, because an event of the provider was not taken.
    func distrustEvents(syncID: Int64, now: Timestamp) async throws

    /// Ends such a run together with the webhook events that tell of it, and forgets it.
    func endWebhookRun(_ run: RunFence, events: [WebhookEvent]) async throws

    /// Runs that never ended and whose lease has run out, or whose owner is of another boot.
    func interruptedRuns(notOwnedBy owner: String, now: Timestamp) async throws -> [(sync: Sync, run: SyncRun)]
}

/// How a run ended and when the next one is due.
public struct RunEnding: Sendable {
    public var status: SyncRun.Status
    public var error: String?
    public var nextRunAt: Timestamp?
    /// Failures in a row, this one included.
    public var failures: Int

    public init(status: SyncRun.Status, error: String? = nil, nextRunAt: Timestamp?, failures: Int) {
        self.status = status
        self.error = error
        self.nextRunAt = nextRunAt
        self.failures = failures
    }
}
