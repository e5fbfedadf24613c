import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

@Suite(.timeLimit(.minutes(1)))
struct SyncRunTests {
    @Test
    func `runs a sync from its claim to its webhook`() async throws {
        let fixture = try await EngineFixture()
        let start = fixture.clock.now
        fixture.scripts.set { run in
            #expect(try await run.call("getCheckpoint") == .null)
            #expect(run.invocation.properties["lastSyncDate"] == .null)
            try await run.save(1...3)
            try await run.save([2], title: "second")
            try await run.call("saveCheckpoint", ["since": "a"])
            fixture.clock.advance(by: .seconds(7))
            try await run.save([4])
        }
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)

        #expect(
            try await Set(fixture.recordList()) == [
                "1 ADDED first", "2 ADDED second", "3 ADDED first", "4 ADDED first",
            ])
        let run = try #require(try await fixture.latestRun())
        #expect(run.status == .success)
        #expect(run.counts["Ticket"]?.added == 4)
        let sync = try await fixture.sync()
        #expect(sync.checkpoint == ["since": "a"])
        #expect(sync.lastSyncAt == start)
        #expect(sync.runningRunID == nil)

        let history = try await fixture.storage.events(in: fixture.scope, before: nil, limit: 10)
        let event = try #require(history.first?.event)
        #expect(history.count == 1)
        #expect(event.urls == [EngineFixture.url])
        let moment = "2026-03-01T12:00:00.000000Z"
        #expect(
            String(decoding: event.body, as: UTF8.self)
                == #"{"checkpoints":{"from":null,"to":{"since":"a"}},"connectionId":"alice","from":"terapi","model":"Ticket","#
                + #""modifiedAfter":"\#(moment)","providerConfigKey":"desk","queryTimeStamp":"\#(moment)","#
                + #""responseResults":{"added":4,"deleted":0,"updated":0},"success":true,"syncName":"tickets","#
                + #""syncType":"INITIAL","syncVariant":"base","type":"sync"}"#
        )
        let operation = try #require(fixture.log.operations(.syncRun).first)
        #expect(operation.state == .success)
        #expect(fixture.log.text.contains("Ticket: 4 added, 0 updated, 0 deleted, 0 unchanged."))
    }

    @Test
    func `tells an incremental run from the initial one, and what it changed`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            try await run.save(1...3)
            try await run.call("saveCheckpoint", ["page": 1])
        }
        try await fixture.engine.syncWorker.runOnce()
        let initial = fixture.clock.now
        fixture.clock.advance(by: .seconds(330))
        let start = fixture.clock.now
        fixture.scripts.set { run in
            #expect(run.invocation.properties["lastSyncDate"] == .string(initial.iso8601))
            #expect(try await run.call("getCheckpoint") == ["page": 1])
            fixture.clock.advance(by: .seconds(5))
            try await run.save([1, 4])
            try await run.save([2], title: "second")
            try await run.save([3], kind: .delete)
            try await run.call("saveCheckpoint", ["page": 2])
        }
        try await fixture.engine.syncWorker.runOnce()

        let events = try await fixture.events()
        let event = try #require(events.first { $0["syncType"] == "INCREMENTAL" })
        #expect(events.count == 2)
        #expect(event["responseResults"] == ["added": 1, "updated": 1, "deleted": 1])
        #expect(event["checkpoints"] == ["from": ["page": 1], "to": ["page": 2]])
        #expect(event["modifiedAfter"]?.string.flatMap(Timestamp.init(iso8601:)) == start)
        #expect(
            try await fixture.latestRun()?.counts["Ticket"]
                == ChangeCounts(added: 1, updated: 1, deleted: 1, unchanged: 1))
    }

    @Test(arguments: [1, 0, -1])
    func `names the earlier of a run's start and its first change`(change: Int) async throws {
        // A clock that was set back must not let a customer's modified_after pass over the change.
        let fixture = try await EngineFixture()
        let start = fixture.clock.now
        let run = SyncRun(
            id: 1,
            syncID: 1,
            generation: 1,
            isInitial: false,
            status: .success,
            startedAt: start,
            endedAt: nil,
            counts: ["Ticket": ChangeCounts(added: 1)],
            firstChangeAt: start + .seconds(change),
            checkpointBefore: nil,
            error: nil,
            operationID: "o"
        )
        let events = try await WebhookComposer(settings: fixture.storage).events(
            for: run,
            of: try await fixture.sync(),
            connection: fixture.connection,
            models: ["Ticket"],
            status: .success,
            error: nil,
            checkpoint: nil,
            now: fixture.clock.now
        )
        let body = try JSONReader.read(try #require(events.first).body)
        let modifiedAfter = body["modifiedAfter"]?.string.flatMap(Timestamp.init(iso8601:))
        #expect(modifiedAfter == start + .seconds(min(change, 0)))
    }

    @Test(arguments: [false, true])
    func `tells of a run that changed nothing only where that is wanted`(isWanted: Bool) async throws {
        let fixture = try await EngineFixture { $0.sendsUnchangedSyncs = isWanted }
        fixture.scripts.set { _ in }
        try await fixture.engine.syncWorker.runOnce()
        #expect(try await fixture.events().count == (isWanted ? 1 : 0))
        #expect(try await fixture.latestRun()?.status == .success)
    }

    @Test
    func `tells of a failed run that changed records by both events`() async throws {
        let fixture = try await EngineFixture(syncs: [try EngineFixture.definition(models: ["Ticket", "User"])])
        let start = fixture.clock.now
        fixture.scripts.set { run in
            try await run.save(1...2)
            try await run.call("saveCheckpoint", ["page": 1])
            try await run.save([7], model: "User")
            fixture.clock.advance(by: .seconds(3))
            throw TerapiError(.scriptError, "The page has no items.")
        }
        try await fixture.engine.syncWorker.runOnce()

        let events = try await fixture.events()
        #expect(Set(events.filter { $0["success"] == true }.compactMap { $0["model"]?.string }) == ["Ticket", "User"])
        let failure = try #require(events.first { $0["success"] == false })
        #expect(events.count == 3)
        #expect(failure["model"] == "Ticket,User")
        #expect(failure["error"] == ["type": "script_error", "description": "The page has no items."])
        #expect(failure["startedAt"]?.string.flatMap(Timestamp.init(iso8601:)) == start)
        #expect(failure["failedAt"]?.string.flatMap(Timestamp.init(iso8601:)) == fixture.clock.now)
        // What was handed over before the failure stays.
        #expect(try await fixture.recordList().count == 2)
        let sync = try await fixture.sync()
        #expect(sync.checkpoint == ["page": 1])
        #expect(sync.lastSyncAt == nil)
        #expect(sync.failures == 1)
        #expect(try await fixture.storage.connection(row: fixture.connection.id)?.errors.map(\.subject) == ["tickets"])
        #expect(fixture.log.operations(.syncRun).map(\.state) == [.failed])

        // The next one that succeeds takes the mark away.
        fixture.scripts.set { _ in }
        fixture.clock.advance(by: .seconds(400))
        try await fixture.engine.syncWorker.runOnce()
        #expect(try await fixture.storage.connection(row: fixture.connection.id)?.errors.isEmpty == true)
        #expect(try await fixture.sync().failures == 0)
    }

    @Test
    func `sends nothing about a failure where that is not wanted`() async throws {
        let fixture = try await EngineFixture { $0.sendsSyncErrors = false }
        fixture.scripts.set { _ in throw TerapiError(.scriptError, "no") }
        try await fixture.engine.syncWorker.runOnce()
        #expect(try await fixture.events().isEmpty)
        #expect(try await fixture.latestRun()?.status == .failed)
    }

    @Test(arguments: ["Person", "ticket", ""])
    func `fails a script that saves a model it has not declared`(model: String) async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { try await $0.save([1], model: model) }
        try await fixture.engine.syncWorker.runOnce()
        #expect(try await fixture.latestRun()?.status == .failed)
        #expect(try await fixture.latestRun()?.error?.contains("declares only Ticket") == true)
    }

    @Test(arguments: ["text", 7, ["a": ["b": 1]], ["a": .null], ["a": []], .null] as [JSONValue])
    func `refuses a checkpoint that is not flat`(checkpoint: JSONValue) async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { try await $0.call("saveCheckpoint", checkpoint) }
        try await fixture.engine.syncWorker.runOnce()
        #expect(try await fixture.latestRun()?.error?.contains("flat object") == true)
        #expect(try await fixture.sync().checkpoint == nil)
    }

    @Test
    func `reads its own records back, and clears its checkpoint`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            try await run.save(1...150)
            try await run.call("saveCheckpoint", ["page": 1])
            let found = try await run.call("getRecordsByIds", ["1", "150", "151"], "Ticket")
            #expect(found.object?.names.sorted() == ["1", "150"])
            let page = try await run.call("listRecords", "Ticket")
            #expect(page["records"]?.array?.count == 100)
            let rest = try await run.call("listRecords", "Ticket", ["cursor": page["next_cursor"] ?? .null])
            #expect(rest["records"]?.array?.count == 50)
            #expect(rest["next_cursor"] == .null)
            try await run.call("clearCheckpoint")
            #expect(try await run.call("getCheckpoint") == .null)
            try await run.call("updateMetadata", ["team": "a"])
            #expect(try await run.call("getMetadata") == ["team": "a"])
        }
        try await fixture.engine.syncWorker.runOnce()
        #expect(try await fixture.latestRun()?.status == .success)
        #expect(try await fixture.sync().checkpoint == nil)
        #expect(try await fixture.storage.connection(row: fixture.connection.id)?.metadata == ["team": "a"])
    }

    // MARK: Fences

    @Test
    func `a run that lost its sync writes nothing more`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            try await run.save(1...2)
            try await run.call("getRecordsByIds", [], "Ticket")
            // A person resets the sync meanwhile.
            try await fixture.engine.syncs.trigger(
                fixture.selection,
                reset: true,
                emptyCache: false,
                confirmsMassDeletion: false
            )
            try await run.save(3...4)
            try await run.call("saveCheckpoint", ["page": 9])
            await expect(.staleRun) { try await run.call("listRecords", "Ticket") }
            throw TerapiError(.staleRun, "as the real runtime passes it on")
        }
        // The reset asks for another run: it finds the script below.
        let run = Task { try await fixture.engine.syncWorker.runOnce() }
        #expect(try await run.value == 1)
        #expect(try await fixture.recordList() == ["1 ADDED first", "2 ADDED first"])
        let sync = try await fixture.sync()
        #expect(sync.checkpoint == nil)
        #expect(sync.isRunRequested)
        #expect(try await fixture.latestRun()?.status == .cancelled)
        #expect(try await fixture.events().isEmpty)
        #expect(fixture.log.operations(.syncRun).map(\.state) == [.cancelled])
    }

    @Test
    func `a run whose lease was taken is stopped at the next renewal`() async throws {
        let fixture = try await EngineFixture()
        let stopped = Counter()
        fixture.scripts.set { run in
            do {
                try await Counter().reached()
            } catch {
                stopped.increment()
                throw error
            }
        }
        let run = Task { try await fixture.engine.syncWorker.runOnce() }
        try await fixture.scripts.begun.reached()
        let fence = try await fixture.runningFence()
        try await fixture.storage.endRun(
            fence,
            ending: RunEnding(status: .abandoned, nextRunAt: nil, failures: 0),
            events: [],
            now: fixture.clock.now
        )
        await fixture.clock.untilSomeoneSleeps(for: SyncRunner.leaseRenewal)
        fixture.clock.advance(by: SyncRunner.leaseRenewal)
        _ = try await run.value
        #expect(stopped.count == 1)
        #expect(try await fixture.latestRun()?.status == .abandoned)
    }

    @Test
    func `renews its lease as long as it runs`() async throws {
        let fixture = try await EngineFixture()
        let end = Counter()
        fixture.scripts.set { _ in try await end.reached() }
        let run = Task { try await fixture.engine.syncWorker.runOnce() }
        try await fixture.scripts.begun.reached()
        for _ in 0..<12 {
            await fixture.clock.untilSomeoneSleeps(for: SyncRunner.leaseRenewal)
            fixture.clock.advance(by: SyncRunner.leaseRenewal)
        }
        await fixture.clock.untilSomeoneSleeps(for: SyncRunner.leaseRenewal)
        let services = fixture.engine.syncWorker.services
        #expect(try await services.syncs.interruptedRuns(notOwnedBy: services.bootID, now: fixture.clock.now).isEmpty)
        end.increment()
        _ = try await run.value
        #expect(try await fixture.latestRun()?.status == .success)
    }

    // MARK: Ends without a word

    @Test
    func `goes on from the checkpoint after the process died, and tells what was committed`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            try await run.save(1...3)
            try await run.call("saveCheckpoint", ["page": 1])
            try await run.call("listRecords", "Ticket")
            try await run.save(4...5)
            try await run.call("saveCheckpoint", ["page": 2])
            // Killed before the second is old enough to be committed.
            try await Counter().reached()
        }
        let worker = Task { try await fixture.engine.syncWorker.runOnce() }
        try await fixture.records.committed.reached()
        worker.cancel()
        _ = try? await worker.value
        #expect(try await fixture.latestRun()?.status == .running)
        #expect(try await fixture.events().isEmpty)

        let next = try fixture.restarted()
        try await RunRescuer(services: next.syncWorker.services).runOnce()
        let rescued = try #require(try await fixture.latestRun())
        #expect(rescued.status == .abandoned)
        let events = try await fixture.events()
        #expect(events.count == 1)
        #expect(events.first?["responseResults"] == ["added": 3, "updated": 0, "deleted": 0])
        #expect(events.first?["checkpoints"] == ["from": .null, "to": ["page": 1]])
        #expect(events.first?["syncType"] == "INITIAL")
        #expect(fixture.log.operations(.syncRun).map(\.state) == [.cancelled])
        // A second rescue finds nothing.
        try await RunRescuer(services: next.syncWorker.services).runOnce()
        #expect(try await fixture.events().count == 1)

        fixture.scripts.set { run in
            #expect(try await run.call("getCheckpoint") == ["page": 1])
            try await run.save(4...6)
        }
        #expect(try await next.syncWorker.runOnce() == 1)
        #expect(try await fixture.recordList().count == 6)
        #expect(try await fixture.latestRun()?.status == .success)
    }

    @Test
    func `the first process can write nothing more when the second has taken its run`() async throws {
        let fixture = try await EngineFixture()
        let goOn = Counter()
        fixture.scripts.set { run in
            try await run.save(1...3)
            try await run.call("listRecords", "Ticket")
            // Frozen, as by SIGSTOP, while another process takes over.
            try await goOn.reached()
            try await run.save(4...5)
            try await run.call("listRecords", "Ticket")
        }
        let frozen = Task { try await fixture.engine.syncWorker.runOnce() }
        try await fixture.records.committed.reached()
        let next = try fixture.restarted()
        try await RunRescuer(services: next.syncWorker.services).runOnce()
        goOn.increment()
        _ = try await frozen.value
        #expect(try await fixture.recordList().count == 3)
        #expect(try await fixture.latestRun()?.status == .abandoned)
        #expect(try await fixture.events().count == 1)
    }

    @Test
    func `a stop of the server is not a failure of the run`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            try await run.save([1])
            try await run.call("listRecords", "Ticket")
            do {
                try await Counter().reached()
            } catch {
                // Whatever the runtime makes of being cancelled.
                throw TerapiError(.scriptLimitExceeded, "The script host has ended.")
            }
        }
        let worker = Task { try await fixture.engine.syncWorker.run() }
        try await fixture.records.committed.reached()
        worker.cancel()
        try await worker.value
        #expect(try await fixture.latestRun()?.status == .running)
        #expect(try await fixture.sync().failures == 0)
        #expect(try await fixture.events().isEmpty)
        #expect(fixture.log.operations(.syncRun).map(\.state) == [.cancelled])
    }

    @Test
    func `a run whose host was lost to a neighbour goes on from its checkpoint and is no failure`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            guard try await run.call("getCheckpoint") == .null else {
                #expect(try await run.call("getMetadata") == ["seen": true])
                try await run.save(4...5)
                return
            }
            try await run.save(1...3)
            try await run.call("setMetadata", ["seen": true])
            try await run.call("saveCheckpoint", ["page": 1])
            throw TerapiError(.scriptHostLost, "The script host ended.")
        }

        try await fixture.engine.syncWorker.runOnce()

        #expect(fixture.scripts.begun.count == 2)
        #expect(try await fixture.recordList().count == 5)
        let run = try #require(try await fixture.latestRun())
        #expect(run.status == .success)
        #expect(run.counts["Ticket"]?.added == 5)
        #expect(try await fixture.sync().failures == 0)
        #expect(try await fixture.events().count == 1)
    }

    @Test
    func `a run that loses every host fails in the end`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { _ in throw TerapiError(.scriptHostLost, "The script host ended.") }

        try await fixture.engine.syncWorker.runOnce()

        #expect(fixture.scripts.begun.count == SyncRunner.maxLostHosts + 1)
        #expect(try await fixture.latestRun()?.status == .failed)
        #expect(try await fixture.sync().failures == 1)
    }

    @Test
    func `a run whose end could not be stored is ended when its lease has run out`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            try await run.save([1])
            try await run.call("listRecords", "Ticket")
            fixture.database.isDown = true
        }
        try await fixture.engine.syncWorker.runOnce()
        fixture.database.isDown = false
        #expect(try await fixture.latestRun()?.status == .running)
        let services = fixture.engine.syncWorker.services
        try await RunRescuer(services: services).runOnce()
        #expect(try await fixture.latestRun()?.status == .running)
        fixture.clock.advance(by: SyncRunner.lease + .seconds(1))
        try await RunRescuer(services: services).runOnce()
        #expect(try await fixture.latestRun()?.status == .abandoned)
        #expect(try await fixture.events().count == 1)
        fixture.scripts.set { _ in }
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        #expect(try await fixture.latestRun()?.status == .success)
    }

    // MARK: Full reads

    @Test
    func `marks as deleted what a complete read no longer shows`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { try await $0.fullRead(1...10) }
        try await fixture.engine.syncWorker.runOnce()
        fixture.clock.advance(by: .seconds(330))
        fixture.scripts.set { try await $0.fullRead(1...8) }
        try await fixture.engine.syncWorker.runOnce()
        #expect(
            try await Set(fixture.recordList().filter { $0.contains("DELETED") }) == [
                "9 DELETED first", "10 DELETED first",
            ])
        let event = try #require(try await fixture.events().first { $0["syncType"] == "INCREMENTAL" })
        #expect(event["responseResults"] == ["added": 0, "updated": 0, "deleted": 2])
        #expect(fixture.log.text.contains("Ticket: 0 added, 0 updated, 2 deleted, 8 unchanged."))
    }

    @Test
    func `deletes nothing after a read that broke off`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { try await $0.fullRead(1...10) }
        try await fixture.engine.syncWorker.runOnce()
        fixture.clock.advance(by: .seconds(330))
        fixture.scripts.set { run in
            try await run.call("trackDeletesStart", "Ticket")
            try await run.save(1...3)
            throw TerapiError(.providerError, "The page is cut off.")
        }
        try await fixture.engine.syncWorker.runOnce()
        #expect(try await fixture.recordList().filter { $0.contains("DELETED") }.isEmpty)
        // It goes on where it broke off: what both halves have seen stays.
        fixture.clock.advance(by: .seconds(330))
        fixture.scripts.set { try await $0.fullRead(4...9) }
        try await fixture.engine.syncWorker.runOnce()
        #expect(try await fixture.recordList().filter { $0.contains("DELETED") } == ["10 DELETED first"])
    }

    @Test
    func `pauses before many records vanish, and deletes them when a person confirms`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { try await $0.fullRead(1...300) }
        try await fixture.engine.syncWorker.runOnce()
        fixture.clock.advance(by: .seconds(330))
        fixture.scripts.set { try await $0.fullRead(1...150) }
        try await fixture.engine.syncWorker.runOnce()

        #expect(try await fixture.recordList().filter { $0.contains("DELETED") }.isEmpty)
        #expect(try await fixture.sync().state == .paused)
        let run = try #require(try await fixture.latestRun())
        #expect(run.status == .failed)
        #expect(run.error?.contains("150 of 300 records of Ticket") == true)
        let failure = try #require(try await fixture.events().first { $0["success"] == false })
        #expect(failure["error"]?["description"] == .string(run.error ?? ""))
        fixture.clock.advance(by: .seconds(86_400))
        #expect(try await fixture.engine.syncWorker.runOnce() == 0)

        // Asked to run without the confirmation it refuses again.
        let trigger = { (confirms: Bool) in
            try await fixture.engine.syncs.trigger(
                fixture.selection,
                reset: false,
                emptyCache: false,
                confirmsMassDeletion: confirms
            )
        }
        try await trigger(false)
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        #expect(try await fixture.recordList().filter { $0.contains("DELETED") }.isEmpty)

        try await trigger(true)
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        #expect(try await fixture.recordList().filter { $0.contains("DELETED") }.count == 150)
        #expect(try await fixture.latestRun()?.status == .success)
        #expect(try await fixture.sync().isMassDeletionConfirmed == false)
    }

    @Test
    func `asks nobody where the definition allows that many vanish`() async throws {
        let fixture = try await EngineFixture(syncs: [try EngineFixture.definition(allowsMassDeletion: true)])
        fixture.scripts.set { try await $0.fullRead(1...300) }
        try await fixture.engine.syncWorker.runOnce()
        fixture.clock.advance(by: .seconds(330))
        fixture.scripts.set { try await $0.fullRead(1...1) }
        try await fixture.engine.syncWorker.runOnce()
        #expect(try await fixture.recordList().filter { $0.contains("DELETED") }.count == 299)
    }

    @Test
    func `an end of a read without its beginning fails the run`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { try await $0.call("trackDeletesEnd", "Ticket") }
        try await fixture.engine.syncWorker.runOnce()
        #expect(try await fixture.latestRun()?.error?.contains("without trackDeletesStart") == true)
    }

    @Test
    func `tells a script which records its full read has deleted`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            try await run.save(1...4)
            try await run.call("trackDeletesStart", "Ticket")
            try await run.save([1, 3])
            #expect(try await run.call("trackDeletesEnd", "Ticket") == ["deletedKeys": ["2", "4"]])
            try await run.call("trackDeletesStart", "Ticket")
            try await run.save([1, 3])
            #expect(try await run.call("trackDeletesEnd", "Ticket") == ["deletedKeys": []])
        }
        try await fixture.engine.syncWorker.runOnce()
        #expect(try await fixture.latestRun()?.status == .success)
    }

    /// The older call says only at the end of a run that the run was a full read from its beginning.
    @Test
    func `deletes what a run has not seen when its script asks for it at the end`() async throws {
        let code = "nango.deleteRecordsFromPreviousExecutions('Ticket')"
        let fixture = try await EngineFixture(syncs: [try EngineFixture.definition(code: code)])
        func run(_ ids: ClosedRange<Int>, deletes: Bool, fails: Bool = false) async throws -> [String] {
            fixture.scripts.set { run in
                try await run.save(ids)
                if fails { throw TerapiError(.scriptError, "no") }
                guard deletes else { return }
                let answer = try await run.call("deleteRecordsFromPreviousExecutions", "Ticket")
                #expect(answer["deletedKeys"]?.array != nil)
                // A second time finds nothing more.
                let again = try await run.call("deleteRecordsFromPreviousExecutions", "Ticket")
                #expect(again == ["deletedKeys": []])
            }
            fixture.clock.advance(by: .seconds(3600))
            try await fixture.engine.syncWorker.runOnce()
            return try await fixture.recordList().filter { $0.contains("DELETED") }.map { String($0.prefix(2)) }
                .sorted()
        }

        #expect(try await run(1...9, deletes: true).isEmpty)
        // A run without the call deletes nothing, and the next one does not take what it has seen for its own.
        #expect(try await run(1...8, deletes: false).isEmpty)
        #expect(try await run(2...9, deletes: true) == ["1 "])
        // One that broke off is gone on with.
        #expect(try await run(2...5, deletes: true, fails: true) == ["1 "])
        #expect(try await run(6...8, deletes: true) == ["1 ", "9 "])
        #expect(try await fixture.latestRun()?.status == .success)
    }

    @Test
    func `the older call fails where nothing could be noted for it`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            try await run.save(1...2)
            try await run.call("deleteRecordsFromPreviousExecutions", "Ticket")
        }
        try await fixture.engine.syncWorker.runOnce()
        #expect(try await fixture.latestRun()?.error?.contains("by its name") == true)
    }

    @Test(arguments: [true, false])
    func `a sync that reads everything deletes the rest at its end, and only then`(readsEverything: Bool) async throws {
        let definition = try EngineFixture.definition(readsEverything: readsEverything)
        let fixture = try await EngineFixture(syncs: [definition])
        func run(_ ids: ClosedRange<Int>, fails: Bool = false) async throws -> [String] {
            fixture.scripts.set { run in
                try await run.save(ids)
                if fails { throw TerapiError(.scriptError, "no") }
            }
            fixture.clock.advance(by: .seconds(3600))
            try await fixture.engine.syncWorker.runOnce()
            return try await fixture.recordList().filter { $0.contains("DELETED") }
        }

        #expect(try await run(1...4).isEmpty)
        #expect(try await run(2...2, fails: true).isEmpty)
        #expect(try await run(3...4) == (readsEverything ? ["1 DELETED first"] : []))
        #expect(try await fixture.latestRun()?.counts["Ticket"]?.deleted == (readsEverything ? 1 : 0))
    }

    // MARK: Merging

    @Test(arguments: ["ignore_if_modified_after", "override"])
    func `leaves alone or overrides what a webhook function changes meanwhile`(strategy: String) async throws {
        let definition = try EngineFixture.definition(webhookSubscriptions: ["*"])
        let fixture = try await EngineFixture(syncs: [definition])
        fixture.scripts.set { run in
            guard run.invocation.properties["entry"] == nil else { return try await run.save([2], title: "webhook") }
            try await run.save(1...3)
            try await run.call("setMergingStrategy", ["strategy": .string(strategy)], "Ticket")
            try await run.save([1], title: "own")
            // Committed, so that what the webhook writes comes after it.
            try await run.call("listRecords", "Ticket")
            try await fixture.engine.providerWebhooks.receive("x", payload: [:], for: fixture.connection)
            try await fixture.engine.actionWorker.runOnce()
            try await run.save(1...3, title: "late")
        }
        try await fixture.engine.syncWorker.runOnce()

        #expect(try await fixture.latestRun()?.status == .success)
        let titles = try await fixture.recordList().sorted().map { record in
            record.split(separator: " ").enumerated().filter { $0.offset != 1 }.map(\.element).joined(separator: " ")
        }
        #expect(titles == ["1 late", strategy == "override" ? "2 late" : "2 webhook", "3 late"])
    }

    @Test(arguments: [["strategy": "newest"], [:], "override"] as [JSONValue])
    func `refuses a merging strategy that does not exist`(strategy: JSONValue) async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { try await $0.call("setMergingStrategy", strategy, "Ticket") }
        try await fixture.engine.syncWorker.runOnce()
        #expect(try await fixture.latestRun()?.error?.contains("ignore_if_modified_after") == true)
    }

    // MARK: Secrets

    @Test
    func `keeps out of the log what a script was given`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            let token = try await run.call("getToken")
            #expect(token == "access-1")
            let connection = try await run.call("getConnection", ["refreshToken": true])
            try await run.call("log", "token \(token.string ?? "")", ["deep": [connection]])
            throw TerapiError(.scriptError, "failed with \(token.string ?? "")")
        }
        try await fixture.engine.syncWorker.runOnce()
        #expect(fixture.log.text.contains("token ***"))
        let error = try #require(try await fixture.latestRun()?.error)
        #expect(error == "failed with ***")
        for secret in ["access-1", "refresh-1"] { #expect(!fixture.log.text.contains(secret)) }
    }

    @Test
    func `gives a script the variables of its environment, and keeps them out of the log`() async throws {
        let fixture = try await EngineFixture()
        let prod = try await fixture.storage.createEnvironment(
            name: "prod", signingKey: WebhookSignature.newSecret(), now: fixture.clock.now
        )
        for (scope, region) in [(prod.scope, "us"), (fixture.scope, "eu")] {
            let variables = ["REGION": region, "KEY": "canary-\(region)"].map {
                EnvironmentVariable(name: $0.key, value: Secret($0.value))
            }
            try await fixture.storage.changeVariables(setting: variables, removing: [], in: scope)
        }
        fixture.scripts.set { run in
            let variables = try await run.call("getEnvironmentVariables")
            #expect(
                variables == [["name": "KEY", "value": "canary-eu"], ["name": "REGION", "value": "eu"]])
            try await run.call("log", "variables", ["all": variables])
        }
        try await fixture.engine.syncWorker.runOnce()
        #expect(try await fixture.latestRun()?.status == .success)
        #expect(fixture.log.text.contains("***"))
        #expect(!fixture.log.text.contains("canary"))
    }
}

extension ScriptRun {
    /// A read from the first page to the last, with deletions detected.
    func fullRead(_ ids: some Sequence<Int>) async throws {
        try await call("trackDeletesStart", "Ticket")
        try await save(ids)
        try await call("trackDeletesEnd", "Ticket")
    }
}

extension EngineFixture {
    /// The right to write of the run at work.
    func runningFence() async throws -> RunFence {
        let sync = try await sync()
        guard let runID = sync.runningRunID else { throw TerapiError(.serverError, "Nothing runs.") }
        return RunFence(syncID: sync.id, runID: runID, generation: sync.runGeneration)
    }
}
