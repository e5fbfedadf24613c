import TerapiCore

/// Joins what a run changes into batches, so that many pages share one commit.
///
/// A batch is closed when it holds 300 records or is a second old; a checkpoint is committed together with the records
/// before it, never earlier. While one batch is being committed the next is prepared and a third is gathered. All that
/// was taken and is not committed yet is never more than 1,000 records: so much has to be fetched again after a crash.
actor RecordBatcher {
    static let maxUncommitted = 1_000
    /// So small that a batch can be in each of the three steps at once.
    static let batchSize = 300
    static let maxAge = Duration.seconds(1)

    private let storage: any RecordStorage
    private let clock: any WallClock
    private let gathered = WakeUp()
    private let prepared = WakeUp()
    private let taken = WakeUp()

    /// The batch between the two steps, and how much is committed with it.
    private var next: (batch: any PreparedRecordBatch, records: Int, target: Int)?
    private var pending: RecordBatch
    private var pendingRecords = 0
    private var pendingSince: Timestamp?
    private var isFlushWanted = false
    private var failure: (any Error)?

    /// Records that were taken and would be lost in a crash.
    private(set) var uncommitted = 0
    private var isAdding = false
    private var adders: [CheckedContinuation<Void, Never>] = []
    private var waiterForRoom: CheckedContinuation<Void, Never>?

    /// Counts what was added and what has been committed of it, so that a waiter knows when its own part is safe.
    private var added = 0
    private var committed = 0
    private var waiters: [(target: Int, continuation: CheckedContinuation<Void, Never>)] = []

    init(
        run: RunFence,
        scope: EnvironmentScope,
        storage: any RecordStorage,
        clock: any WallClock
    ) {
        pending = RecordBatch(run: run, scope: scope)
        self.storage = storage
        self.clock = clock
    }

    /// Takes records as soon as there is room for them, so that a fast provider cannot run ahead of the commits.
    func add(_ change: RecordChange) async throws {
        await beginAdding()
        defer { endAdding() }
        // A part always fits in when nothing else is uncommitted: this never waits for a batch that nothing closes.
        for part in change.parts(of: Self.batchSize) {
            await room(for: part.ids.count)
            try check()
            take(part)
        }
    }

    /// Takes a checkpoint that covers everything added before.
    func add(_ checkpoint: RecordBatch.CheckpointChange) async throws {
        await beginAdding()
        defer { endAdding() }
        try check()
        pending.checkpoint = checkpoint
        noteAdded()
    }

    /// Returns when everything added so far is committed.
    func flush() async throws {
        await beginAdding()
        let target = added
        endAdding()
        if committed < target {
            // When nothing is pending it is under way already, and the next batch need not hurry.
            isFlushWanted = pendingSince != nil
            gathered.ring()
            await reached(target)
        }
        try check()
    }

    /// Commits until it is cancelled or a commit fails.
    func run() async throws {
        await withTaskGroup { group in
            group.addTask { await self.prepareBatches() }
            group.addTask { await self.commitBatches() }
            // Whichever ends first has failed or was cancelled.
            await group.next()
            group.cancelAll()
        }
        giveUp()
        if let failure, !(failure is CancellationError) { throw failure }
    }

    /// Commits what a script hands over, and all of it before this returns. Also what it handed over before it failed was
    /// accepted and stays.
    /// - Parameter beside: goes on as long as the script; when it throws, the script is stopped.
    nonisolated func commit(
        during script: @escaping @Sendable () async throws -> Void,
        beside: @escaping @Sendable () async throws -> Void = {}
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.run() }
            group.addTask { try await beside() }
            group.addTask {
                do {
                    try await script()
                } catch {
                    try? await self.flush()
                    throw error
                }
                try await self.flush()
                throw ScriptFinished()
            }
            do {
                while try await group.next() != nil {}
            } catch is ScriptFinished {
                group.cancelAll()
            }
        }
    }

    /// Ends the task group's wait when the script is done; never seen outside.
    private struct ScriptFinished: Error {}

    private func prepareBatches() async {
        while failure == nil {
            await gathered.wait(until: pendingSince.map { $0 + Self.maxAge }, clock: clock)
            guard !Task.isCancelled else { return }
            guard isDue else { continue }
            // Until the last batch is being committed this one may grow: fewer and larger commits.
            while next != nil, failure == nil, !Task.isCancelled { await taken.wait(until: nil, clock: clock) }
            guard failure == nil, !Task.isCancelled else { return }
            let batch = pending
            let records = pendingRecords
            let target = added
            pending = RecordBatch(run: batch.run, scope: batch.scope)
            pendingRecords = 0
            pendingSince = nil
            isFlushWanted = false
            do {
                let ready = try await storage.prepare(batch)
                // Nothing may take the place of a batch that was not committed: its checkpoint would be ahead of it.
                guard failure == nil, !Task.isCancelled else { return }
                next = (ready, records, target)
                prepared.ring()
            } catch {
                fail(error)
            }
        }
    }

    private func commitBatches() async {
        while failure == nil {
            await prepared.wait(until: nil, clock: clock)
            guard !Task.isCancelled else { return }
            guard let (batch, records, target) = next else { continue }
            next = nil
            taken.ring()
            do {
                try await storage.commit(batch)
                committed = target
                uncommitted -= records
                resumeWaiters()
            } catch {
                fail(error)
            }
        }
    }

    private func fail(_ error: any Error) {
        failure = failure ?? error
        resumeWaiters()
    }

    /// Nobody commits any more: whoever waits for it must learn that.
    private func giveUp() {
        fail(CancellationError())
    }

    private var isDue: Bool {
        guard let pendingSince else { return false }
        return isFlushWanted || pendingRecords >= Self.batchSize || clock.now >= pendingSince + Self.maxAge
    }

    private func resumeWaiters() {
        let isFailed = failure != nil
        let ready = waiters.filter { isFailed || $0.target <= committed }
        waiters.removeAll { isFailed || $0.target <= committed }
        for waiter in ready { waiter.continuation.resume() }
        waiterForRoom?.resume()
        waiterForRoom = nil
    }

    /// Waits for those who came earlier: nothing overtakes what waits for room.
    private func beginAdding() async {
        if isAdding {
            await withCheckedContinuation { adders.append($0) }
        } else {
            isAdding = true
        }
    }

    private func endAdding() {
        if adders.isEmpty { isAdding = false } else { adders.removeFirst().resume() }
    }

    private func room(for count: Int) async {
        while failure == nil, uncommitted + count > Self.maxUncommitted {
            await withCheckedContinuation { waiterForRoom = $0 }
        }
    }

    private func take(_ change: RecordChange) {
        // One change for many pages: what is planned together is hashed and sealed before the transaction, not in it.
        if let last = pending.changes.last, last.joins(change) {
            pending.changes[pending.changes.count - 1].ids += change.ids
            pending.changes[pending.changes.count - 1].documents += change.documents
        } else {
            pending.changes.append(change)
        }
        pendingRecords += change.ids.count
        uncommitted += change.ids.count
        noteAdded()
    }

    private func noteAdded() {
        added += 1
        let isFirst = pendingSince == nil
        if isFirst { pendingSince = clock.now }
        if isFirst || pendingRecords >= Self.batchSize { gathered.ring() }
    }

    private func reached(_ target: Int) async {
        guard committed < target, failure == nil else { return }
        await withCheckedContinuation { waiters.append((target, $0)) }
    }

    private func check() throws {
        if let failure { throw failure }
    }
}

extension RecordChange {
    /// Whether this change and the next are one and the same but for their records. Partial updates are left apart: two
    /// of one record must both be merged.
    fileprivate func joins(_ next: RecordChange) -> Bool {
        kind == next.kind && kind != .update && stream == next.stream && seenGeneration == next.seenGeneration
            && mark === next.mark
    }

    /// The same change as several that hold at most so many records each.
    fileprivate func parts(of size: Int) -> [RecordChange] {
        guard ids.count > size else { return [self] }
        return stride(from: 0, to: ids.count, by: size).map { start in
            var part = self
            part.ids = Array(ids[start..<min(start + size, ids.count)])
            part.documents = documents.isEmpty ? [] : Array(documents[start..<min(start + size, ids.count)])
            return part
        }
    }
}
