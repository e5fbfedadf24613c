import TerapiCore
import TerapiStorage
import Testing

@Suite(.timeLimit(.minutes(2)))
struct SyncStorageConformance {
    @Test(arguments: Engine.allCases)
    func `gives each due sync to one run and a higher generation to each run`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)

        let first = try #require(try await claim(fixture))
        let second = try await claim(fixture)
        try await fixture.end(fence(first), .success)
        fixture.clock.advance(by: .seconds(1))
        let third = try #require(try await claim(fixture))

        #expect(second == nil)
        #expect(first.run.isInitial && !third.run.isInitial)
        #expect(third.run.generation == first.run.generation + 1)
        #expect(third.sync.lastSyncAt == first.run.startedAt)
        #expect(third.sync.runningRunID == third.run.id)
        #expect(try await fixture.storage.latestRun(syncID: fixture.sync.id) == third.run)
        #expect(try await fixture.storage.run(first.run.id)?.status == .success)
    }

    @Test(arguments: Engine.allCases)
    func `runs a paused sync only when it is asked for`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let storage = fixture.storage
        let now = fixture.clock.now
        try await storage.setState(.paused, syncID: fixture.sync.id, nextRunAt: nil, now: now)

        #expect(try await claim(fixture) == nil)
        #expect(try await storage.nextDueAt() == nil)
        try await storage.requestRun(syncID: fixture.sync.id, reset: false, confirmsMassDeletion: true, now: now)
        #expect(try await storage.nextDueAt() == now)
        let asked = try #require(try await claim(fixture))
        #expect(asked.sync.isMassDeletionConfirmed && !asked.sync.isRunRequested)
        try await fixture.end(fence(asked))
        #expect(try await claim(fixture) == nil)
        #expect(try await storage.syncs(connectionID: fixture.connection.id)[0].isMassDeletionConfirmed == false)

        try await storage.setState(.started, syncID: fixture.sync.id, nextRunAt: now + .seconds(9), now: now)
        #expect(try await claim(fixture) == nil)
        #expect(try await storage.nextDueAt() == now + .seconds(9))
        fixture.clock.advance(by: .seconds(9))
        #expect(try await claim(fixture) != nil)
    }

    @Test(arguments: Engine.allCases)
    func `keeps a request that arrives while a run is at work`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let first = try #require(try await claim(fixture))
        try await fixture.storage.requestRun(
            syncID: fixture.sync.id,
            reset: false,
            confirmsMassDeletion: true,
            now: fixture.clock.now
        )

        #expect(try await claim(fixture) == nil)
        try await fixture.storage.endRun(
            fence(first),
            ending: RunEnding(status: .success, nextRunAt: nil, failures: 0),
            events: [],
            now: fixture.clock.now
        )
        let second = try #require(try await claim(fixture))

        #expect(!first.sync.isMassDeletionConfirmed && second.sync.isMassDeletionConfirmed)
    }

    @Test(arguments: Engine.allCases)
    func `takes the right to write from a run when its sync is reset`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let storage = fixture.storage
        let old = try #require(try await claim(fixture))
        try await fixture.save(tickets([1]), run: fence(old), checkpoint: .set(["page": 3]))
        let read = try await storage.beginFullRead(of: fixture.stream, run: fence(old))

        try await storage.requestRun(
            syncID: fixture.sync.id,
            reset: true,
            confirmsMassDeletion: false,
            now: fixture.clock.now
        )

        #expect(try await storage.checkpoint(syncID: fixture.sync.id) == nil)
        #expect(try await storage.run(old.run.id)?.status == .cancelled)
        #expect(try await storage.renewLease(fence(old), until: fixture.clock.now) == false)
        let ending = await #expect(throws: TerapiError.self) { try await fixture.end(fence(old)) }
        #expect(ending?.code == .staleRun)
        let new = try #require(try await claim(fixture))
        #expect(new.run.isInitial && new.run.checkpointBefore == nil)
        #expect(try await storage.beginFullRead(of: fixture.stream, run: fence(new)) > read)
    }

    @Test(arguments: Engine.allCases)
    func `ends a run and writes its webhooks together or not at all`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let claimed = try #require(try await claim(fixture))
        let event = WebhookEvent(
            scope: fixture.scope,
            connectionID: fixture.connection.id,
            kind: .sync,
            body: Array("{}".utf8),
            urls: ["https://example.com/a", "https://example.com/b"],
            createdAt: fixture.clock.now
        )
        let next = fixture.clock.now + .seconds(300)

        // The second event has the first one's id, which cannot be: nothing of the ending may stay.
        await #expect(throws: (any Error).self) {
            try await fixture.storage.endRun(
                fence(claimed),
                ending: RunEnding(status: .failed, error: "no", nextRunAt: next, failures: 2),
                events: [event, event],
                now: fixture.clock.now
            )
        }
        #expect(try await fixture.storage.run(claimed.run.id)?.status == .running)
        #expect(try await fixture.storage.events(in: fixture.scope, before: nil, limit: 9).isEmpty)

        try await fixture.storage.endRun(
            fence(claimed),
            ending: RunEnding(status: .failed, error: "no", nextRunAt: next, failures: 2),
            events: [event],
            now: fixture.clock.now
        )
        let sync = try await fixture.storage.syncs(connectionID: fixture.connection.id)[0]
        #expect(sync.failures == 2 && sync.nextRunAt == next && sync.runningRunID == nil && sync.lastSyncAt == nil)
        #expect(try await fixture.storage.run(claimed.run.id)?.error == "no")
        let stored = try await fixture.storage.events(in: fixture.scope, before: nil, limit: 9)
        #expect(stored.map(\.event) == [event])
        #expect(stored[0].deliveries.map(\.delivery.url) == event.urls)
    }

    @Test(arguments: Engine.allCases)
    func `serves connections in turn, however many syncs each has`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        // Alice has four more syncs, all due before Bob's only one.
        let more = try (0..<4).map { number in
            SyncDefinition(
                integrationKey: "desk",
                name: "more-\(number)",
                models: ["Ticket"],
                frequency: try Frequency("every hour"),
                code: ""
            )
        }
        for _ in 0..<2 {
            try await fixture.storage.settleSyncs(
                [StorageFixture.definition] + more, in: fixture.scope, now: fixture.clock.now
            )
        }
        fixture.clock.advance(by: .seconds(1))
        let bob = try await StorageFixture.connect(
            "bob",
            through: fixture.integration,
            storage: fixture.storage,
            now: fixture.clock.now
        )

        var order: [Int64] = []
        while let claimed = try await claim(fixture) { order.append(claimed.sync.connectionID) }

        let alice = fixture.connection.id
        #expect(order == [alice, bob.id, alice, alice, alice, alice])
    }

    @Test(arguments: Engine.allCases)
    func `stops a sync that nothing defines, and goes on at its place when it is defined again`(
        engine: Engine
    ) async throws {
        let fixture = try await StorageFixture(engine)
        let storage = fixture.storage
        let run = fence(try #require(try await claim(fixture)))
        try await fixture.save(tickets([1]), run: run, checkpoint: .set(["page": 3]))

        try await storage.settleSyncs([], in: fixture.scope, now: fixture.clock.now)

        // The run that is under way ends by itself.
        try await fixture.save(tickets([2]), run: run)
        try await storage.endRun(
            run, ending: RunEnding(status: .success, nextRunAt: nil, failures: 0), events: [], now: fixture.clock.now
        )
        let stopped = try await storage.syncs(connectionID: fixture.connection.id)[0]
        #expect(stopped.state == .started && stopped.nextRunAt == nil)
        #expect(stopped.checkpoint == ["page": 3])
        #expect(try await storage.nextDueAt() == nil)

        fixture.clock.advance(by: .seconds(60))
        try await storage.settleSyncs([StorageFixture.definition], in: fixture.scope, now: fixture.clock.now)

        let again = try #require(try await claim(fixture))
        #expect(again.sync.checkpoint == ["page": 3])
        #expect(again.sync.id == fixture.sync.id)
    }

    @Test(arguments: Engine.allCases)
    func `settles the syncs of one environment and leaves another's alone`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let storage = fixture.storage
        let now = fixture.clock.now
        let other = try await storage.createEnvironment(
            name: "prod", signingKey: WebhookSignature.newSecret(), now: now
        )
        var theirDesk = fixture.integration
        theirDesk.scope = other.scope
        let desk = try await storage.createIntegration(theirDesk)
        let theirs = try await StorageFixture.connect("theirs", through: desk, storage: storage, now: now)
        var added = StorageFixture.definition
        added.name = "users"
        var paused = added
        paused.name = "groups"
        paused.startsAutomatically = false

        try await storage.settleSyncs([added, paused], in: fixture.scope, now: now)

        let mine = try await storage.syncs(connectionID: fixture.connection.id)
        #expect(mine.map(\.name) == ["groups", "tickets", "users"])
        #expect(mine.map(\.state) == [.paused, .started, .started])
        #expect(mine.map(\.nextRunAt) == [nil, nil, now])
        let left = try await storage.syncs(connectionID: theirs.id)
        #expect(left.map(\.name) == ["tickets"] && left[0].nextRunAt == now)
    }

    @Test(arguments: Engine.allCases)
    func `makes no sync of a connection before the scripts that follow its making`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let storage = fixture.storage
        let now = fixture.clock.now
        var added = StorageFixture.definition
        added.name = "users"
        let scripts = ActionRun(
            scope: fixture.scope,
            connectionID: fixture.connection.id,
            kind: .event,
            name: "post-connection-creation",
            state: .running,
            createdAt: now
        )
        _ = try await storage.beginAction(scripts, key: nil, owner: "boot", now: now)

        try await storage.settleSyncs([StorageFixture.definition, added], in: fixture.scope, now: now)
        #expect(try await storage.syncs(connectionID: fixture.connection.id).map(\.name) == ["tickets"])

        try await storage.endAction(scripts.id, .success, answer: nil, event: nil, now: now)
        try await storage.settleSyncs([StorageFixture.definition, added], in: fixture.scope, now: now)
        #expect(try await storage.syncs(connectionID: fixture.connection.id).map(\.name) == ["tickets", "users"])
    }

    @Test(arguments: Engine.allCases)
    func `takes another frequency at once, except where a connection has its own`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let storage = fixture.storage
        let bob = try await StorageFixture.connect(
            "bob", through: fixture.integration, storage: storage, now: fixture.clock.now
        )
        let own = try await storage.syncs(connectionID: bob.id)[0]
        let later = fixture.clock.now + .seconds(86_400)
        try await storage.setFrequencyOverride("every day", syncID: own.id, nextRunAt: later)
        let begun = fixture.clock.now
        let run = try #require(try await claim(fixture))
        fixture.clock.advance(by: .seconds(10))
        try await storage.endRun(
            fence(run), ending: RunEnding(status: .success, nextRunAt: later, failures: 0), events: [],
            now: fixture.clock.now
        )
        var hourly = StorageFixture.definition
        hourly.frequency = try Frequency("every hour")

        try await storage.reschedule([hourly], in: fixture.scope, now: fixture.clock.now)

        #expect(try await storage.syncs(connectionID: fixture.connection.id)[0].nextRunAt == begun + .seconds(3600))
        #expect(try await storage.syncs(connectionID: bob.id)[0].nextRunAt == later)
    }

    @Test(arguments: Engine.allCases)
    func `finds runs that nobody is at work on`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let claimed = try #require(try await claim(fixture))
        let now = fixture.clock.now

        #expect(try await fixture.storage.interruptedRuns(notOwnedBy: "boot", now: now).isEmpty)
        let other = try await fixture.storage.interruptedRuns(notOwnedBy: "next boot", now: now)
        let expired = try await fixture.storage.interruptedRuns(notOwnedBy: "boot", now: now + .seconds(31))
        #expect(other.map(\.run.id) == [claimed.run.id])
        #expect(expired.map(\.run.id) == [claimed.run.id])
        #expect(try await fixture.storage.renewLease(fence(claimed), until: now + .seconds(60)))
        #expect(try await fixture.storage.interruptedRuns(notOwnedBy: "boot", now: now + .seconds(31)).isEmpty)

        // It is ended in its own name, and the next run goes on from its checkpoint.
        try await fixture.save(tickets([1]), run: fence(claimed), checkpoint: .set(["page": 2]))
        try await fixture.end(fence(claimed), .abandoned)
        let next = try #require(try await claim(fixture))
        #expect(next.run.isInitial && next.run.checkpointBefore == ["page": 2])
        #expect(try await fixture.storage.run(claimed.run.id)?.firstChangeAt == now)
    }

    @Test(arguments: Engine.allCases)
    func `runs a webhook function beside the sync's own run`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let storage = fixture.storage
        let webhook = try await fixture.beginWebhook("op-1")
        #expect(webhook.isWebhook)
        #expect(try await storage.latestRun(syncID: fixture.sync.id) == nil)
        let run = fence(try #require(try await claim(fixture)))
        #expect(!run.isWebhook)
        let second = try await fixture.beginWebhook("op-2")

        try await fixture.save(tickets([1]), run: webhook)
        try await fixture.save(tickets([2, 3]), run: run)
        try await fixture.save(tickets([4]), run: second)

        #expect(try await storage.latestRun(syncID: fixture.sync.id)?.id == run.runID)
        // What was cut off goes on with what it has counted.
        #expect(try await fixture.beginWebhook("op-1") == webhook)
        #expect(try await storage.run(webhook.runID)?.counts == ["Ticket": ChangeCounts(added: 1)])
        #expect(try await storage.run(run.runID)?.counts == ["Ticket": ChangeCounts(added: 2)])
        let event = WebhookEvent(
            scope: fixture.scope, connectionID: fixture.connection.id, kind: .sync, body: Array("{}".utf8), urls: [],
            createdAt: fixture.clock.now
        )
        try await storage.endWebhookRun(webhook, events: [event])
        // The end comes once, and nothing after it.
        try await storage.endWebhookRun(webhook, events: [event])
        let late = await #expect(throws: TerapiError.self) { try await fixture.save(tickets([5]), run: webhook) }

        #expect(late?.code == .staleRun)
        #expect(try await storage.run(webhook.runID) == nil)
        #expect(try await storage.event(event.id, in: fixture.scope) != nil)
        // A reset takes nothing from it: what a provider has sent is true all the same.
        try await storage.requestRun(
            syncID: fixture.sync.id, reset: true, confirmsMassDeletion: false, now: fixture.clock.now)
        try await fixture.save(tickets([6]), run: second)
        await #expect(throws: TerapiError.self) { try await fixture.save(tickets([7]), run: run) }
        _ = try await storage.deleteConnection("alice", integrationKey: "desk", in: fixture.scope)
        await #expect(throws: TerapiError.self) { try await fixture.save(tickets([8]), run: second) }
        #expect(
            try await storage.beginWebhookRun(syncID: fixture.sync.id, operationID: "op-3", now: fixture.clock.now)
                == nil)
    }

    @Test(arguments: Engine.allCases)
    func `keeps a frequency of its own until it is taken back`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let storage = fixture.storage
        try await storage.setFrequencyOverride("every day", syncID: fixture.sync.id, nextRunAt: fixture.clock.now)
        #expect(try await storage.syncs(integrationKey: "desk", in: fixture.scope)[0].frequencyOverride == "every day")
        try await storage.setFrequencyOverride(nil, syncID: fixture.sync.id, nextRunAt: nil)
        #expect(try await storage.syncs(integrationKey: "desk", in: fixture.scope)[0].frequencyOverride == nil)
    }

    private func claim(_ fixture: StorageFixture) async throws -> (sync: Sync, run: SyncRun)? {
        try await fixture.storage.claimRun(
            owner: "boot",
            leaseUntil: fixture.clock.now + .seconds(30),
            operationID: "op",
            now: fixture.clock.now
        )
    }

    private func fence(_ claimed: (sync: Sync, run: SyncRun)) -> RunFence {
        RunFence(syncID: claimed.sync.id, runID: claimed.run.id, generation: claimed.run.generation)
    }
}
