import TerapiCore
import Yams

/// Reads the keys of a sync file, each in its own method, and writes the script.
struct SyncFileReader {
    private static let keys = [
        "description", "model", "frequency", "auto_start", "version", "scopes", "endpoint", "request", "backfill",
        "checkpoint", "where", "map", "id", "deleted", "track_deletes", "allow_mass_deletion", "schema", "strict",
        "webhook",
    ]

    var yaml: YAMLReader
    var spec: JSONObject
    private var definition:
        (description: String, model: String, frequency: Frequency?, version: String, scopes: [String])
    private var flags: [String: Bool] = [:]
    /// The model's JSON Schema, where it stands in the file.
    private var schema: JSONValue?
    var checkpointNames: [String] = []
    /// Whether a template of the request names the end of a window.
    var usesWindow = false
    private var endpoints: [ScriptEndpoint] = []
    private var expressions: [SyncExpression] = []
    /// Of the webhooks that the sync takes.
    var events: [String] = []
    var safetyFrequency: Frequency?
    /// Whether a template may name a value of an event.
    var readsEvent = false

    init(file: String) {
        yaml = YAMLReader(file: file)
        spec = ["file": .string(file)]
        definition = ("", "", nil, "0.0.1", [])
    }

    /// - Parameter models: the schema of a model that the file only names.
    mutating func read(
        _ text: String,
        integrationKey: String,
        name: String,
        models: (String) -> JSONValue?
    ) -> SyncFile? {
        guard let top = yaml.compose(text) else { return nil }
        let members = yaml.members(top, of: "the file", allowed: Self.keys)
        // The request's templates may name the checkpoint's members, wherever they stand in the file.
        for (key, value) in members where key.string == "checkpoint" { readCheckpoint(value) }
        for (key, value) in members { read(key.string ?? "", value, at: key) }
        for key in ["model", "frequency", "request"] where !members.contains(where: { $0.key.string == key }) {
            yaml.add("expected the key \"\(key)\", which is missing", at: top)
        }
        for (key, _) in members where key.string == "track_deletes" && flags["track_deletes"] == true {
            if spec["checkpoint"] != nil {
                yaml.add(
                    "expected track_deletes only without checkpoint: an incremental read does not show every record",
                    at: key)
            }
        }
        for (key, _) in members where key.string == "backfill" && spec["checkpoint"] == nil {
            yaml.add("expected backfill only beside checkpoint: without one every run reads everything", at: key)
        }
        for (key, _) in members where key.string == "backfill" && spec["backfill"]?["window"] != nil && !usesWindow {
            yaml.add("expected ${backfill.until} in the request: without it a window has no end", at: key)
        }
        for (key, _) in members where key.string == "request" && usesWindow && spec["backfill"]?["window"] == nil {
            yaml.add("expected backfill with a window beside a request that names ${backfill.until}", at: key)
        }
        for (key, value) in members where key.string == "map" && value.mapping?["id"] == nil {
            if !members.contains(where: { $0.key.string == "id" }) {
                yaml.add("expected map to have an \"id\", which every record needs", at: key)
            }
        }
        guard yaml.mistakes.isEmpty, let frequency = definition.frequency, let request = spec["request"] else {
            return nil
        }
        let script = SyncScript(spec: spec)
        return SyncFile(
            definition: SyncDefinition(
                integrationKey: integrationKey,
                name: name,
                description: definition.description,
                models: [definition.model],
                frequency: frequency,
                startsAutomatically: flags["auto_start"] ?? true,
                tracksDeletes: flags["track_deletes"] ?? false,
                allowsMassDeletion: flags["allow_mass_deletion"] ?? false,
                version: definition.version,
                scopes: definition.scopes,
                schemas: schemas(models),
                isStrict: flags["strict"] ?? false,
                endpoints: endpoints,
                webhookSubscriptions: events,
                safetyFrequency: safetyFrequency,
                code: script.code
            ),
            method: request["method"]?.string ?? "GET",
            endpoint: request["endpoint"]?.string ?? "",
            fields: spec["map"]?.object?.names ?? [],
            expressions: expressions,
            hasSchema: schema != nil
        )
    }

    private func schemas(_ models: (String) -> JSONValue?) -> JSONObject {
        let found = schema.map(StandardModel.resolved) ?? models(definition.model)
        return found.map { JSONObject([(definition.model, $0)]) } ?? [:]
    }

    private mutating func read(_ key: String, _ value: Node, at keyNode: Node) {
        switch key {
        case "description":
            definition.description = yaml.text(value, of: key) ?? ""
            spec[key] = .string(definition.description)
        case "model":
            definition.model = yaml.text(value, of: key) ?? ""
            if definition.model.isEmpty { yaml.add("expected model to be a name, found nothing", at: value) }
            spec[key] = .string(definition.model)
        case "version": definition.version = yaml.text(value, of: key) ?? ""
        case "scopes": definition.scopes = yaml.texts(value, of: key) ?? []
        case "frequency": readFrequency(value)
        case "endpoint": readEndpoint(value)
        case "schema":
            if value.mapping == nil {
                yaml.add("expected schema to be a JSON Schema, found \(yaml.kind(value))", at: value)
            }
            schema = yaml.json(value)
        case "auto_start", "allow_mass_deletion", "strict": flags[key] = yaml.bool(value, of: key)
        case "track_deletes":
            flags[key] = yaml.bool(value, of: key)
            if flags[key] == true { spec["trackDeletes"] = true }
        case "request": readRequest(value)
        case "backfill": readBackfill(value)
        case "where", "deleted", "id": spec[key] = expression(value, of: key).map(JSONValue.string)
        case "map": readMap(value)
        case "webhook": readWebhook(value)
        default: break
        }
    }

    private mutating func readFrequency(_ node: Node) {
        guard let text = yaml.text(node, of: "frequency") else { return }
        do {
            definition.frequency = try Frequency(text)
            spec["frequency"] = .string(text)
        } catch {
            yaml.add("expected a frequency, found: \((error as? TerapiError)?.message ?? text)", at: node)
        }
    }

    private mutating func readEndpoint(_ node: Node) {
        guard let text = yaml.text(node, of: "endpoint") else { return }
        do {
            endpoints = [try ScriptEndpoint(.string(text), defaultMethod: .get).forSync(saving: [])]
        } catch {
            yaml.add((error as? TerapiError)?.message ?? "expected an endpoint such as GET /contacts", at: node)
        }
    }

    mutating func expression(_ node: Node, of name: String) -> String? {
        guard let text = yaml.text(node, of: "\(name), a JavaScript expression,") else { return nil }
        guard !text.allSatisfy(\.isWhitespace) else {
            yaml.add("expected \(name) to be a JavaScript expression, found nothing", at: node)
            return nil
        }
        expressions.append(
            SyncExpression(key: name, source: text, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
        )
        return text
    }

    private mutating func readMap(_ node: Node) {
        var fields: JSONObject = [:]
        for (key, value) in yaml.members(node, of: "map", allowed: nil) {
            guard let name = key.string else { continue }
            fields[name] = expression(value, of: "map.\(name)").map(JSONValue.string)
        }
        spec["map"] = .object(fields)
    }
}
