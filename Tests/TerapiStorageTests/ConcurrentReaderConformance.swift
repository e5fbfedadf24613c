import Foundation
import Synchronization
import TerapiCore
import TerapiStorage
import Testing

/// Writers that commit while a customer pages: the promise that a cursor never skips.
///
/// `TERAPI_LONG_TESTS=60` makes it run for so many seconds.
@Suite(.timeLimit(.minutes(5)))
struct ConcurrentReaderConformance {
    @Test(arguments: Engine.allCases)
    func `shows four writers' changes to a paging reader without missing one`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let end = ContinuousClock.now + Self.duration
        // Every writer is a sync of its own; all write into the same stream and half of what they write overlaps.
        let definitions = try (0..<4).map { number in
            SyncDefinition(
                integrationKey: "desk",
                name: "writer-\(number)",
                models: ["Ticket"],
                frequency: try Frequency("every hour"),
                code: ""
            )
        }
        try await fixture.storage.settleSyncs(
            [StorageFixture.definition] + definitions, in: fixture.scope, now: fixture.clock.now
        )
        var runs: [RunFence] = []
        for _ in 0..<5 { runs.append(try await fixture.claim()) }

        let writers = Writers()
        async let reading = Self.follow(fixture, writers)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, run) in runs.prefix(4).enumerated() {
                group.addTask {
                    var random = SystemRandomNumberGenerator()
                    var turn = 0
                    // A busy machine writes less in the time: so much is written in any case.
                    while ContinuousClock.now < end || turn < 60 {
                        turn += 1
                        let ids = (0..<Int.random(in: 1...20, using: &random)).map { _ in
                            Int.random(in: 0..<400, using: &random) + (Bool.random(using: &random) ? number * 1_000 : 0)
                        }
                        let kind: ScriptRecordChange.Kind = turn % 7 == 0 ? .delete : .save
                        try await fixture.save(tickets(ids, title: "\(number).\(turn)"), run: run, kind: kind)
                    }
                }
            }
            try await group.waitForAll()
        }
        writers.stop()
        let reader = try await reading

        let truth = try await Dictionary(uniqueKeysWithValues: fixture.all().map { ($0.id, $0) })
        let missed = truth.filter { reader.latest[$0.key] != $0.value }
        #expect(truth.count > 400)
        #expect(missed.isEmpty, "\(missed.count) of \(truth.count) missed")
        #expect(reader.stepsBack == 0)
        #expect(reader.pages > 10)
    }

    /// The same look-out with another cursor: the time at which a change was made, in a transaction that commits later.
    /// It misses the changes that were overtaken, which shows that the test above would see it.
    @Test(arguments: Engine.allCases)
    func `would miss changes with a cursor of time`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        try await fixture.database.write { transaction in
            try transaction.run("create table timed (at integer not null) strict")
        }
        func write(at time: Int64) async throws {
            try await fixture.database.write { transaction in
                try transaction.run("insert into timed (at) values ($1)", [.integer(time)])
            }
        }
        var seen: [Int64] = []
        func look() async throws {
            let last = seen.last ?? 0
            seen += try await fixture.database.read { snapshot in
                try snapshot.query("select at from timed where at > $1 order by at", [.integer(last)]) { $0.integer(0) }
            }
        }

        for turn in 0..<20 as Range<Int64> {
            // Two writers take the time where their work begins, as `now()` does; the second commits first.
            let (slow, fast) = (2 * turn + 1, 2 * turn + 2)
            try await write(at: fast)
            try await look()
            try await write(at: slow)
            try await look()
        }

        #expect(seen == (0..<20).map { 2 * $0 + 2 })
    }

    /// Whether the writers are still at work.
    private final class Writers: Sendable {
        private let state = Mutex(true)

        var areWriting: Bool { state.withLock(\.self) }

        func stop() {
            state.withLock { $0 = false }
        }
    }

    private struct Reader {
        var latest: [String: Page.Item] = [:]
        var stepsBack = 0
        var pages = 0
    }

    /// Reads as a customer does, keeping the cursor of the last record, until the writers are done and nothing is left.
    private static func follow(
        _ fixture: StorageFixture,
        _ writers: Writers
    ) async throws -> Reader {
        var reader = Reader()
        var cursor: String?
        var last: Timestamp?
        while true {
            let wasWriting = writers.areWriting
            let page = try await fixture.page(fixture.query(cursor: cursor, limit: 7))
            reader.pages += 1
            for item in page.items {
                if let last, item.lastModifiedAt < last { reader.stepsBack += 1 }
                last = item.lastModifiedAt
                reader.latest[item.id] = item
                cursor = item.cursor
            }
            if page.items.isEmpty, !wasWriting { return reader }
        }
    }

    private static var duration: Duration {
        .seconds(ProcessInfo.processInfo.environment["TERAPI_LONG_TESTS"].flatMap(Double.init) ?? 2)
    }
}
