import TerapiCore

/// Joins what a run changes into batches, so that many pages share one commit.
///
/// A batch is committed when it holds 1,000 records or is a second old; a checkpoint is committed together with the
/// records before it, never earlier. While one batch is being committed the next is prepared and a third is gathered:
/// no more than that is ever open.
actor RecordBatcher {
    static let maxRecords = 1_000
    static let maxAge = Duration.seconds(1)

    private let storage: any RecordStorage
    private let clock: any WallClock
    private let gathered = WakeUp()
    private let prepared = WakeUp()
    private let taken = WakeUp()

    /// The batch between the two steps, and how much is committed with it.
    private var next: (batch: any PreparedRecordBatch, target: Int)?
    private var pending: RecordBatch
    private var pendingRecords = 0
    private var pendingSince: Timestamp?
    private var isFlushWanted = false
    private var failure: (any Error)?

    /// Counts what was added and what has been committed of it, so that a waiter knows when its own part is safe.
    private var added = 0
    private var committed = 0
    private var gatherers: [CheckedContinuation<Void, Never>] = []
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

    /// Takes records; waits when a batch is full already, so that a fast provider cannot fill the memory.
    func add(_ change: RecordChange) async throws {
        // One change for many pages: what is planned together is hashed and sealed before the transaction, not in it.
        if let last = pending.changes.last, last.joins(change) {
            pending.changes[pending.changes.count - 1].ids += change.ids
            pending.changes[pending.changes.count - 1].documents += change.documents
        } else {
            pending.changes.append(change)
        }
        pendingRecords += change.ids.count
        noteAdded()
        if pendingRecords >= Self.maxRecords { await untilTaken() }
        try check()
    }

    /// Takes a checkpoint that covers everything added before.
    func add(_ checkpoint: RecordBatch.CheckpointChange) throws {
        pending.checkpoint = checkpoint
        noteAdded()
        try check()
    }

    /// Returns when everything added so far is committed.
    func flush() async throws {
        if committed < added {
            // When nothing is pending it is under way already, and the next batch need not hurry.
            isFlushWanted = pendingSince != nil
            gathered.ring()
            await reached(added)
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

    private func prepareBatches() async {
        while failure == nil {
            await gathered.wait(until: pendingSince.map { $0 + Self.maxAge }, clock: clock)
            guard !Task.isCancelled else { return }
            guard isDue else { continue }
            let batch = pending
            let target = added
            pending = RecordBatch(run: batch.run, scope: batch.scope)
            pendingRecords = 0
            pendingSince = nil
            isFlushWanted = false
            resumeGatherers()
            do {
                let ready = try await storage.prepare(batch)
                while next != nil, failure == nil, !Task.isCancelled { await taken.wait(until: nil, clock: clock) }
                // Nothing may take the place of a batch that was not committed: its checkpoint would be ahead of it.
                guard next == nil, failure == nil, !Task.isCancelled else { return }
                next = (ready, target)
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
            guard let (batch, target) = next else { continue }
            next = nil
            taken.ring()
            do {
                try await storage.commit(batch)
                committed = target
                resumeWaiters()
            } catch {
                fail(error)
            }
        }
    }

    private func fail(_ error: any Error) {
        failure = failure ?? error
        resumeGatherers()
        resumeWaiters()
    }

    /// Nobody commits any more: whoever waits for it must learn that.
    private func giveUp() {
        fail(CancellationError())
    }

    private var isDue: Bool {
        guard let pendingSince else { return false }
        return isFlushWanted || pendingRecords >= Self.maxRecords || clock.now >= pendingSince + Self.maxAge
    }

    private func resumeWaiters() {
        let isFailed = failure != nil
        let ready = waiters.filter { isFailed || $0.target <= committed }
        waiters.removeAll { isFailed || $0.target <= committed }
        for waiter in ready { waiter.continuation.resume() }
    }

    private func noteAdded() {
        added += 1
        let isFirst = pendingSince == nil
        if isFirst { pendingSince = clock.now }
        if isFirst || pendingRecords >= Self.maxRecords { gathered.ring() }
    }

    private func untilTaken() async {
        guard failure == nil else { return }
        await withCheckedContinuation { gatherers.append($0) }
    }

    private func resumeGatherers() {
        let ready = gatherers
        gatherers = []
        for gatherer in ready { gatherer.resume() }
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
    }
}
