import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

/// What becomes of a provider's webhook once it is known for which connection it is.
@Suite(.timeLimit(.minutes(1)))
struct ProviderWebhookTests {
    private func fixture(
        _ subscriptions: [String] = ["ticket.changed"],
        settings: (inout EnvironmentSettings) -> Void = { _ in }
    ) async throws -> EngineFixture {
        let definition = try EngineFixture.definition(webhookSubscriptions: subscriptions)
        return try await EngineFixture(syncs: [definition], settings: settings)
    }

    @discardableResult
    private func receive(
        _ fixture: EngineFixture, type: String = "ticket.changed", payload: JSONValue = ["id": 7]
    ) async throws -> [String] {
        try await fixture.engine.providerWebhooks.receive(type, payload: payload, for: fixture.connection)
    }

    @Test
    func `runs the webhook function with the payload and tells what it saved`() async throws {
        let fixture = try await fixture()
        let start = fixture.clock.now
        fixture.scripts.set { run in
            #expect(run.invocation.kind == .sync)
            #expect(run.invocation.properties["entry"] == "onWebhook")
            #expect(run.invocation.properties["connectionId"] == "alice")
            #expect(run.invocation.timeout == .seconds(3600))
            #expect(run.invocation.input == ["id": 7])
            try await run.save([7, 8])
            try await run.save([8], kind: .delete)
        }

        #expect(try await receive(fixture) == ["tickets"])
        #expect(fixture.scripts.begun.count == 0)
        #expect(try await fixture.engine.actionWorker.runOnce() == 1)

        #expect(try await Set(fixture.recordList()) == ["7 ADDED first", "8 DELETED first"])
        let event = try #require(try await fixture.events().first)
        #expect(try await fixture.events().count == 1)
        #expect(event["type"] == "sync" && event["syncType"] == "WEBHOOK" && event["success"] == true)
        #expect(event["syncName"] == "tickets" && event["model"] == "Ticket")
        #expect(event["responseResults"] == ["added": 2, "updated": 0, "deleted": 1])
        #expect(event["modifiedAfter"]?.string.flatMap(Timestamp.init(iso8601:)) == start)
        let operation = try #require(fixture.log.operations(.incomingWebhook).first)
        #expect(operation.state == .success && operation.subject == "tickets" && operation.connectionID == "alice")
        #expect(fixture.log.text.contains("Ticket: 2 added, 0 updated, 1 deleted, 0 unchanged."))
        // The sync itself has not run, and is due as before.
        #expect(try await fixture.latestRun() == nil)
        #expect(try await fixture.sync().nextRunAt == start)
        #expect(try await fixture.sync().lastSyncAt == nil)
    }

    @Test(arguments: [
        (["ticket.changed"], "ticket.changed", true), (["a", "b"], "b", true), (["*"], "anything", true),
        (["*", "a"], "a", true), (["ticket"], "ticket.changed", false), ([], "a", false), (["a"], "*", false),
        (["a"], "A", false),
    ])
    func `goes to the syncs that have subscribed to its type, once to each`(
        subscriptions: [String], type: String, isTaken: Bool
    ) async throws {
        let fixture = try await fixture(subscriptions)
        fixture.scripts.set { _ in }

        #expect(try await receive(fixture, type: type) == (isTaken ? ["tickets"] : []))
        #expect(try await fixture.engine.actionWorker.runOnce() == (isTaken ? 1 : 0))
        #expect(fixture.scripts.begun.count == (isTaken ? 1 : 0))
    }

    @Test
    func `goes to every sync of the connection that wants it, and to no other connection`() async throws {
        let syncs = try ["tickets", "users", "quiet"].map { name in
            try EngineFixture.definition(
                name, models: [name == "users" ? "User" : "Ticket"], webhookSubscriptions: name == "quiet" ? [] : ["*"])
        }
        let fixture = try await EngineFixture(syncs: syncs)
        _ = try await EngineFixture.connect(
            "bob", integration: fixture.integration, storage: fixture.storage, syncs: syncs, now: fixture.clock.now)
        fixture.scripts.set { try await $0.save([1]) }
        fixture.scripts.set("desk/users") { run in
            #expect(run.invocation.properties["connectionId"] == "alice")
            try await run.save([2], model: "User")
        }

        #expect(try await receive(fixture) == ["tickets", "users"])
        try await fixture.engine.actionWorker.runOnce()

        #expect(try await fixture.recordList() == ["1 ADDED first"])
        #expect(try await fixture.recordList(model: "User") == ["2 ADDED first"])
        #expect(try await Set(fixture.events().compactMap { $0["model"]?.string }) == ["Ticket", "User"])
    }

    @Test
    func `works while the sync runs and while it is paused`() async throws {
        let fixture = try await fixture()
        fixture.scripts.set { run in
            if run.invocation.properties["entry"] == nil {
                try await run.save([1])
                try await receive(fixture)
                #expect(try await fixture.engine.actionWorker.runOnce() == 1)
                try await run.save([2])
            } else {
                try await run.save([7])
            }
        }
        try await fixture.engine.syncWorker.runOnce()

        #expect(try await fixture.latestRun()?.counts == ["Ticket": ChangeCounts(added: 2)])
        let added = try await fixture.events().map { [$0["syncType"], $0["responseResults"]?["added"]] }
        #expect(added.contains(["WEBHOOK", 1]) && added.contains(["INITIAL", 2]) && added.count == 2)

        try await fixture.engine.syncs.pause(fixture.selection)
        try await receive(fixture)
        #expect(try await fixture.engine.actionWorker.runOnce() == 1)
        #expect(fixture.log.operations(.incomingWebhook).map(\.state) == [.success, .success])
    }

    @Test
    func `keeps a checkpoint of its own, and reads nothing in full`() async throws {
        let fixture = try await fixture()
        fixture.scripts.set { try await $0.call("saveCheckpoint", ["of": "sync"]) }
        try await fixture.engine.syncWorker.runOnce()
        fixture.scripts.set { run in
            let last = try await run.call("getCheckpoint")
            try await run.call("saveCheckpoint", ["seen": JSONValue((last["seen"]?.int ?? 0) + 1)])
            for name in ["trackDeletesStart", "trackDeletesEnd", "deleteRecordsFromPreviousExecutions"] {
                await expect(.scriptError) { try await run.call(name, "Ticket") }
            }
            await expect(.scriptError) { try await run.save([1], model: "Other") }
            // What every script may ask.
            #expect(try await run.call("getToken") == "access-1")
        }
        for _ in 1...2 {
            try await receive(fixture)
            try await fixture.engine.actionWorker.runOnce()
        }

        #expect(fixture.log.operations(.incomingWebhook).map(\.state) == [.success, .success])
        #expect(try await fixture.sync().checkpoint == ["of": "sync"])
        let place = ScriptPlace(connectionID: fixture.connection.id, kind: .sync, name: "tickets")
        #expect(try await fixture.storage.scriptCheckpoint(place).value == ["seen": 2])
    }

    @Test
    func `tells of nothing where nothing changed, and of a failure with what stays`() async throws {
        let fixture = try await fixture { $0.sendsUnchangedSyncs = true }
        fixture.scripts.set { _ in }
        try await receive(fixture)
        try await fixture.engine.actionWorker.runOnce()
        #expect(try await fixture.events().isEmpty)

        fixture.scripts.set { run in
            let token = try await run.call("getToken").string ?? ""
            try await run.save([1])
            throw TerapiError(.scriptError, "no such ticket, \(token)")
        }
        try await receive(fixture)
        try await fixture.engine.actionWorker.runOnce()

        let events = try await fixture.events()
        let failure = try #require(events.first { $0["success"] == false })
        #expect(events.count == 2 && events.allSatisfy { $0["syncType"] == "WEBHOOK" })
        #expect(failure["error"]?["description"] == "no such ticket, ***")
        #expect(try await fixture.recordList() == ["1 ADDED first"])
        #expect(fixture.log.operations(.incomingWebhook).map(\.state) == [.success, .failed])
        #expect(!fixture.log.text.contains("access-1"))
    }

    @Test
    func `does nothing for a sync that is not there yet, or not any more`() async throws {
        let fixture = try await fixture()
        let bare = try await EngineFixture.connect(
            "bare", integration: fixture.integration, storage: fixture.storage, syncs: [], now: fixture.clock.now)
        fixture.scripts.set { _ in }
        try await fixture.engine.providerWebhooks.receive("ticket.changed", payload: [:], for: bare)
        try await receive(fixture)
        fixture.catalog.replace(with: ScriptDefinitions())

        #expect(try await fixture.engine.actionWorker.runOnce() == 2)

        #expect(fixture.scripts.begun.count == 0)
        #expect(fixture.log.operations(.incomingWebhook).map(\.state) == [.success, .success])
        #expect(fixture.log.text.contains("Nothing was done"))
    }

    @Test
    func `begins anew when its process ends, unless it has sent something`() async throws {
        let fixture = try await fixture()
        fixture.providers.answer { _, _ in ScriptResponse(status: 201, headers: [], body: []) }
        fixture.scripts.set { run in
            try await run.save([run.invocation.input?["id"]?.int ?? 0])
            if run.invocation.input?["sends"] == true { try await run.post("/reply") }
            if fixture.scripts.begun.count <= 2 { throw ScriptRun.hostLost }
        }

        try await receive(fixture, payload: ["id": 1])
        try await fixture.engine.actionWorker.runOnce()
        #expect(fixture.scripts.begun.count == 3)
        #expect(fixture.log.operations(.incomingWebhook).map(\.state) == [.success])

        let other = try await self.fixture()
        other.providers.answer { _, _ in ScriptResponse(status: 201, headers: [], body: []) }
        other.scripts.set { run in
            try await run.post("/reply")
            throw ScriptRun.hostLost
        }
        try await receive(other)
        try await other.engine.actionWorker.runOnce()
        #expect(other.scripts.begun.count == 1)
        #expect(other.log.operations(.incomingWebhook).map(\.state) == [.failed])
        #expect(other.log.text.contains("It is not run again by itself"))
    }

    @Test
    func `loses nothing in a crash: it runs again, or tells what it had saved`() async throws {
        let fixture = try await fixture()
        fixture.providers.answer { _, _ in ScriptResponse(status: 201, headers: [], body: []) }
        let begun = Counter()
        let isSecondBoot = Counter()
        fixture.scripts.set { run in
            let id = run.invocation.input?["id"]?.int ?? 0
            try await run.save([id])
            try await run.call("listRecords", "Ticket")
            if id == 1 { try await run.post("/reply") }
            begun.increment()
            if isSecondBoot.count == 0 {
                try await fixture.clock.sleep(until: fixture.clock.now + .seconds(1_000_000))
            }
        }
        for id in [1, 2] { try await receive(fixture, payload: ["id": JSONValue(id)]) }
        let crash = Task { _ = try? await fixture.engine.actionWorker.runOnce() }
        try await begun.reached(2)
        try await receive(fixture, payload: ["id": 3])
        crash.cancel()
        await crash.value
        isSecondBoot.increment()
        #expect(try await fixture.events().isEmpty)

        let next = try fixture.restarted()
        try await next.prepare()
        // The one that had sent something is over, and what it had saved is told.
        #expect(try await Set(fixture.events().map { $0["success"] }) == [true, false])
        #expect(try await next.actionWorker.runOnce() == 2)

        #expect(begun.count == 4)
        #expect(try await fixture.recordList().count == 3)
        // Each record is told once, also the one that was saved before the crash and is unchanged after it.
        let told = try await fixture.events().filter { $0["success"] == true }
        #expect(told.count == 3)
        #expect(told.allSatisfy { $0["responseResults"]?["added"] == 1 })
        #expect(
            fixture.log.operations(.incomingWebhook).map(\.state).sorted { $0.rawValue < $1.rawValue }
                == [.failed, .success, .success])
    }
}
