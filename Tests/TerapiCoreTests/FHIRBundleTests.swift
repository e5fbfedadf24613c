import Testing

@testable import TerapiCore

struct FHIRBundleTests {
    private func entries(_ record: JSONValue, of name: String) throws -> [JSONValue] {
        var bundle = FHIRBundle(patient: "alice", source: "withings")
        bundle.add(record, of: try #require(StandardModel.named(name)))
        #expect(bundle.json["resourceType"] == "Bundle" && bundle.json["type"] == "collection")
        return (bundle.json["entry"]?.array ?? []).compactMap { $0["resource"] }
    }

    private func codes(_ observations: [JSONValue]) -> [String] {
        observations.compactMap { $0.value(at: "code.coding.0.code")?.string }
    }

    @Test func `a number with a unit becomes an observation with its codes`() throws {
        let found = try entries(
            [
                "id": "7", "measured_at": "2026-03-02T08:00Z", "weight_kg": .number("61.50"), "bone_mass_kg": 2,
                "height_cm": .null, "device": "Body+", "source_updated_at": "2026-03-02T08:00:10Z",
                "custom": ["weight_kg": 1],
            ], of: "body")

        #expect(codes(found) == ["29463-7", "body.bone_mass_kg"])
        let weight = try #require(found.first)
        #expect(
            weight["valueQuantity"] == [
                "value": .number("61.50"), "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg",
            ])
        #expect(weight.value(at: "code.coding.0.system") == "http://loinc.org")
        #expect(weight.value(at: "category.0.coding.0.code") == "vital-signs")
        #expect(weight["effectiveDateTime"] == "2026-03-02T08:00:00Z", "FHIR wants seconds")
        #expect(weight["status"] == "final" && weight.value(at: "subject.identifier.value") == "alice")
        #expect(weight["issued"] == "2026-03-02T08:00:10Z" && weight.value(at: "device.display") == "Body+")
    }

    @Test func `blood pressure is one observation with two components`() throws {
        let whole = try entries(
            ["id": "8", "measured_at": "2026-03-02T08:00:00Z", "systolic_mmhg": 121, "diastolic_mmhg": 79], of: "body")
        let half = try entries(
            ["id": "8", "measured_at": "2026-03-02T08:00:00Z", "systolic_mmhg": 121], of: "body")

        #expect(codes(whole) == ["85354-9"])
        #expect(codes(whole[0]["component"]?.array ?? []) == ["8480-6", "8462-4"])
        #expect(whole[0]["valueQuantity"] == nil)
        #expect(codes(half) == ["8480-6"])
    }

    @Test func `a sleep is a stretch of time, a day is a day`() throws {
        let sleep = try entries(
            [
                "id": "n", "start_at": "2026-03-01T23:10:00+02:00", "end_at": "2026-03-02T06:40:00+02:00",
                "asleep_seconds": 24_300, "state": "tentative", "stages": [["stage": "deep"]],
            ], of: "sleep")
        let day = try entries(["id": "d", "local_date": "2026-03-02", "steps": 9_321], of: "daily")

        #expect(codes(sleep) == ["93832-4"] && sleep[0]["status"] == "preliminary")
        #expect(
            sleep[0]["effectivePeriod"] == [
                "start": "2026-03-01T23:10:00+02:00", "end": "2026-03-02T06:40:00+02:00",
            ])
        #expect(codes(day) == ["41950-7"] && day[0]["effectiveDateTime"] == "2026-03-02")
    }

    @Test func `leaves out what is deleted and what has no time`() throws {
        let deleted: JSONValue = [
            "id": "d", "local_date": "2026-03-02", "steps": 1,
            "_terapi_metadata": ["deleted_at": "2026-03-03T00:00:00Z"],
        ]
        let live: JSONValue = [
            "id": "d", "local_date": "2026-03-02", "steps": 1, "_terapi_metadata": ["deleted_at": .null],
        ]

        #expect(try entries(deleted, of: "daily").isEmpty)
        #expect(try entries(["id": "d", "steps": 1], of: "daily").isEmpty)
        #expect(try entries(live, of: "daily").count == 1, "the control")
    }

    @Test func `the same record has the same ids, another has others`() throws {
        func id(_ record: String) throws -> String {
            try #require(
                try entries(["id": .string(record), "local_date": "2026-03-02", "steps": 1], of: "daily")
                    .first?["id"]?.string)
        }

        #expect(try id("a") == id("a"))
        #expect(try id("a") != id("b"))
        #expect(
            try id("a").wholeMatch(of: #/[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/#) != nil)
    }

    @Test func `only health has a form in FHIR`() {
        #expect(FHIRBundle.models.map(\.name) == ["activity", "body", "daily", "sleep"])
    }
}
