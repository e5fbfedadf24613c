import TerapiCore
import TerapiStorage
import Testing

@Suite(.timeLimit(.minutes(2)))
struct RecordStorageConformance {
    @Test(arguments: Engine.allCases)
    func `tells added, updated, unchanged and deleted records apart`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()

        let added = try await fixture.save(tickets(1...3), run: run)
        let again = try await fixture.save(tickets(1...2) + tickets(3...4, title: "second"), run: run)
        let deleted = try await fixture.save(tickets([1, 99]), run: run, kind: .delete)
        let page = try await fixture.page(fixture.query())

        #expect(added == ChangeCounts(added: 3))
        #expect(again == ChangeCounts(added: 1, updated: 1, unchanged: 2))
        #expect(deleted == ChangeCounts(deleted: 1))
        #expect(page.summary == ["2 ADDED", "3 UPDATED", "4 ADDED", "1 DELETED"])
        #expect(page.items[3].document["title"] == "first")
        #expect(page.items[3].isDeleted)
        #expect(page.nextCursor == nil)
        #expect(try await fixture.storage.counts(connectionID: fixture.connection.id) == ["Ticket": 3])
        let counted = try await fixture.storage.run(run.runID)?.counts
        #expect(counted == ["Ticket": ChangeCounts(added: 4, updated: 1, deleted: 1, unchanged: 2)])
    }

    @Test(arguments: Engine.allCases)
    func `does not take another order of members or other space for a change`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        try await fixture.save([("a", #"{"id":"a","n":{"x":1,"y":2}}"#)], run: run)
        let cursor = try await fixture.page(fixture.query()).items[0].cursor

        var counts: [ChangeCounts] = []
        for json in [
            #"{"n":{"y":2,"x":1},"id":"a"}"#, #"{ "id" : "a", "n":{"x":1,"y":2}}"#, #"{"n":{"y":2,"x":1},"id":"a"}"#,
        ] {
            counts.append(try await fixture.save([("a", json)], run: run))
        }
        let changed = try await fixture.save([("a", #"{"id":"a","n":{"x":1,"y":3}}"#)], run: run)

        #expect(counts == [ChangeCounts](repeating: ChangeCounts(unchanged: 1), count: 3))
        #expect(changed == ChangeCounts(updated: 1))
        #expect(try await fixture.page(fixture.query(cursor: cursor)).summary == ["a UPDATED"])
    }

    @Test(arguments: Engine.allCases)
    func `takes the last of records with the same id`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()

        let counts = try await fixture.save(tickets([1]) + tickets([2]) + tickets([1], title: "last"), run: run)

        let page = try await fixture.page(fixture.query())
        #expect(counts == ChangeCounts(added: 2))
        #expect(page.items.first { $0.id == "1" }?.document["title"] == "last")
    }

    @Test(arguments: Engine.allCases)
    func `applies the changes of a batch one after the other`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        try await fixture.save(tickets([1]), run: run)

        let counts = try await fixture.storage.save(
            RecordBatch(
                run: run,
                scope: fixture.scope,
                changes: [
                    fixture.change(tickets([1]), kind: .delete),
                    fixture.change(tickets([1])),
                    fixture.change([("1", #"{"extra":true}"#)], kind: .update),
                ]
            )
        )

        let item = try #require(try await fixture.page(fixture.query()).items.first)
        #expect(counts == ["Ticket": ChangeCounts(added: 1, updated: 1, deleted: 1)])
        #expect(item.action == "UPDATED")
        #expect(item.document["extra"] == true)
        #expect(try await fixture.storage.counts(connectionID: fixture.connection.id) == ["Ticket": 1])
    }

    @Test(arguments: Engine.allCases)
    func `merges objects and replaces what is not one`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        try await fixture.save([("a", #"{"id":"a","o":{"x":1,"y":[1,2]},"z":0}"#)], run: run)

        let merged = try await fixture.save(
            [("a", #"{"o":{"y":[3]}}"#), ("unknown", #"{"o":{}}"#)],
            run: run,
            kind: .update
        )
        let same = try await fixture.save([("a", #"{"o":{"y":[3]}}"#)], run: run, kind: .update)
        let full = try await fixture.save([("a", #"{"id":"a","o":{"x":1,"y":[3]},"z":0}"#)], run: run)

        let page = try await fixture.page(fixture.query())
        #expect(merged == ChangeCounts(updated: 1))
        #expect(same == ChangeCounts(unchanged: 1))
        #expect(full == ChangeCounts(unchanged: 1))
        #expect(page.ids == ["a"])
        #expect(page.items[0].document["o"] == ["x": 1, "y": [3]])
    }

    /// What became of records that a webhook function has changed during a run, with and without a mark.
    @Test(
        arguments: Engine.allCases,
        [
            (isMarked: true, titles: ["1 late", "2 webhook", "3 first deleted", "4 webhook", "5 late"], others: 3),
            (isMarked: false, titles: ["1 late", "2 late", "3 late", "4 late", "5 late"], others: 0),
        ]
    )
    func `leaves alone what others have changed since a mark, and nothing else`(
        engine: Engine,
        example: (isMarked: Bool, titles: [String], others: Int)
    ) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        let webhook = try await fixture.beginWebhook()
        try await fixture.save(tickets(1...4), run: run)
        let position = try await fixture.storage.position(of: fixture.stream)
        let mark = example.isMarked ? MergingMark(position: position) : nil

        try await fixture.save(tickets([2], title: "webhook"), run: webhook)
        try await fixture.save(tickets([3]), run: webhook, kind: .delete)
        // The run's own changes are behind the mark too, before and after another of the webhook's.
        try await fixture.save(tickets([1], title: "own"), run: run, mark: mark)
        try await fixture.save(tickets([4], title: "webhook"), run: webhook)
        try await fixture.save([("1", #"{"more":1}"#)], run: run, kind: .update, mark: mark)
        let counts = try await fixture.save(tickets(1...5, title: "late"), run: run, mark: mark)

        let items = try await fixture.all().sorted { $0.id < $1.id }
        let titles = items.map { "\($0.id) \($0.document["title"]?.string ?? "")\($0.isDeleted ? " deleted" : "")" }
        #expect(titles == example.titles)
        #expect(counts.unchanged == example.others)
        // A deletion or a partial change of what is another's waits too.
        let deleted = try await fixture.save(tickets([2]), run: run, kind: .delete, mark: mark)
        let merged = try await fixture.save([("4", #"{"more":1}"#)], run: run, kind: .update, mark: mark)
        #expect(deleted.deleted == (example.isMarked ? 0 : 1))
        #expect(merged.updated == (example.isMarked ? 0 : 1))
    }

    @Test(arguments: Engine.allCases)
    func `does not take its own batch for another's while it is under way`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        try await fixture.save(tickets([1]), run: run)
        let mark = MergingMark(position: try await fixture.storage.position(of: fixture.stream))
        var prepared: [any PreparedRecordBatch] = []
        for title in ["second", "third"] {
            let change = fixture.change(tickets([1], title: title), mark: mark)
            let batch = RecordBatch(run: run, scope: fixture.scope, changes: [change])
            prepared.append(try await fixture.storage.prepare(batch))
        }

        for batch in prepared { _ = try await fixture.storage.commit(batch) }

        #expect(try await fixture.all().map(\.document["title"]) == ["third"])
    }

    @Test(arguments: Engine.allCases)
    func `counts a deleted record that comes back as added`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        try await fixture.save(tickets([1]), run: run)
        try await fixture.save(tickets([1]), run: run, kind: .delete)
        fixture.clock.advance(by: .seconds(5))

        let back = try await fixture.save(tickets([1]), run: run)

        let item = try #require(try await fixture.page(fixture.query()).items.first)
        #expect(back == ChangeCounts(added: 1))
        #expect(item.action == "ADDED" && !item.isDeleted)
        #expect(item.firstSeenAt == fixture.clock.now && item.lastModifiedAt == fixture.clock.now)
    }

    @Test(arguments: Engine.allCases)
    func `shows every later change to who keeps the cursor of the last record`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        try await fixture.save(tickets(1...5), run: run)
        let cursor = try #require(try await fixture.all(limit: 2).last?.cursor)

        try await fixture.save(tickets([6]) + tickets([2], title: "new") + tickets([3]), run: run)
        try await fixture.save(tickets([4]), run: run, kind: .delete)

        let later = try await fixture.all(after: cursor, limit: 1)
        #expect(later.map { "\($0.id) \($0.action)" } == ["6 ADDED", "2 UPDATED", "4 DELETED"])
        let last = try #require(later.last?.cursor)
        #expect(try await fixture.all(after: last).isEmpty)
    }

    @Test(arguments: Engine.allCases)
    func `gives the union of the actions asked for, page by page`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        try await fixture.save(tickets(1...20), run: run)
        try await fixture.save(tickets(1...8, title: "new"), run: run)
        try await fixture.save(tickets(7...12), run: run, kind: .delete)

        for (actions, expected) in [
            ([.added], (13...20).map { "\($0)" }),
            ([.updated], (1...6).map { "\($0)" }),
            ([.deleted], (7...12).map { "\($0)" }),
            ([.updated, .deleted], (1...12).map { "\($0)" }),
            ([.added, .deleted], (Array(13...20) + Array(7...12)).map { "\($0)" }),
        ] as [(Set<RecordAction>, [String])] {
            for limit in [1, 3, 100] {
                let items = try await fixture.all(limit: limit, actions: actions)
                #expect(items.map(\.id) == expected, "\(actions) by \(limit)")
            }
        }
    }

    @Test(arguments: Engine.allCases)
    func `finds records modified at or after a moment`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        var moments: [Timestamp] = []
        for id in 1...30 {
            fixture.clock.advance(by: .seconds(1))
            moments.append(fixture.clock.now)
            try await fixture.save(tickets([id]), run: run)
        }
        // Holes in the positions, which the search must step over.
        try await fixture.save(tickets(5...9, title: "moved"), run: run)
        let last = try #require(try await fixture.all().last?.lastModifiedAt)

        func ids(_ moment: Timestamp) async throws -> [String] {
            try await fixture.page(fixture.query(modifiedAfter: moment)).ids
        }
        let moved = (5...9).map { "\($0)" }
        #expect(try await ids(moments[0]).count == 30)
        #expect(try await ids(moments[2]) == (["3", "4"] + (10...30).map { "\($0)" } + moved))
        #expect(try await ids(moments[2] + .microseconds(1)) == (["4"] + (10...30).map { "\($0)" } + moved))
        #expect(try await ids(moments[29]) == ["30"] + moved)
        #expect(try await ids(last) == moved)
        #expect(try await ids(last + .microseconds(1)).isEmpty)
    }

    @Test(arguments: Engine.allCases)
    func `finds records by id`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        try await fixture.save(tickets(1...10), run: run)
        try await fixture.save(tickets([3]), run: run, kind: .delete)

        let page = try await fixture.page(fixture.query(ids: ["9", "3", "9", "none"]))
        let live = try await fixture.page(fixture.query(actions: [.added], ids: ["9", "3"]))
        let first = try await fixture.page(fixture.query(limit: 1, ids: ["9", "3"]))

        #expect(page.summary == ["9 ADDED", "3 DELETED"])
        #expect(live.ids == ["9"])
        #expect(first.ids == ["9"])
        #expect(try await fixture.page(fixture.query(cursor: first.nextCursor, ids: ["9", "3"])).ids == ["3"])
    }

    @Test(arguments: Engine.allCases)
    func `gives scripts live documents by id and in order`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        try await fixture.save(tickets(1...5), run: run)
        try await fixture.save(tickets([2]), run: run, kind: .delete)

        let byID = try await fixture.storage.documents(ids: ["5", "2", "x"], in: fixture.stream, scope: fixture.scope)
        var listed: [String] = []
        var last: String?
        while true {
            let next = try await fixture.storage.documents(
                after: last,
                limit: 2,
                in: fixture.stream,
                scope: fixture.scope
            )
            guard !next.isEmpty else { break }
            listed += next.map(\.id)
            last = next.last?.id
        }

        #expect(byID.map { String(decoding: $0.document, as: UTF8.self) } == [#"{"id":"5","title":"first"}"#])
        #expect(listed == ["1", "3", "4", "5"])
    }

    @Test(arguments: Engine.allCases)
    func `writes nothing for a run that another has followed`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let old = try await fixture.claim()
        try await fixture.storage.requestRun(
            syncID: old.syncID,
            reset: true,
            confirmsMassDeletion: false,
            now: fixture.clock.now
        )
        let new = try await fixture.claim()

        let refused = await #expect(throws: TerapiError.self) {
            try await fixture.save(tickets(1...3), run: old, checkpoint: .set(["page": 9]))
        }
        try await fixture.save(tickets([7]), run: new, checkpoint: .set(["page": 1]))

        #expect(refused?.code == .staleRun)
        #expect(try await fixture.all().map(\.id) == ["7"])
        #expect(try await fixture.storage.checkpoint(syncID: new.syncID) == ["page": 1])
    }

    @Test(arguments: Engine.allCases)
    func `commits a batch whole or not at all`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        let other = RecordStream(connectionID: fixture.connection.id, model: "User")
        try await fixture.save([("u", #"{"id":"u"}"#)], run: run, stream: other)
        try await fixture.save(tickets([1]), run: run, checkpoint: .set(["page": 1]))

        let failure = await #expect(throws: TerapiError.self) {
            try await fixture.storage.save(
                RecordBatch(
                    run: run,
                    scope: fixture.scope,
                    // The third change cannot be read, and it comes after two that were written: it belongs to the
                    // same stream as the first, so that all three are planned inside the transaction.
                    changes: [
                        fixture.change(tickets(2...4)),
                        fixture.change([("u", #"{"id":"u","x":1}"#)], stream: other),
                        fixture.change([("1", #"{"id":"1","broken"#)]),
                    ],
                    checkpoint: .set(["page": 2])
                )
            )
        }

        #expect(failure?.code == .invalidSyncRecord)
        #expect(try await fixture.all().map(\.id) == ["1"])
        #expect(try await fixture.storage.counts(connectionID: fixture.connection.id) == ["Ticket": 1, "User": 1])
        #expect(try await fixture.storage.checkpoint(syncID: run.syncID) == ["page": 1])
        // The numbers of what was taken back were never used.
        try await fixture.save(tickets([5]), run: run)
        #expect(try await positions(in: fixture) == [1, 2])
    }

    @Test(arguments: Engine.allCases)
    func `keeps positions growing when all records are removed`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        try await fixture.save(tickets(1...5), run: run)
        let cursor = try #require(try await fixture.all().last?.cursor)

        try await fixture.storage.removeRecords(of: [fixture.stream])
        let empty = try await fixture.all(after: cursor)
        try await fixture.save(tickets(1...2), run: run)

        #expect(empty.isEmpty)
        #expect(try await fixture.all(after: cursor).map(\.id) == ["1", "2"])
        #expect(try await fixture.storage.counts(connectionID: fixture.connection.id) == ["Ticket": 2])
    }

    @Test(arguments: Engine.allCases)
    func `keeps connections, models and variants apart`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        let variant = RecordStream(connectionID: fixture.connection.id, model: "Ticket", variant: "eu")
        try await fixture.save(tickets([1]), run: run)
        try await fixture.save(tickets([2]), run: run, stream: variant)
        let cursor = try #require(try await fixture.all().last?.cursor)

        var query = fixture.query()
        query.variant = "eu"
        #expect(try await fixture.page(query).ids == ["2"])
        query.cursor = cursor
        let foreign = query
        let failure = await #expect(throws: TerapiError.self) { try await fixture.page(foreign) }
        #expect(failure?.code == .invalidCursor)

        var unknown = fixture.query()
        unknown.connectionID = "bob"
        let bob = unknown
        #expect(await #expect(throws: TerapiError.self) { try await fixture.page(bob) }?.code == .unknownConnection)
        // Another environment's connection is as unknown as one that does not exist.
        let other = try await fixture.storage.createEnvironment(
            name: "prod",
            signingKey: WebhookSignature.newSecret(),
            now: fixture.clock.now
        )
        unknown.connectionID = "alice"
        unknown.scope = other.scope
        let alice = unknown
        #expect(await #expect(throws: TerapiError.self) { try await fixture.page(alice) }?.code == .unknownConnection)
    }

    @Test(arguments: Engine.allCases)
    func `refuses a cursor ahead of its history instead of answering nothing`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        try await fixture.save(tickets(1...3), run: run)
        let cursor = try #require(try await fixture.all().last?.cursor)

        // What a restore without a new epoch would look like.
        try await fixture.database.write { try $0.run("update head set position = 1") }

        let failure = await #expect(throws: TerapiError.self) {
            try await fixture.page(fixture.query(cursor: cursor))
        }
        #expect(failure?.code == .cursorAheadOfHistory)
    }

    @Test(arguments: Engine.allCases)
    func `takes a cursor back to where the lost history began`(engine: Engine) async throws {
        // The life that is lost: three records, a copy, two more. Then the copy goes on with others.
        let lost = try await StorageFixture(engine)
        let restored = try await StorageFixture(engine)
        let cursorKey = try await lost.database.read { snapshot in
            try snapshot.query("select name, sealed from installation_key") { ($0.text(0), $0.bytes(1)) }
        }
        let plain = try lost.box.open(
            cursorKey[0].1,
            for: .init(
                table: "installation_key",
                column: "sealed",
                environmentID: 0,
                row: "cursor"
            )
        )
        let sealed = try restored.box.seal(
            plain,
            for: .init(
                table: "installation_key",
                column: "sealed",
                environmentID: 0,
                row: "cursor"
            )
        )
        try await restored.database.write {
            try $0.run("update installation_key set sealed = $1 where name = 'cursor'", [.blob(sealed)])
        }
        let storage = try await SQLStorage(restored.database, box: restored.box, clock: restored.clock)

        let lostRun = try await lost.claim()
        let restoredRun = try await restored.claim()
        try await lost.save(tickets(1...3), run: lostRun)
        try await restored.save(tickets(1...3), run: restoredRun)
        let before = try #require(try await lost.all().last?.cursor)
        try await lost.save(tickets(4...5), run: lostRun)
        let after = try #require(try await lost.all().last?.cursor)
        try await storage.beginEpoch(reason: "restore", now: restored.clock.now)
        try await restored.save(tickets(10...13), run: restoredRun)

        func page(_ cursor: String) async throws -> Page {
            try Page(try await storage.page(restored.query(cursor: cursor)))
        }
        #expect(try await page(after).ids == ["10", "11", "12", "13"])
        #expect(try await page(after).isRewound)
        #expect(try await page(before).ids == ["10", "11", "12", "13"])
        let fresh = try #require(try await page(before).items.last?.cursor)
        #expect(try await page(fresh).ids.isEmpty)
        #expect(try await page(fresh).isRewound == false)
    }

    @Test(arguments: Engine.allCases)
    func `seals payloads to their row`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        try await fixture.save(tickets(1...2, title: "canary-7f3a"), run: run)

        let payloads = try await fixture.database.read { snapshot in
            try snapshot.query("select payload from record order by id") { $0.bytes(0) }
        }
        #expect(payloads.count == 2)
        for payload in payloads { #expect(!String(decoding: payload, as: UTF8.self).contains("canary")) }

        // A payload that is copied to another row does not open.
        try await fixture.database.write { transaction in
            try transaction.run("update record set payload = $1 where external_id = '2'", [.blob(payloads[0])])
        }
        await #expect(throws: TerapiError.self) { try await fixture.page(fixture.query()) }
    }

    private func positions(in fixture: StorageFixture) async throws -> [Int64] {
        try await fixture.database.read { snapshot in
            try snapshot.query(
                """
                select r.position from record r join head h on h.id = r.head_id
                where h.model = 'Ticket' order by r.position
                """
            ) { $0.integer(0) }
        }
    }
}
