import TerapiCore
import Testing

@testable import TerapiEngine

@Suite(.timeLimit(.minutes(1)))
struct RecordCheckTests {
    private static let schema: JSONValue = [
        "$id": "models/Ticket", "type": "object", "required": ["id", "title"], "additionalProperties": false,
        "properties": [
            "id": ["type": "string"], "title": ["type": "string"],
            "labels": ["type": "array", "items": ["type": "string"]],
        ],
    ]

    private func fixture(isStrict: Bool = false, schema: JSONValue = schema) async throws -> EngineFixture {
        var definition = try EngineFixture.definition()
        definition.schemas = ["Ticket": schema]
        definition.isStrict = isStrict
        return try await EngineFixture(syncs: [definition])
    }

    private func warnings(_ fixture: EngineFixture) -> [String] {
        fixture.log.messages.filter { $0.level == .warn }.map(\.message)
    }

    private static func save(_ documents: [String], _ run: ScriptRun) async throws {
        let ids = try documents.map { try JSONReader.read($0)["id"]?.string ?? "" }
        try await run.functions.change(
            ScriptRecordChange(
                kind: .save, model: "Ticket", ids: ids, documents: documents.map { ArraySlice($0.utf8) }
            )
        )
    }

    @Test func `tells a mistake once, and saves the record`() async throws {
        let fixture = try await fixture()
        fixture.scripts.set { run in
            try await Self.save(
                [
                    #"{"id":"1","title":"A"}"#, #"{"id":"2","title":7}"#, #"{"id":"3","title":8}"#,
                    #"{"id":"4","title":"D","labels":["a",1,2]}"#, #"{"id":"5","title":"E","colour":"red"}"#,
                ], run)
        }

        try await fixture.engine.syncWorker.runOnce()

        #expect(try await fixture.recordList().count == 5)
        let told = warnings(fixture)
        try #require(told.count == 3, "\(told)")
        #expect(told[0].hasPrefix("Ticket 2: title: Expected a string and not number. It was saved as it is"))
        #expect(told[1].hasPrefix("Ticket 4: labels.1: ") && told[2].hasPrefix("Ticket 5: colour: Unknown field."))
    }

    @Test func `a strict sync fails at the record and keeps what it saved before`() async throws {
        let fixture = try await fixture(isStrict: true)
        fixture.scripts.set { run in
            try await Self.save([#"{"id":"1","title":"A"}"#], run)
            try await Self.save([#"{"id":"2","title":"B"}"#, #"{"id":"3"}"#], run)
        }

        try await fixture.engine.syncWorker.runOnce()

        #expect(try await fixture.recordList() == ["1 ADDED A"])
        let run = try #require(try await fixture.latestRun())
        #expect(run.status == .failed)
        #expect(run.error?.contains("The record 3 is not what the model Ticket says") == true, "\(run.error ?? "")")
        #expect(run.error?.contains("title: Required.") == true)
    }

    @Test func `looks at the first records of a model, and in a strict sync at all`() async throws {
        let good = (0..<RecordCheck.lookedAt).map { #"{"id":"\#($0)","title":"A"}"# }
        let bad = [#"{"id":"late"}"#]
        for isStrict in [false, true] {
            let fixture = try await fixture(isStrict: isStrict)
            fixture.scripts.set { run in
                try await Self.save(good, run)
                try await Self.save(bad, run)
            }

            try await fixture.engine.syncWorker.runOnce()

            #expect(warnings(fixture).isEmpty)
            #expect(try await fixture.latestRun()?.status == (isStrict ? .failed : .success))
        }
    }

    @Test func `lets members pass that a schema without a name does not know`() async throws {
        guard case .object(var nameless) = Self.schema else { return }
        nameless["$id"] = nil
        let fixture = try await fixture(isStrict: true, schema: .object(nameless))
        fixture.scripts.set { try await Self.save([#"{"id":"1","title":"A","colour":"red"}"#], $0) }

        try await fixture.engine.syncWorker.runOnce()

        #expect(try await fixture.recordList() == ["1 ADDED A"])
    }
}

@Suite(.timeLimit(.minutes(1)))
struct NewestWinsTests {
    /// - Parameter isGuarded: without it the model says nothing of which state is newer: the control.
    private func fixture(isGuarded: Bool = true) async throws -> EngineFixture {
        var definition = try EngineFixture.definition()
        definition.schemas = ["Ticket": isGuarded ? ["x-newest-wins": "source_updated_at"] : [:]]
        return try await EngineFixture(syncs: [definition])
    }

    private static func save(_ records: [(id: String, title: String, day: Int?)], _ run: ScriptRun) async throws {
        try await run.functions.change(
            ScriptRecordChange(
                kind: .save,
                model: "Ticket",
                ids: records.map(\.id),
                documents: records.map { id, title, day in
                    var record: JSONObject = ["id": .string(id), "title": .string(title)]
                    // The offsets differ on purpose: moments are compared, not texts.
                    record["source_updated_at"] = day.map { .string("2026-03-0\($0)T23:00:00-02:00") }
                    return JSONValue.object(record).encoded()[...]
                }
            )
        )
    }

    @Test(arguments: [true, false])
    func `an older state that comes late changes nothing`(isGuarded: Bool) async throws {
        let fixture = try await fixture(isGuarded: isGuarded)
        fixture.scripts.set { run in
            try await Self.save([("1", "second", 2), ("2", "only", 1)], run)
        }
        try await fixture.engine.syncWorker.runOnce()
        fixture.scripts.set { run in
            try await Self.save([("1", "first", 1), ("2", "later", 3)], run)
        }
        fixture.clock.advance(by: .seconds(400))
        try await fixture.engine.syncWorker.runOnce()

        let expected = isGuarded ? "1 ADDED second" : "1 UPDATED first"
        #expect(try await Set(fixture.recordList()) == [expected, "2 UPDATED later"])
    }

    @Test func `also within one run, before anything is committed`() async throws {
        let fixture = try await fixture()
        fixture.scripts.set { run in
            try await Self.save([("1", "third", 3)], run)
            try await Self.save([("1", "second", 2)], run)
            try await Self.save([("1", "fourth", 4), ("2", "a", nil)], run)
            try await Self.save([("1", "first", 1), ("2", "b", nil)], run)
        }

        try await fixture.engine.syncWorker.runOnce()

        let titles = try await fixture.recordList().map { $0.split(separator: " ").last }
        #expect(Set(titles) == ["fourth", "b"])
    }

    @Test func `an older state counts as seen in a full reading`() async throws {
        let fixture = try await fixture()
        fixture.scripts.set { try await Self.save([("1", "new", 5), ("2", "gone", 5)], $0) }
        try await fixture.engine.syncWorker.runOnce()
        fixture.scripts.set { run in
            try await run.call("trackDeletesStart", "Ticket")
            try await Self.save([("1", "old", 1)], run)
            try await run.call("trackDeletesEnd", "Ticket")
        }
        fixture.clock.advance(by: .seconds(400))
        try await fixture.engine.syncWorker.runOnce()

        #expect(try await Set(fixture.recordList()) == ["1 ADDED new", "2 DELETED gone"])
    }
}
