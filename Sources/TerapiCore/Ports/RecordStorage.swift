/// The records and their order.
///
/// For each stream the committed positions are, at every instant, without a gap that could be filled later: whoever has
/// read up to a position has missed nothing below it.
public protocol RecordStorage: Sendable {
    /// Finds out what a batch changes, and hashes and seals it: everything that needs no lock. Nothing is written.
    func prepare(_ batch: RecordBatch) async throws -> any PreparedRecordBatch

    /// Commits a prepared batch in one transaction: records, positions, checkpoint and the run's counts.
    ///
    /// What was committed since it was prepared is taken into account.
    /// - Returns: the counts of this batch, per model as stored.
    /// - Throws: `TerapiError(.staleRun)` when a later run has begun; nothing is written then.
    @discardableResult
    func commit(_ prepared: any PreparedRecordBatch) async throws -> [String: ChangeCounts]

    /// A page for a customer.
    /// - Throws: `TerapiError`: `.unknownConnection`, `.invalidCursor`, `.cursorExpired`, `.cursorAheadOfHistory`.
    func page(_ query: RecordQuery) async throws -> RecordPage

    /// Records by id, deleted ones left out, as documents without metadata; for scripts.
    func documents(ids: [String], in stream: RecordStream, scope: EnvironmentScope) async throws
        -> [(id: String, document: [UInt8])]

    /// The next documents in the order of their ids, deleted ones left out; for scripts that go through all.
    /// - Parameter after: the last id of the page before.
    func documents(after id: String?, limit: Int, in stream: RecordStream, scope: EnvironmentScope) async throws
        -> [(id: String, document: [UInt8])]

    /// The last position that was given out in a stream; 0 when there is none.
    func position(of stream: RecordStream) async throws -> Int64

    /// How many live records each model of a connection has.
    func counts(connectionID: Int64) async throws -> [String: Int]

    /// Begins a full read, or goes on with the one that an interrupted run began.
    /// - Returns: the generation under which seen records are noted.
    func beginFullRead(of stream: RecordStream, run: RunFence) async throws -> Int64

    /// Ends a full read: live records that it has not seen are marked as deleted, in one transaction.
    /// - Parameter allowsMassDeletion: whether more than 30 % of the records (and at least 100) may vanish at once.
    func endFullRead(
        of stream: RecordStream,
        run: RunFence,
        scope: EnvironmentScope,
        allowsMassDeletion: Bool
    ) async throws -> DeletionOutcome

    /// Forgets what the full reads of the run's sync have seen so far: the next ones start anew.
    /// - Throws: `TerapiError(.staleRun)` when a later run has begun: they are its own.
    func abandonFullReads(run: RunFence) async throws

    /// Removes every record of a sync's models for good; for `reset` with `emptyCache`.
    func removeRecords(of streams: [RecordStream]) async throws
}

/// A batch on its way between ``RecordStorage/prepare(_:)`` and ``RecordStorage/commit(_:)`` of the same storage.
public protocol PreparedRecordBatch: Sendable {}

extension RecordStorage {
    /// Prepares and commits in one go.
    @discardableResult
    public func save(_ batch: RecordBatch) async throws -> [String: ChangeCounts] {
        try await commit(try await prepare(batch))
    }
}
