/// Records of health as Observations of FHIR R4.
///
/// A pure function of records and models: each number that a model gives a unit becomes one Observation, with its LOINC
/// code where the model knows one, and blood pressure becomes one with two components.
public struct FHIRBundle: Sendable {
    private static let loinc = "http://loinc.org"
    private static let ucum = "http://unitsofmeasure.org"
    private static let categories = "http://terminology.hl7.org/CodeSystem/observation-category"
    /// For what has no code of LOINC: model and field, `sleep.light_seconds`.
    private static let ownCodes = "urn:terapi:models"

    private let patient: String
    private let source: String?
    private var entries: [JSONValue] = []

    /// - Parameters:
    ///   - patient: whose records they are, as the caller knows the person: a connection's id.
    ///   - source: where they were read, for people: `oura`.
    public init(patient: String, source: String? = nil) {
        self.patient = patient
        self.source = source
    }

    public var count: Int { entries.count }

    public var json: JSONValue {
        ["resourceType": "Bundle", "type": "collection", "entry": .array(entries)]
    }

    /// Models whose records can be told as Observations.
    public static let models = StandardModel.all.filter { $0.document["x-fhir-category"] != nil }

    /// Deleted records, and records without a time, are left out.
    public mutating func add(_ record: JSONValue, of model: StandardModel) {
        guard record["_terapi_metadata"]?["deleted_at"].map(\.isNull) ?? true,
            let effective = Self.effective(record, model.document)
        else { return }
        let panels = model.document["x-fhir-panels"]?.array ?? []
        var inPanels: Set<String> = []
        for panel in panels {
            let names = (panel["components"]?.array ?? []).compactMap(\.string)
            let components = names.compactMap { component($0, record, model) }
            guard let first = names.first, components.count == names.count else { continue }
            inPanels.formUnion(names)
            let code = Self.coding(Self.loinc, panel["code"]?.string ?? "", panel["display"]?.string)
            var observation = observation(of: first, record, model, code: code, effective: effective)
            observation["component"] = .array(components)
            append(observation)
        }
        for (name, field) in model.document["properties"]?.object?.members ?? [] where !inPanels.contains(name) {
            guard let quantity = Self.quantity(record[name], field) else { continue }
            var observation = observation(
                of: name, record, model, code: Self.code(name, field, model), effective: effective
            )
            observation["valueQuantity"] = quantity
            append(observation)
        }
    }

    private mutating func append(_ observation: JSONObject) {
        let id = observation["id"]?.string ?? ""
        entries.append(["fullUrl": .string("urn:uuid:\(id)"), "resource": .object(observation)])
    }

    private func observation(
        of field: String,
        _ record: JSONValue,
        _ model: StandardModel,
        code: JSONValue,
        effective: (name: String, value: JSONValue)
    ) -> JSONObject {
        let recordID = record["id"]?.string ?? ""
        let category = Self.coding(Self.categories, model.document["x-fhir-category"]?.string ?? "", nil)
        var observation: JSONObject = [
            "resourceType": "Observation",
            "id": .string(Self.uuid("\(source ?? "")/\(patient)/\(model.name)/\(recordID)/\(field)")),
            "identifier": [["system": "urn:terapi:records", "value": .string("\(model.name)/\(recordID)/\(field)")]],
            "status": record["state"] == "tentative" ? "preliminary" : "final",
            "category": [["coding": [category]]],
            "code": [
                "coding": [code], "text": model.document["properties"]?[field]?["description"] ?? .string(field),
            ],
            "subject": ["identifier": ["value": .string(patient)]],
        ]
        observation[effective.name] = effective.value
        if let changed = record["source_updated_at"]?.string { observation["issued"] = .string(Self.instant(changed)) }
        if let device = record["device"]?.string ?? source { observation["device"] = ["display": .string(device)] }
        return observation
    }

    private func component(_ name: String, _ record: JSONValue, _ model: StandardModel) -> JSONValue? {
        guard let field = model.document["properties"]?[name], let quantity = Self.quantity(record[name], field) else {
            return nil
        }
        return ["code": ["coding": [Self.code(name, field, model)]], "valueQuantity": quantity]
    }

    private static func quantity(_ value: JSONValue?, _ field: JSONValue) -> JSONValue? {
        guard case .number? = value, let value, let unit = field["x-ucum"]?.string else { return nil }
        return ["value": value, "unit": .string(unit), "system": .string(ucum), "code": .string(unit)]
    }

    private static func code(_ name: String, _ field: JSONValue, _ model: StandardModel) -> JSONValue {
        guard let known = field["x-loinc"] else { return coding(ownCodes, "\(model.name).\(name)", nil) }
        return coding(loinc, known["code"]?.string ?? "", known["display"]?.string)
    }

    private static func coding(_ system: String, _ code: String, _ display: String?) -> JSONValue {
        var coding: JSONObject = ["system": .string(system), "code": .string(code)]
        coding["display"] = display.map(JSONValue.string)
        return .object(coding)
    }

    /// When it holds: a stretch of time, a moment or a day.
    private static func effective(_ record: JSONValue, _ document: JSONValue) -> (name: String, value: JSONValue)? {
        if let name = document["x-fhir-date"]?.string {
            return record[name]?.string.map { ("effectiveDateTime", .string(instant($0))) }
        }
        let names = (document["x-fhir-period"]?.array ?? []).compactMap(\.string)
        guard let start = names.first.flatMap({ record[$0]?.string }) else { return nil }
        var period: JSONObject = ["start": .string(instant(start))]
        period["end"] = names.last.flatMap { record[$0]?.string }.map { .string(instant($0)) }
        return ("effectivePeriod", .object(period))
    }

    /// FHIR wants seconds where there is a time.
    private static func instant(_ text: String) -> String {
        guard text.contains("T"), let place = text.firstRange(of: #/T\d\d:\d\d(?=Z|[+-])/#)?.upperBound else {
            return text
        }
        return String(text[..<place]) + ":00" + text[place...]
    }

    /// The same for the same text, in the form of a UUID of version 8.
    private static func uuid(_ text: String) -> String {
        var bytes = Array(sha256(Array(text.utf8)).prefix(16))
        bytes[6] = bytes[6] & 0x0F | 0x80
        bytes[8] = bytes[8] & 0x3F | 0x80
        let digits = hex(bytes)
        var parts: [Substring] = []
        var rest = digits[...]
        for count in [8, 4, 4, 4, 12] {
            parts.append(rest.prefix(count))
            rest = rest.dropFirst(count)
        }
        return parts.joined(separator: "-")
    }
}
