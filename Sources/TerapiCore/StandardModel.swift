/// A model that ships with Terapi, so that the same thing looks the same whatever it came from.
///
/// Nothing in the engine depends on these: a developer may copy one, extend it, or use none.
public struct StandardModel: Sendable {
    public let name: String
    /// A JSON Schema (draft 2020-12). Its own annotations begin with `x-`: units (UCUM) and codes (LOINC) of fields,
    /// and how records of the model are told apart and replaced.
    public let document: JSONValue

    /// Within one version a model only ever gets more fields.
    public var version: String { document["x-version"]?.string ?? "" }
    public var description: String { document["description"]?.string ?? "" }

    /// In the order of their names.
    public static let all: [StandardModel] = [
        ("activity", PackageResources.activity_json), ("body", PackageResources.body_json),
        ("calendar_event", PackageResources.calendar_event_json), ("comment", PackageResources.comment_json),
        ("company", PackageResources.company_json), ("contact", PackageResources.contact_json),
        ("daily", PackageResources.daily_json), ("file", PackageResources.file_json),
        ("sleep", PackageResources.sleep_json), ("ticket", PackageResources.ticket_json),
    ]
    .map { name, bytes in
        guard let document = try? JSONReader.read(bytes) else { preconditionFailure("\(name).json is no JSON.") }
        return StandardModel(name: name, document: document)
    }

    public static func named(_ name: String) -> StandardModel? {
        all.first { $0.name == name }
    }

    private static let referencePrefix = "terapi:models/"

    /// The schema itself, or the standard model's where it is only a reference to one: `{"$ref": "terapi:models/ticket"}`.
    public static func resolved(_ schema: JSONValue) -> JSONValue {
        guard let reference = schema["$ref"]?.string, reference.hasPrefix(referencePrefix),
            let model = named(String(reference.dropFirst(referencePrefix.count)))
        else { return schema }
        return model.document
    }

    /// The member that tells which of two states of a record is the newer one; `nil` for a model whose records are
    /// replaced in the order in which they come.
    public static func newestWins(by schema: JSONValue) -> String? {
        schema["x-newest-wins"]?.string
    }
}
