import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

/// Syncs that run by the clock. The tests begin on 1 March 2026 at 12:00 UTC.
@Suite(.timeLimit(.minutes(1)))
struct ClockScheduleTests {
    private static let daily = "0 6 * * * Europe/Berlin"

    @Test
    func `begins at once, and then runs at the moments of its place`() async throws {
        let fixture = try await EngineFixture(syncs: [try EngineFixture.definition(frequency: Self.daily)])
        fixture.scripts.set { _ in }
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        // Exactly, and over the change of the clock on 29 March.
        for (days, hour) in [(1, 5), (27, 5), (28, 4), (29, 4)] as [(Double, Double)] {
            let start = try #require(Timestamp(iso8601: "2026-03-01T00:00:00Z"))
            let due = start + .seconds(days * 86_400 + hour * 3600)
            fixture.clock.advance(by: max(due - fixture.clock.now - .seconds(86_400), .zero))
            try await fixture.engine.syncWorker.runOnce()
            #expect(try await fixture.sync().nextRunAt == due)
            fixture.clock.advance(by: due - fixture.clock.now - .microseconds(1))
            #expect(try await fixture.engine.syncWorker.runOnce() == 0)
            fixture.clock.advance(by: .microseconds(1))
            #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        }
    }

    @Test
    func `moments that a run has missed are gone`() async throws {
        let fixture = try await EngineFixture(syncs: [try EngineFixture.definition(frequency: "0 * * * *")])
        fixture.scripts.set { _ in fixture.clock.advance(by: .seconds(3 * 3600 + 60)) }
        try await fixture.engine.syncWorker.runOnce()
        #expect(try await fixture.sync().nextRunAt?.iso8601.hasPrefix("2026-03-01T16:00:00.000000") == true)
    }

    @Test
    func `a failed run is tried again before the next moment`() async throws {
        let fixture = try await EngineFixture(syncs: [try EngineFixture.definition(frequency: Self.daily)])
        fixture.scripts.set { _ in throw TerapiError(.scriptError, "no") }
        try await fixture.engine.syncWorker.runOnce()
        let wait = try #require(try await fixture.sync().nextRunAt) - fixture.clock.now
        #expect(wait <= .seconds(18))
    }

    @Test
    func `is taken for one connection, and given back`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { _ in }
        try await fixture.engine.syncWorker.runOnce()

        let taken = try await fixture.engine.syncs.setFrequency(try Frequency(Self.daily), of: fixture.selection)

        #expect(taken == Self.daily)
        #expect(try await fixture.sync().nextRunAt?.iso8601.hasPrefix("2026-03-02T05:00:00") == true)
        #expect(try await fixture.engine.syncs.status(fixture.selection).map(\.frequency) == [Self.daily])
        #expect(try await fixture.engine.syncs.setFrequency(nil, of: fixture.selection) == "every 5 minutes")
        let wait = try #require(try await fixture.sync().nextRunAt) - fixture.clock.now
        #expect(wait <= .seconds(300))
    }

    @Test
    func `holds at once when a sync is defined with it anew`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { _ in }
        try await fixture.engine.syncWorker.runOnce()

        try await fixture.engine.deployments.replaceFolder(
            with: ScriptDefinitions(syncs: [try EngineFixture.definition(frequency: Self.daily)]))

        #expect(try await fixture.sync().nextRunAt?.iso8601.hasPrefix("2026-03-02T05:00:00") == true)
    }
}
