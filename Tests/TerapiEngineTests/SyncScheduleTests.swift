import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

@Suite(.timeLimit(.minutes(1)))
struct SyncScheduleTests {
    @Test
    func `tries a failed run again by the retry policy, at the latest at the next tick`() async throws {
        let fixture = try await EngineFixture(syncs: [try EngineFixture.definition(frequency: "every hour")])
        fixture.scripts.set { _ in throw TerapiError(.scriptError, "no") }
        for seconds in [15, 60, 300, 900, 900, 900] as [Double] {
            #expect(try await fixture.engine.syncWorker.runOnce() == 1)
            let next = try #require(try await fixture.sync().nextRunAt)
            let wait = (next - fixture.clock.now).seconds
            #expect(abs(wait / seconds - 1) <= 0.2 + 1e-6)
            fixture.clock.advance(by: next - fixture.clock.now - .microseconds(1))
            #expect(try await fixture.engine.syncWorker.runOnce() == 0)
            fixture.clock.advance(by: .microseconds(1))
        }
        fixture.scripts.set { _ in }
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        #expect(try await fixture.sync().failures == 0)
        let wait = try #require(try await fixture.sync().nextRunAt) - fixture.clock.now
        #expect(abs(wait.seconds / 3600 - 1) <= 0.05 + 1e-6)
    }

    @Test
    func `does not wait longer after a failure than its frequency`() async throws {
        let fixture = try await EngineFixture(syncs: [try EngineFixture.definition(frequency: "every minute")])
        fixture.scripts.set { _ in throw TerapiError(.scriptError, "no") }
        for _ in 0..<5 {
            #expect(try await fixture.engine.syncWorker.runOnce() == 1)
            let next = try #require(try await fixture.sync().nextRunAt)
            #expect(next - fixture.clock.now <= .seconds(63))
            fixture.clock.advance(by: max(next - fixture.clock.now, .zero))
        }
    }

    @Test
    func `missed ticks collapse into one`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { _ in }
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        fixture.clock.advance(by: .seconds(3 * 86_400))
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        #expect(try await fixture.engine.syncWorker.runOnce() == 0)
    }

    @Test
    func `a slow run keeps to the ticks of its schedule`() async throws {
        let fixture = try await EngineFixture()
        let start = fixture.clock.now
        // 12 minutes at every 5: the ticks at 5 and 10 are missed, the next is at 15.
        fixture.scripts.set { _ in fixture.clock.advance(by: .seconds(720)) }
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        let next = try #require(try await fixture.sync().nextRunAt)
        #expect(abs((next - start).seconds - 900) <= 15)
    }

    @Test
    func `no second run begins while one is at work, whatever is asked`() async throws {
        let fixture = try await EngineFixture()
        let end = Counter()
        fixture.scripts.set { _ in try await end.reached() }
        let run = Task { try await fixture.engine.syncWorker.runOnce() }
        try await fixture.scripts.begun.reached()
        fixture.clock.advance(by: .seconds(20))
        for _ in 0..<3 { try await trigger(fixture) }
        #expect(try await fixture.engine.syncWorker.runOnce() == 0)
        end.increment()
        // All three become one.
        #expect(try await run.value == 1)
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        #expect(try await fixture.engine.syncWorker.runOnce() == 0)
        #expect(fixture.scripts.begun.count == 2)
    }

    @Test
    func `pauses, runs on request while paused, and starts again`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { _ in }
        try await fixture.engine.syncWorker.runOnce()
        try await fixture.engine.syncs.pause(fixture.selection)
        fixture.clock.advance(by: .seconds(86_400))
        #expect(try await fixture.engine.syncWorker.runOnce() == 0)
        #expect(try await fixture.engine.syncs.status(fixture.selection).map(\.status) == ["PAUSED"])
        try await trigger(fixture)
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        fixture.clock.advance(by: .seconds(86_400))
        #expect(try await fixture.engine.syncWorker.runOnce() == 0)
        try await fixture.engine.syncs.start(fixture.selection)
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        #expect(try await fixture.engine.syncs.status(fixture.selection).map(\.status) == ["SUCCESS"])
        #expect(fixture.log.operations(.syncPause).map(\.state) == [.success])
        #expect(fixture.log.operations(.syncStart).map(\.state) == [.success])
    }

    @Test
    func `a pause lets the run at work end`() async throws {
        let fixture = try await EngineFixture()
        let end = Counter()
        fixture.scripts.set { run in
            try await end.reached()
            try await run.save([1])
        }
        let run = Task { try await fixture.engine.syncWorker.runOnce() }
        try await fixture.scripts.begun.reached()
        try await fixture.engine.syncs.pause(fixture.selection)
        #expect(try await fixture.engine.syncs.status(fixture.selection).map(\.status) == ["RUNNING"])
        end.increment()
        _ = try await run.value
        #expect(try await fixture.latestRun()?.status == .success)
        #expect(try await fixture.recordList().count == 1)
        #expect(try await fixture.sync().state == .paused)
    }

    @Test(arguments: [false, true])
    func `a reset forgets the checkpoint, and the records where that is asked for`(emptyCache: Bool) async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            #expect(try await run.call("getCheckpoint") == .null)
            try await run.save(1...2)
            try await run.call("saveCheckpoint", ["page": 1])
        }
        try await fixture.engine.syncWorker.runOnce()
        try await trigger(fixture, reset: true, emptyCache: emptyCache)
        #expect(try await fixture.recordList().count == (emptyCache ? 0 : 2))
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        let run = try #require(try await fixture.latestRun())
        #expect(run.isInitial)
        #expect(run.counts["Ticket"]?.added == (emptyCache ? 2 : 0))
        #expect(run.counts["Ticket"]?.unchanged == (emptyCache ? 0 : 2))
    }

    @Test
    func `keeps the records of a run that begins as soon as the reset is asked for`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            try await run.save(1...2)
            try await run.call("saveCheckpoint", ["page": 1])
        }
        try await fixture.engine.syncWorker.runOnce()
        // A worker that looks just now.
        fixture.records.beforeRemoval { try await fixture.engine.syncWorker.runOnce() }
        try await trigger(fixture, reset: true, emptyCache: true)
        try await fixture.engine.syncWorker.runOnce()
        #expect(fixture.scripts.begun.count == 2)
        #expect(try await fixture.sync().checkpoint == ["page": 1])
        #expect(try await fixture.recordList().count == 2)
    }

    @Test
    func `takes another frequency at once, and its own back`() async throws {
        let fixture = try await EngineFixture(syncs: [try EngineFixture.definition(frequency: "every hour")])
        fixture.scripts.set { _ in }
        try await fixture.engine.syncWorker.runOnce()
        fixture.clock.advance(by: .seconds(600))
        #expect(
            try await fixture.engine.syncs.setFrequency(try Frequency("every minute"), of: fixture.selection)
                == "every minute")
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        fixture.clock.advance(by: .seconds(64))
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        #expect(try await fixture.engine.syncs.setFrequency(nil, of: fixture.selection) == "every hour")
        fixture.clock.advance(by: .seconds(600))
        #expect(try await fixture.engine.syncWorker.runOnce() == 0)
    }

    @Test
    func `stops without a definition and goes on when there is one again`() async throws {
        let fixture = try await EngineFixture()
        let definitions = fixture.catalog.syncs(in: fixture.scope)
        fixture.scripts.set { try await $0.save([1]) }
        fixture.catalog.replace(with: ScriptDefinitions())
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        #expect(try await fixture.latestRun()?.status == .cancelled)
        fixture.clock.advance(by: .seconds(86_400))
        #expect(try await fixture.engine.syncWorker.runOnce() == 0)
        try await fixture.engine.deployments.replaceFolder(with: ScriptDefinitions(syncs: definitions))
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        #expect(try await fixture.latestRun()?.status == .success)
    }

    @Test
    func `names what it does not know`() async throws {
        let fixture = try await EngineFixture()
        var selection = fixture.selection
        selection.names = ["users"]
        let error = await expect(.noSyncsFound) { try await fixture.engine.syncs.start(selection) }
        #expect(error?.message.contains("tickets") == true)
        selection = fixture.selection
        selection.connectionID = "bob"
        await expect(.unknownConnection) { try await fixture.engine.syncs.pause(selection) }
        selection.integrationKey = "phone"
        await expect(.unknownProviderConfig) { try await fixture.engine.syncs.status(selection) }
        selection = fixture.selection
        selection.scope = EnvironmentScope(environmentID: 99)
        await expect(.unknownProviderConfig) { try await fixture.engine.syncs.status(selection) }
    }

    @Test
    func `the worker runs what falls due, and what is asked for, without being told`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { try await $0.save([1]) }
        let worker = Task { try await fixture.engine.syncWorker.run() }
        try await fixture.scripts.begun.reached(1)
        try await fixture.eventsStored(1)
        // Sleeps until the next look and is rung by the request.
        try await trigger(fixture)
        try await fixture.scripts.begun.reached(2)
        for run in 3...5 {
            await fixture.clock.untilSleepers { !$0.isEmpty }
            while fixture.scripts.begun.count < run {
                fixture.clock.advance(by: .seconds(30))
                await Task.yield()
            }
        }
        worker.cancel()
        try await worker.value
    }

    private func trigger(_ fixture: EngineFixture, reset: Bool = false, emptyCache: Bool = false) async throws {
        try await fixture.engine.syncs.trigger(
            fixture.selection,
            reset: reset,
            emptyCache: emptyCache,
            confirmsMassDeletion: false
        )
    }
}

extension EngineFixture {
    /// Returns when so many operations of sync runs have ended well.
    func eventsStored(_ count: Int) async throws {
        while try await storage.events(in: scope, before: nil, limit: 100).count < count { await Task.yield() }
    }
}
