import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

@Suite(.timeLimit(.minutes(1)))
struct VariantTests {
    @Test
    func `is a sync of its own, with records and a checkpoint of its own`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            let variant = run.invocation.properties["variant"]?.string ?? ""
            try await run.save([1], title: variant)
            try await run.call("saveCheckpoint", ["of": .string(variant)])
        }
        try await fixture.engine.syncWorker.runOnce()

        let made = try await fixture.engine.syncs.createVariant(variant("eu", fixture))

        #expect(made.name == "tickets" && made.variant == "eu")
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        #expect(try await fixture.recordList() == ["1 ADDED base"])
        #expect(try await fixture.recordList(variant: "eu") == ["1 ADDED eu"])
        let statuses = try await fixture.engine.syncs.status(fixture.selection)
        #expect(statuses.map(\.sync.title) == ["tickets", "tickets::eu"])
        #expect(statuses.map(\.sync.checkpoint) == [["of": "base"], ["of": "eu"]])
        #expect(statuses.first?.recordCounts == ["Ticket": 1, "Ticket::eu": 1])
        let events = try await fixture.events()
        #expect(Set(events.map { $0["syncVariant"]?.string ?? "" }) == ["base", "eu"])
        #expect(events.allSatisfy { $0["model"] == "Ticket" })
        #expect(fixture.log.operations(.syncCreateVariant).map(\.subject) == ["tickets::eu"])
    }

    @Test
    func `is triggered, paused and started by its name alone`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { _ in }
        try await fixture.engine.syncs.createVariant(variant("eu", fixture))
        #expect(try await fixture.engine.syncWorker.runOnce() == 2)
        var selection = fixture.selection
        selection.names = ["tickets::eu"]

        try await fixture.engine.syncs.trigger(
            selection, reset: false, emptyCache: false, confirmsMassDeletion: false)
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        #expect(try await fixture.engine.syncs.setFrequency(try Frequency("every day"), of: selection) == "every day")
        try await fixture.engine.syncs.pause(selection)
        #expect(try await fixture.engine.syncs.status(fixture.selection).map(\.status) == ["SUCCESS", "PAUSED"])
        #expect(
            try await fixture.engine.syncs.status(fixture.selection).map(\.frequency) == [
                "every 5 minutes", "every day",
            ])
        try await fixture.engine.syncs.start(selection)
        #expect(try await fixture.engine.syncs.status(fixture.selection).map(\.status) == ["SUCCESS", "SUCCESS"])
        // The plain name is the base's.
        selection.names = ["tickets"]
        #expect(try await fixture.engine.syncs.status(selection).map(\.sync.variant) == ["base"])
    }

    @Test
    func `a failure marks the variant and not the base`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            if run.invocation.properties["variant"] == "eu" { throw TerapiError(.scriptError, "no") }
        }
        try await fixture.engine.syncs.createVariant(variant("eu", fixture))

        try await fixture.engine.syncWorker.runOnce()

        let marked = try await fixture.storage.connection(row: fixture.connection.id)?.errors.count
        #expect(marked == 1)
        #expect(try await fixture.engine.syncs.status(fixture.selection).map(\.status) == ["SUCCESS", "ERROR"])
        try await fixture.engine.syncs.deleteVariant(variant("eu", fixture))
        #expect(try await fixture.storage.connection(row: fixture.connection.id)?.errors.count == 0)
    }

    @Test
    func `goes with its records, and leaves the base's`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { try await $0.save([1, 2]) }
        try await fixture.engine.syncs.createVariant(variant("eu", fixture))
        try await fixture.engine.syncWorker.runOnce()
        #expect(try await fixture.recordList(variant: "eu").count == 2)

        try await fixture.engine.syncs.deleteVariant(variant("eu", fixture))

        #expect(try await fixture.recordList(variant: "eu").isEmpty)
        #expect(try await fixture.recordList().count == 2)
        #expect(try await fixture.engine.syncs.status(fixture.selection).map(\.sync.variant) == ["base"])
        fixture.clock.advance(by: .seconds(86_400))
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        await expect(.notFound) { try await fixture.engine.syncs.deleteVariant(variant("eu", fixture)) }
    }

    @Test
    func `a run that is under way when its variant goes writes nothing any more`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { _ in }
        try await fixture.engine.syncWorker.runOnce()
        let end = Counter()
        fixture.scripts.set { run in
            try await end.reached()
            try await run.save([1])
        }
        try await fixture.engine.syncs.createVariant(variant("eu", fixture))
        let begun = fixture.scripts.begun.count
        let run = Task { try await fixture.engine.syncWorker.runOnce() }
        try await fixture.scripts.begun.reached(begun + 1)

        try await fixture.engine.syncs.deleteVariant(variant("eu", fixture))
        end.increment()
        _ = try await run.value

        #expect(try await fixture.recordList(variant: "eu").isEmpty)
    }

    @Test
    func `waits where its sync does not start by itself`() async throws {
        var definition = try EngineFixture.definition()
        definition.startsAutomatically = false
        let fixture = try await EngineFixture(syncs: [definition])
        fixture.scripts.set { _ in }

        let made = try await fixture.engine.syncs.createVariant(variant("eu", fixture))

        #expect(made.state == .paused && made.nextRunAt == nil)
        #expect(try await fixture.engine.syncWorker.runOnce() == 0)
    }

    @Test
    func `names what is not there or there already`() async throws {
        let fixture = try await EngineFixture()
        try await fixture.engine.syncs.createVariant(variant("eu", fixture))

        await expect(.syncVariantAlreadyExists) { try await fixture.engine.syncs.createVariant(variant("eu", fixture)) }
        var other = variant("eu", fixture)
        other.syncName = "users"
        await expect(.unknownSync) { try await fixture.engine.syncs.createVariant(other) }
        other = variant("eu", fixture)
        other.connectionID = "bob"
        await expect(.unknownConnection) { try await fixture.engine.syncs.createVariant(other) }
        other.integrationKey = "phone"
        await expect(.unknownProviderConfig) { try await fixture.engine.syncs.deleteVariant(other) }
    }

    @Test
    func `there are at most a hundred`() async throws {
        let fixture = try await EngineFixture()
        for number in 1...100 { try await fixture.engine.syncs.createVariant(variant("v\(number)", fixture)) }

        await expect(.resourceCapped) { try await fixture.engine.syncs.createVariant(variant("v101", fixture)) }
    }

    private func variant(_ name: String, _ fixture: EngineFixture) -> SyncVariant {
        SyncVariant(
            scope: fixture.scope, integrationKey: "desk", connectionID: "alice", syncName: "tickets", name: name)
    }
}
