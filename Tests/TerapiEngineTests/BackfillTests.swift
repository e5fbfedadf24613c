import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

@Suite(.timeLimit(.minutes(1)))
struct BackfillTests {
    @Test
    func `shows how far the history is read`() async throws {
        let fixture = try await EngineFixture()
        let start = fixture.clock.now
        let half = Counter()
        let go = Counter()
        fixture.scripts.set { run in
            try await run.call(
                "reportBackfill", report(["windows": 2, "windows_done": 1, "reached": "2025-07-02T12:00:00Z"]))
            half.increment()
            try await go.reached()
        }
        let run = Task { try await fixture.engine.syncWorker.runOnce() }
        try await half.reached()

        let backfill = try #require(try await fixture.engine.syncs.status(fixture.selection).first?.backfill)
        go.increment()
        _ = try await run.value

        #expect(backfill.percent == 50 && backfill.windows == 2 && backfill.windowsDone == 1)
        #expect(backfill.startedAt == start && backfill.finishedAt == nil)
        #expect(try await fixture.events().isEmpty)
        #expect(fixture.log.messages.contains { $0.message.hasPrefix("History: 1 of 2 windows") })
    }

    @Test
    func `tells once that the history is read, with the records in place before`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            try await run.save(1...3)
            try await run.call("reportBackfill", report(["finished": true]))
            // On the disk before it is told.
            #expect(try await fixture.recordList().count == 3)
            fixture.clock.advance(by: .seconds(5))
            try await run.call("reportBackfill", report(["finished": true]))
        }
        let start = fixture.clock.now

        try await fixture.engine.syncWorker.runOnce()

        let told = try await fixture.events().filter { $0["type"] == "backfill.finished" }
        #expect(told.count == 1)
        #expect(told.first?["connectionId"] == "alice" && told.first?["syncName"] == "tickets")
        #expect(told.first?["historyFrom"]?.string?.hasPrefix("2025-01-01T00:00:00") == true)
        #expect(told.first?["models"] == ["Ticket"])
        let backfill = try #require(try await fixture.engine.syncs.status(fixture.selection).first?.backfill)
        #expect(backfill.percent == 100 && backfill.finishedAt == start)
        #expect(fixture.log.operations(.syncBackfill).map(\.state) == [.success])
    }

    @Test
    func `is told by the run that goes on where a dead one was`() async throws {
        let fixture = try await EngineFixture()
        let start = fixture.clock.now
        fixture.scripts.set { run in
            try await run.call(
                "reportBackfill", report(["windows": 2, "windows_done": 1, "reached": "2025-06-01T00:00:00Z"]))
            throw TerapiError(.scriptError, "no")
        }
        try await fixture.engine.syncWorker.runOnce()
        fixture.scripts.set { run in try await run.call("reportBackfill", report(["windows": 2, "finished": true])) }
        fixture.clock.advance(by: .seconds(60))

        try await fixture.engine.syncWorker.runOnce()

        let told = try await fixture.events().filter { $0["type"] == "backfill.finished" }
        #expect(told.count == 1)
        let backfill = try #require(try await fixture.engine.syncs.status(fixture.selection).first?.backfill)
        #expect(backfill.startedAt == start && backfill.windowsDone == 2)
    }

    @Test
    func `a reset forgets it, and it is told anew`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in try await run.call("reportBackfill", report(["finished": true])) }
        try await fixture.engine.syncWorker.runOnce()

        try await fixture.engine.syncs.trigger(
            fixture.selection, reset: true, emptyCache: false, confirmsMassDeletion: false)
        #expect(try await fixture.engine.syncs.status(fixture.selection).first?.backfill == nil)
        try await fixture.engine.syncWorker.runOnce()

        #expect(try await fixture.events().filter { $0["type"] == "backfill.finished" }.count == 2)
    }

    @Test
    func `a run that has lost its sync can tell nothing`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            try await fixture.engine.syncs.trigger(
                fixture.selection, reset: true, emptyCache: false, confirmsMassDeletion: false)
            await expect(.staleRun) { try await run.call("reportBackfill", report(["finished": true])) }
        }

        #expect(try await fixture.engine.syncWorker.runOnce() == 1)

        #expect(try await fixture.events().isEmpty)
    }

    @Test(
        arguments: [
            .null, ["from": "x", "until": "2026-01-01T00:00:00Z"],
            ["from": "2026-01-01T00:00:00Z", "until": "2025-01-01T00:00:00Z"],
            ["from": "2025-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z", "windows": 0],
            ["from": "2025-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z", "windows": 2, "windows_done": 3],
            ["from": "2025-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z", "reached": 5],
        ] as [JSONValue])
    func `refuses a report that cannot be`(report: JSONValue) async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            await expect(.scriptError) { try await run.call("reportBackfill", report) }
        }

        try await fixture.engine.syncWorker.runOnce()

        #expect(try await fixture.engine.syncs.status(fixture.selection).first?.backfill == nil)
    }
}

private func report(_ facts: JSONObject) -> JSONValue {
    let range: JSONObject = ["from": "2025-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"]
    return .object(range.merging(facts))
}
