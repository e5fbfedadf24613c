import TerapiCore
import TerapiStorage
import Testing

@Suite(.timeLimit(.minutes(2)))
struct FullReadConformance {
    @Test(arguments: Engine.allCases)
    func `marks what a complete read did not show as deleted, in the order of positions`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        try await fixture.save(tickets(1...10), run: run)
        try await fixture.save(tickets([2], title: "moved"), run: run)

        let read = try await fixture.storage.beginFullRead(of: fixture.stream, run: run)
        try await fixture.save(tickets([1]) + tickets(4...5, title: "new"), run: run, seen: read)
        try await fixture.save(tickets([11]) + tickets([6]), run: run, seen: read)
        try await fixture.save([("7", #"{"extra":1}"#)], run: run, kind: .update, seen: read)
        let outcome = try await end(fixture, run)

        #expect(outcome == .deleted(["3", "8", "9", "10", "2"]))
        let deleted = try await fixture.all(actions: [.deleted])
        #expect(deleted.map(\.id) == ["3", "8", "9", "10", "2"])
        #expect(deleted.allSatisfy { $0.isDeleted && $0.document["title"] != nil })
        #expect(try await fixture.storage.counts(connectionID: fixture.connection.id) == ["Ticket": 6])
        #expect(try await fixture.storage.run(run.runID)?.counts["Ticket"]?.deleted == 5)
        #expect(try await rows("record_seen", in: fixture) == 0)
    }

    @Test(arguments: Engine.allCases)
    func `keeps what a webhook function writes while the read goes on`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        let webhook = try await fixture.beginWebhook()
        try await fixture.save(tickets(1...4), run: run)
        let read = try await fixture.storage.beginFullRead(of: fixture.stream, run: run)

        try await fixture.save(tickets([3, 5]), run: webhook)
        try await fixture.save(tickets([1]), run: run, seen: read)
        // The control: written by the run, but not as something that it has seen.
        try await fixture.save(tickets([6]), run: run)

        #expect(try await end(fixture, run) == .deleted(["2", "4", "6"]))
    }

    @Test(arguments: Engine.allCases)
    func `goes on in its generation when an interrupted run is resumed`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let first = try await fixture.claim()
        try await fixture.save(tickets(1...6), run: first)
        let read = try await fixture.storage.beginFullRead(of: fixture.stream, run: first)
        try await fixture.save(tickets(1...3), run: first, seen: read)
        try await fixture.end(first, .abandoned)

        let second = try await fixture.claim()
        let resumed = try await fixture.storage.beginFullRead(of: fixture.stream, run: second)
        try await fixture.save(tickets(4...5), run: second, seen: resumed)

        #expect(resumed == read)
        #expect(try await end(fixture, second) == .deleted(["6"]))
        #expect(try await fixture.all(actions: [.deleted]).map(\.id) == ["6"])
    }

    @Test(arguments: Engine.allCases)
    func `forgets what it saw when it was abandoned, so that nothing is deleted by mistake`(
        engine: Engine
    ) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        try await fixture.save(tickets(1...6), run: run)
        let read = try await fixture.storage.beginFullRead(of: fixture.stream, run: run)
        try await fixture.save(tickets(1...3), run: run, seen: read)
        try await fixture.storage.abandonFullReads(run: run)

        // The old generation can neither go on nor end.
        let saving = await #expect(throws: TerapiError.self) {
            try await fixture.save(tickets(4...6), run: run, seen: read)
        }
        await #expect(throws: TerapiError.self) { try await end(fixture, run) }
        let fresh = try await fixture.storage.beginFullRead(of: fixture.stream, run: run)
        #expect(saving?.code == .staleRun)
        #expect(fresh > read)
        #expect(try await fixture.all(actions: [.deleted]).isEmpty)
    }

    @Test(
        arguments: Engine.allCases,
        [
            (all: 400, kept: 279, outcome: DeletionOutcome.refused(vanishing: 121, of: 400)),
            (all: 400, kept: 280, outcome: .deleted((281...400).map(String.init))),
            (all: 120, kept: 21, outcome: .deleted((22...120).map(String.init))),
            (all: 100, kept: 0, outcome: .refused(vanishing: 100, of: 100)),
        ]
    )
    func `asks before a large part of the records vanishes`(
        engine: Engine,
        example: (all: Int, kept: Int, outcome: DeletionOutcome)
    ) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        try await fixture.save(tickets(1...example.all), run: run)
        let read = try await fixture.storage.beginFullRead(of: fixture.stream, run: run)
        try await fixture.save(tickets((1...example.all).prefix(example.kept)), run: run, seen: read)

        let outcome = try await end(fixture, run)
        #expect(outcome == example.outcome)
        guard case .refused(let vanishing, _) = outcome else { return }

        #expect(try await fixture.all(actions: [.deleted]).isEmpty)
        // With a person's word the same read goes through.
        let confirmed = try await end(fixture, run, allowsMassDeletion: true)
        #expect(confirmed == .deleted(((example.kept + 1)...example.all).map(String.init)))
        #expect(vanishing == example.all - example.kept)
    }

    @Test(arguments: Engine.allCases)
    func `cannot end for a run that another has followed`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let old = try await fixture.claim()
        try await fixture.save(tickets(1...3), run: old)
        _ = try await fixture.storage.beginFullRead(of: fixture.stream, run: old)
        try await fixture.storage.requestRun(
            syncID: old.syncID,
            reset: true,
            confirmsMassDeletion: false,
            now: fixture.clock.now
        )

        let failure = await #expect(throws: TerapiError.self) { try await end(fixture, old) }
        #expect(failure?.code == .staleRun)
        #expect(try await fixture.all(actions: [.deleted]).isEmpty)
        // Nor can it make the later one forget what it sees.
        let late = await #expect(throws: TerapiError.self) { try await fixture.storage.abandonFullReads(run: old) }
        #expect(late?.code == .staleRun)
    }

    @Test
    func `grows the file by less than a hundredth when nothing has changed`() async throws {
        let fixture = try await StorageFixture(.sqlite)
        let run = try await fixture.claim()
        let filler = String(repeating: "lorem ipsum ", count: 80)
        let batches = (0..<20).map { batch in tickets((batch * 1_000)..<(batch * 1_000 + 1_000), title: filler) }
        for batch in batches { try await fixture.save(batch, run: run) }
        func pages() async throws -> Int64 {
            try await fixture.database.read { try $0.first("pragma page_count") { $0.integer(0) } } ?? 0
        }
        let before = try await pages()

        let read = try await fixture.storage.beginFullRead(of: fixture.stream, run: run)
        var counts = ChangeCounts()
        for batch in batches { counts = counts + (try await fixture.save(batch, run: run, seen: read)) }
        let seenRows = try await rows("record_seen", in: fixture)
        let after = try await pages()

        #expect(counts == ChangeCounts(unchanged: 20_000))
        #expect(seenRows == 20)
        #expect(Double(after - before) < Double(before) / 100)
        #expect(try await end(fixture, run) == .deleted([]))
    }

    private func end(
        _ fixture: StorageFixture,
        _ run: RunFence,
        allowsMassDeletion: Bool = false
    ) async throws -> DeletionOutcome {
        try await fixture.storage.endFullRead(
            of: fixture.stream,
            run: run,
            scope: fixture.scope,
            allowsMassDeletion: allowsMassDeletion
        )
    }

    private func rows(_ table: SQL, in fixture: StorageFixture) async throws -> Int64? {
        try await fixture.database.read { try $0.first("select count(*) from" + table) { $0.integer(0) } }
    }
}
