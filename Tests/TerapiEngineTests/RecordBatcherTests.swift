import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

@Suite(.timeLimit(.minutes(1)))
struct RecordBatcherTests {
    @Test
    func `joins pages into batches of three hundred and more`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            for page in 0..<35 { try await run.save(page * 100..<(page + 1) * 100) }
        }
        try await fixture.engine.syncWorker.runOnce()
        let sizes = fixture.records.commits.map { $0.changes.reduce(0) { $0 + $1.ids.count } }
        #expect(sizes.reduce(0, +) == 3_500)
        #expect(sizes.dropLast().allSatisfy { $0 >= RecordBatcher.batchSize })
        #expect(try await fixture.recordList().count == 3_500)
    }

    @Test
    func `commits what is a second old`() async throws {
        let fixture = try await EngineFixture()
        let end = Counter()
        fixture.scripts.set { run in
            try await run.save(1...2)
            try await end.reached()
        }
        let run = Task { try await fixture.engine.syncWorker.runOnce() }
        await fixture.clock.untilSomeoneSleeps(for: RecordBatcher.maxAge)
        #expect(fixture.records.begun.count == 0)
        fixture.clock.advance(by: .milliseconds(999))
        await fixture.clock.untilSomeoneSleeps(for: .milliseconds(1))
        #expect(fixture.records.begun.count == 0)
        fixture.clock.advance(by: .milliseconds(1))
        try await fixture.records.committed.reached()
        #expect(try await fixture.recordList().count == 2)
        end.increment()
        _ = try await run.value
        #expect(fixture.records.committed.count == 1)
    }

    @Test
    func `never commits a checkpoint before the records that it covers`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            for page in 0..<50 {
                try await run.save(page * 70..<(page + 1) * 70)
                try await run.call("saveCheckpoint", ["saved": JSONValue((page + 1) * 70)])
            }
        }
        try await fixture.engine.syncWorker.runOnce()
        var committed = 0
        var covered = 0
        for batch in fixture.records.commits {
            committed += batch.changes.reduce(0) { $0 + $1.ids.count }
            if case .set(let checkpoint) = batch.checkpoint { covered = checkpoint["saved"]?.int ?? 0 }
            #expect(covered <= committed)
            // Nor is it left behind: at most one page is without its own.
            #expect(committed - covered <= 70)
        }
        #expect(committed == 3_500)
        #expect(covered == 3_500)
    }

    @Test
    func `commits a checkpoint that comes alone`() async throws {
        let fixture = try await EngineFixture()
        let end = Counter()
        fixture.scripts.set { run in
            try await run.call("saveCheckpoint", ["page": 1])
            try await end.reached()
        }
        let run = Task { try await fixture.engine.syncWorker.runOnce() }
        await fixture.clock.untilSomeoneSleeps(for: RecordBatcher.maxAge)
        fixture.clock.advance(by: RecordBatcher.maxAge)
        try await fixture.records.committed.reached()
        #expect(try await fixture.sync().checkpoint == ["page": 1])
        end.increment()
        _ = try await run.value
    }

    @Test
    func `lets a fast script wait while the storage is slow`() async throws {
        let fixture = try await EngineFixture()
        let storageGoesOn = Counter()
        let pages = Counter()
        fixture.records.hold(until: storageGoesOn)
        fixture.scripts.set { run in
            for page in 0..<100 {
                try await run.save(page * 100..<(page + 1) * 100)
                pages.increment()
            }
        }
        let run = Task { try await fixture.engine.syncWorker.runOnce() }
        try await fixture.records.begun.reached()
        // A thousand records are taken, and of the next page none.
        try await pages.reached(10)
        for _ in 0..<1_000 { await Task.yield() }
        #expect(pages.count == 10)
        storageGoesOn.increment()
        _ = try await run.value
        #expect(pages.count == 100)
        #expect(try await fixture.recordList().count == 10_000)
    }

    @Test(arguments: [70, 100, 299, 300, 301, 999, 1_000, 1_001, 2_500])
    func `holds at most a thousand records that are not committed`(pageSize: Int) async throws {
        let fixture = try await EngineFixture()
        let storageGoesOn = Counter()
        fixture.records.hold(until: storageGoesOn)
        let batcher = try await fixture.batcher()
        let committing = Task { try await batcher.run() }
        let adding = Task {
            for page in 0..<4_000 / pageSize {
                try await batcher.add(fixture.saved(page * pageSize..<(page + 1) * pageSize))
            }
            try await batcher.flush()
        }
        // It waits no sooner than it must: no part of a change is larger than a batch.
        while await batcher.uncommitted <= 1_000 - RecordBatcher.batchSize { await Task.yield() }
        for _ in 0..<1_000 {
            await Task.yield()
            #expect(await batcher.uncommitted <= 1_000)
        }
        storageGoesOn.increment()
        try await adding.value
        #expect(await batcher.uncommitted == 0)
        #expect(try await fixture.recordList().count == 4_000 / pageSize * pageSize)
        committing.cancel()
        _ = try? await committing.value
    }

    @Test
    func `lets nothing overtake what waits for room`() async throws {
        let fixture = try await EngineFixture()
        let storageGoesOn = Counter()
        fixture.records.hold(until: storageGoesOn)
        let batcher = try await fixture.batcher()
        let committing = Task { try await batcher.run() }
        let adding = Task { try await batcher.add(fixture.saved(0..<2_500)) }
        while await batcher.uncommitted < 900 { await Task.yield() }
        // The script awaits neither of them.
        let checkpoint = Task { try await batcher.add(.set(["saved": 2_500])) }
        for _ in 0..<1_000 { await Task.yield() }
        let flush = Task { try await batcher.flush() }
        for _ in 0..<1_000 { await Task.yield() }
        storageGoesOn.increment()
        try await flush.value
        #expect(try await fixture.recordList().count == 2_500)
        #expect(fixture.records.commits.dropLast().allSatisfy { $0.checkpoint == nil })
        try await adding.value
        try await checkpoint.value
        #expect(try await fixture.sync().checkpoint == ["saved": 2_500])
        committing.cancel()
        _ = try? await committing.value
    }

    @Test
    func `tells the script when a commit failed, and keeps what was committed`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            try await run.save(0..<1_000)
            try await run.call("listRecords", "Ticket")
            fixture.database.isDown = true
            await expect(.storageUnavailable) {
                for page in 10..<100 { try await run.save(page * 100..<(page + 1) * 100) }
            }
            fixture.database.isDown = false
            throw TerapiError(.storageUnavailable, "The disk is full.")
        }
        try await fixture.engine.syncWorker.runOnce()
        let run = try #require(try await fixture.latestRun())
        #expect(run.status == .failed)
        #expect(run.counts["Ticket"]?.added == 1_000)
        #expect(try await fixture.recordList().count == 1_000)
    }

    @Test
    func `keeps the order of saves and deletions of one record`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            try await run.save([1, 2])
            try await run.save([1], kind: .delete)
            try await run.save([1], title: "again")
            try await run.save([2], title: "changed")
            try await run.save([2], kind: .delete)
            try await run.save([3])
            try await run.save([3], title: "merged", kind: .update)
        }
        try await fixture.engine.syncWorker.runOnce()
        let records = try await fixture.recordList()
        #expect(records.contains("1 ADDED again") || records.contains("1 UPDATED again"))
        #expect(!records.contains { $0.hasPrefix("2 ADDED") || $0.hasPrefix("2 UPDATED") })
        #expect(records.contains { $0.hasPrefix("3 ") && $0.hasSuffix("merged") })
    }

    @Test
    func `lets nobody wait for a commit that will not come`() async throws {
        let fixture = try await EngineFixture()
        let fence = RunFence(syncID: 1, runID: 1, generation: 1)
        let batcher = RecordBatcher(run: fence, scope: fixture.scope, storage: fixture.records, clock: fixture.clock)
        let committing = Task { try await batcher.run() }
        try await batcher.add(.set(["page": 1]))
        await fixture.clock.untilSomeoneSleeps(for: RecordBatcher.maxAge)
        committing.cancel()
        _ = try? await committing.value
        await #expect(throws: CancellationError.self) { try await batcher.flush() }
        await #expect(throws: CancellationError.self) { try await batcher.add(.clear) }
    }

    @Test
    func `lets nobody wait for room that will not come`() async throws {
        let fixture = try await EngineFixture()
        fixture.records.hold(until: Counter())
        let batcher = try await fixture.batcher()
        let committing = Task { try await batcher.run() }
        let adding = Task { try await batcher.add(fixture.saved(0..<2_500)) }
        while await batcher.uncommitted < 900 { await Task.yield() }
        let later = Task { try await batcher.add(.clear) }
        committing.cancel()
        await #expect(throws: CancellationError.self) { try await adding.value }
        await #expect(throws: CancellationError.self) { try await later.value }
    }
}

extension EngineFixture {
    /// For a run that has begun.
    fileprivate func batcher() async throws -> RecordBatcher {
        let claimed = try await storage.claimRun(
            owner: "test",
            leaseUntil: clock.now + SyncRunner.lease,
            operationID: randomUUID(),
            now: clock.now
        )
        let (sync, run) = try #require(claimed)
        return RecordBatcher(
            run: RunFence(syncID: sync.id, runID: run.id, generation: run.generation),
            scope: scope,
            storage: records,
            clock: clock
        )
    }

    fileprivate func saved(_ ids: Range<Int>) -> RecordChange {
        RecordChange(
            kind: .save,
            stream: RecordStream(connectionID: connection.id, model: "Ticket"),
            ids: ids.map(String.init),
            documents: ids.map { ArraySlice(#"{"id":"\#($0)"}"#.utf8) }
        )
    }
}

@Suite(.timeLimit(.minutes(1)))
struct WakeUpTests {
    @Test
    func `loses no ring that comes before the wait`() async {
        let clock = TestClock()
        let wakeUp = WakeUp()
        wakeUp.ring()
        wakeUp.ring()
        await wakeUp.wait(until: nil, clock: clock)
        // Both were for the same wait: the next one sleeps.
        let moment = clock.now + .seconds(1)
        async let woken: Void = wakeUp.wait(until: moment, clock: clock)
        await clock.untilSomeoneSleeps(for: .seconds(1))
        clock.advance(by: .seconds(1))
        await woken
    }

    @Test
    func `wakes at every ring of ten thousand`() async {
        let clock = TestClock()
        let (wakeUp, seen) = (WakeUp(), Counter())
        let work = Counter()
        let loop = Task {
            // Each look takes all the work there is; a lost ring would leave some behind for ever.
            while seen.count < 10_000 {
                await wakeUp.wait(until: nil, clock: clock)
                while seen.count < work.count { seen.increment() }
            }
        }
        await withTaskGroup { group in
            for _ in 0..<10 {
                group.addTask {
                    for _ in 0..<1_000 {
                        work.increment()
                        wakeUp.ring()
                        await Task.yield()
                    }
                }
            }
        }
        await loop.value
        #expect(seen.count == 10_000)
    }

    @Test
    func `returns when the task is cancelled`() async {
        let clock = TestClock()
        let wakeUp = WakeUp()
        for _ in 0..<200 {
            let waiting = Task { await wakeUp.wait(until: clock.now + .seconds(60), clock: clock) }
            waiting.cancel()
            await waiting.value
        }
    }
}
