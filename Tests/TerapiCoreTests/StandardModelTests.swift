import Testing

@testable import TerapiCore

struct StandardModelTests {
    private static let names = [
        "activity", "body", "calendar_event", "comment", "company", "contact", "daily", "file", "sleep", "ticket",
    ]

    @Test func `there are ten, each with a version and the same tail`() {
        #expect(StandardModel.all.map(\.name) == Self.names)
        for model in StandardModel.all {
            let properties = model.document["properties"]
            #expect(model.document["$id"] == .string("terapi:models/\(model.name)"))
            #expect(model.version == "1.0.0" && !model.description.isEmpty)
            for name in ["id", "custom", "source_created_at", "source_updated_at"] {
                #expect(properties?[name] != nil, "\(model.name) has no \(name)")
            }
            #expect(model.document["additionalProperties"] == false)
        }
    }

    @Test func `every field says what it means, and every number of health its unit`() {
        for model in StandardModel.all {
            for (name, field) in model.document["properties"]?.object?.members ?? [] {
                #expect(field["description"]?.string?.isEmpty == false, "\(model.name).\(name)")
                // The unit in the name and the one of the annotation must not contradict each other.
                for (suffix, unit) in [
                    ("_seconds", "s"), ("_meters", "m"), ("_kcal", "kcal"), ("_percent", "%"), ("_kg", "kg"),
                    ("_celsius", "Cel"), ("_mmhg", "mm[Hg]"), ("_mg_dl", "mg/dL"), ("_cm", "cm"), ("_ms", "ms"),
                ] where name.hasSuffix(suffix) && field["items"] == nil {
                    #expect(field["x-ucum"]?.string == unit, "\(model.name).\(name)")
                }
            }
        }
    }

    @Test func `only the id and the listed members are required`() {
        let required = Dictionary(
            uniqueKeysWithValues: StandardModel.all.map { model in
                (model.name, (model.document["required"]?.array ?? []).compactMap(\.string))
            })

        #expect(
            required == [
                "activity": ["id", "start_at"], "body": ["id", "measured_at"],
                "calendar_event": ["id", "title", "starts_at"], "comment": ["id", "parent_id", "body"],
                "company": ["id", "name"], "contact": ["id", "name"], "daily": ["id", "local_date"],
                "file": ["id", "name"], "sleep": ["id", "start_at", "end_at"], "ticket": ["id", "title"],
            ])
    }

    @Test(arguments: [
        (#"{"id":"1","title":"A"}"#, []),
        (#"{"id":"1","title":"A","status":null,"priority":"urgent","due_at":"2026-05-01"}"#, []),
        (#"{"id":"1","title":"A","status":"unknown","status_raw":"Parked"}"#, []),
        (#"{"id":1,"title":"A"}"#, ["id"]),
        (#"{"id":"1"}"#, ["title"]),
        (#"{"id":"1","title":"A","status":"Open"}"#, ["status"]),
        (#"{"id":"1","title":"A","due_at":"tomorrow"}"#, ["due_at"]),
        (#"{"id":"1","title":"A","closed_at":"2026-05-01"}"#, ["closed_at"]),
        (#"{"id":"1","title":"A","colour":"red"}"#, ["colour"]),
        (#"{"id":"1","title":"A","assignees":[{"id":"7"},{"id":8}]}"#, ["assignees.1.id"]),
        (#"{"id":"1","title":"A","reporter":"ada"}"#, ["reporter"]),
    ])
    func `a ticket is checked`(text: String, expected: [String]) throws {
        let schema = JSONSchema(try #require(StandardModel.named("ticket")).document)

        let issues = schema.issues(with: try JSONReader.read(text))

        #expect(issues.map { $0.path.joined(separator: ".") } == expected, "\(issues)")
    }

    @Test func `a reference to a standard model is the model`() {
        let ticket = StandardModel.named("ticket")?.document
        #expect(StandardModel.resolved(["$ref": "terapi:models/ticket"]) == ticket)
        for other: JSONValue in [["$ref": "terapi:models/tickets"], ["$ref": "#/$defs/a"], ["type": "object"], true] {
            #expect(StandardModel.resolved(other) == other)
        }
        #expect(StandardModel.newestWins(by: ticket ?? .null) == nil)
        #expect(StandardModel.newestWins(by: StandardModel.named("sleep")?.document ?? .null) == "source_updated_at")
    }

    /// Every code of LOINC that a model names, with its place.
    private static let codes = StandardModel.all.flatMap { model in
        let panels = (model.document["x-fhir-panels"]?.array ?? []).map { ("\(model.name) panel", $0["code"]?.string) }
        let fields = (model.document["properties"]?.object?.members ?? []).filter { $0.value["x-loinc"] != nil }
        return panels + fields.map { ("\(model.name).\($0.name)", $0.value["x-loinc"]?["code"]?.string) }
    }

    /// Whether the digit behind the hyphen is the one that follows from those before it (Luhn, modulo 10).
    private static func isLOINC(_ code: String) -> Bool {
        guard code.wholeMatch(of: /[1-9][0-9]{0,5}-[0-9]/) != nil else { return false }
        let digits = code.filter(\.isNumber).reversed().compactMap(\.wholeNumberValue)
        let sum = digits.enumerated().reduce(0) { sum, digit in
            let doubled = digit.element * (digit.offset % 2 == 1 ? 2 : 1)
            return sum + doubled / 10 + doubled % 10
        }
        return sum % 10 == 0
    }

    @Test func `every code of LOINC has the right check digit`() {
        #expect(Self.codes.count >= 20)
        for (place, code) in Self.codes { #expect(code.map(Self.isLOINC) == true, "\(place)") }
        // The control: neither another digit nor two that were exchanged.
        for wrong in ["8867-3", "8876-4", "29463-8", "29436-7", "8867", "8867-45", ""] {
            #expect(!Self.isLOINC(wrong), "\(wrong)")
        }
    }

    /// Whether a unit of UCUM is made of units that are in use here: divided, with exponents, and counted things in braces.
    private static func isUCUM(_ unit: String) -> Bool {
        let known: Set = ["s", "ms", "min", "m", "cm", "g", "kg", "kcal", "W", "%", "Cel", "mm[Hg]", "mg", "dL", "mL"]
        if unit.wholeMatch(of: /\{[a-z]+\}/) != nil { return true }
        var parts = unit.split(separator: "/", omittingEmptySubsequences: false)
        // "/min" is one over a minute.
        if parts.count > 1, parts[0].isEmpty { parts.removeFirst() }
        return parts.allSatisfy { part in
            let base = part.last.map { "23".contains($0) } == true ? part.dropLast() : part
            return known.contains(String(base))
        }
    }

    @Test func `every unit is one of UCUM`() {
        let units = StandardModel.all.flatMap { model in
            (model.document["properties"]?.object?.members ?? []).compactMap { field in
                field.value["x-ucum"]?.string.map { (place: "\(model.name).\(field.name)", unit: $0) }
            }
        }
        #expect(units.count >= 50)
        for (place, unit) in units { #expect(Self.isUCUM(unit), "\(place): \(unit)") }
        for wrong in ["bpm", "mmHg", "°C", "C", "mg/dl", "kg//m2", "", "/", "steps", "{Two words}", "m4"] {
            #expect(!Self.isUCUM(wrong), "\(wrong)")
        }
    }

    @Test func `a code is only where it says what the field says`() {
        // A way that was covered by bicycle is no walking distance.
        for name in ["activity", "daily"] {
            let distance = StandardModel.named(name)?.document["properties"]?["distance_meters"]
            #expect(distance?["x-ucum"] == "m" && distance?["x-loinc"] == nil, "\(name)")
        }
    }
}
