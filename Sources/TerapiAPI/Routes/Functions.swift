import TerapiCore

/// A script as the interface shows it.
struct Function: Sendable {
    enum Definition: Sendable {
        case sync(SyncDefinition)
        case action(ActionDefinition)
        case onEvent(OnEventDefinition)
    }

    var definition: Definition
    var facts: ScriptFacts
    /// Whether it runs; only what ships may be off.
    var isEnabled = true

    var id: ScriptID {
        switch definition {
        case .sync(let sync): ScriptID(integrationKey: sync.integrationKey, kind: .sync, name: sync.name)
        case .action(let action): ScriptID(integrationKey: action.integrationKey, kind: .action, name: action.name)
        case .onEvent(let event): ScriptID(integrationKey: event.integrationKey, kind: .onEvent, name: event.name)
        }
    }

    var description: String {
        switch definition {
        case .sync(let sync): sync.description
        case .action(let action): action.description
        case .onEvent(let event): event.description
        }
    }

    /// What it takes and gives; never its code.
    var json: JSONObject {
        var json: JSONObject = [
            "id": .string(id.path),
            "name": .string(id.name),
            "type": .string(id.kind.rawValue),
            "description": .string(description),
            "enabled": .bool(isEnabled),
            "last_deployed": JSONValue(facts.deployedAt),
            "source": .string(facts.source.rawValue),
            "is_public": .bool(facts.source == .catalog),
            "pre_built": .bool(facts.source == .catalog),
            "attributes": [:],
        ]
        switch definition {
        case .sync(let sync):
            json["runs"] = .string(sync.frequency.text)
            json["auto_start"] = .bool(sync.startsAutomatically)
            json["track_deletes"] = .bool(sync.tracksDeletes)
            json["version"] = .string(sync.version)
            json["scopes"] = JSONValue(sync.scopes)
            json["input"] = .null
            json["returns"] = JSONValue(sync.models)
            json["endpoints"] = .array(sync.endpoints.map(\.json))
            json["webhookSubscriptions"] = JSONValue(sync.webhookSubscriptions)
            json["models"] = .array(
                sync.models.map { ["name": .string($0), "fields": ModelFields.of(sync.schemas[$0] ?? .null)] }
            )
            json["json_schema"] = Self.schemas(sync.schemas)
        case .action(let action):
            json["version"] = .string(action.version)
            json["scopes"] = JSONValue(action.scopes)
            json["input"] = action.input ?? .null
            json["output"] = action.output ?? .null
            json["endpoints"] = .array(action.endpoints.map(\.json))
            var schemas: JSONObject = [:]
            schemas["input"] = action.input
            schemas["output"] = action.output
            json["json_schema"] = Self.schemas(schemas)
        case .onEvent(let event):
            json["event"] = .string(event.event.rawValue)
        }
        return json
    }

    private static func schemas(_ schemas: JSONObject) -> JSONValue {
        schemas.isEmpty ? .null : ["definitions": .object(schemas)]
    }
}

/// The functions of an environment's integrations.
struct Functions: Sendable {
    let settings: any SettingsStorage
    let syncs: any SyncControl
    let actions: any ActionControl
    let functions: any FunctionControl

    /// In the order of kinds and names.
    func all(of integrationKey: String, in scope: EnvironmentScope) -> [Function] {
        let definitions: [Function.Definition] =
            syncs.definitions(integrationKey: integrationKey, in: scope).map { .sync($0) }
            + actions.actions(integrationKey: integrationKey, in: scope).map { .action($0) }
            + actions.onEvents(integrationKey: integrationKey, in: scope).map { .onEvent($0) }
        return definitions.map { definition in
            var function = Function(definition: definition, facts: ScriptFacts(source: .repo, deployedAt: nil))
            function.facts = functions.facts(of: function.id, in: scope)
            return function
        }
    }

    /// Also what ships for the integration's provider and is off, in the order of kinds and names.
    func allWithTemplates(of integration: Integration, in scope: EnvironmentScope) async throws -> [Function] {
        let own = all(of: integration.key, in: scope)
        let known = Set(own.map(\.id))
        let templates = try await templates(of: integration.provider, for: integration.key, in: scope)
        let kinds = ScriptInvocation.Kind.written
        return (own + templates.filter { !known.contains($0.id) }).sorted { left, right in
            let (first, second) = (kinds.firstIndex(of: left.id.kind) ?? 0, kinds.firstIndex(of: right.id.kind) ?? 0)
            return (first, left.id.name) < (second, right.id.name)
        }
    }

    /// What ships for a provider, as if all of it were off.
    func templates(of provider: String, for key: String, in scope: EnvironmentScope) async throws -> [Function] {
        let definitions = try await functions.templates(of: provider, for: key, in: scope)
        let all: [Function.Definition] =
            definitions.syncs.map { .sync($0) } + definitions.actions.map { .action($0) }
            + definitions.onEvents.map { .onEvent($0) }
        return all.map {
            Function(definition: $0, facts: ScriptFacts(source: .catalog, deployedAt: nil), isEnabled: false)
        }
    }

    /// - Throws: `TerapiError(.notFound)` when the environment has no such integration.
    @discardableResult
    func integration(_ key: String, in scope: EnvironmentScope) async throws -> Integration {
        guard let integration = try await settings.integration(key: key, in: scope) else {
            throw TerapiError(.notFound, "There is no integration with this key in the environment.")
        }
        return integration
    }
}

/// The members of a model, read from its JSON Schema.
enum ModelFields {
    static func of(_ schema: JSONValue) -> JSONValue {
        let required = Set((schema["required"]?.array ?? []).compactMap(\.string))
        return .array(
            (schema["properties"]?.object?.members ?? []).map { name, property in
                let (type, isNullable) = type(of: property)
                let isArray = type == "array"
                return [
                    "name": .string(name),
                    "value": .string(isArray ? Self.type(of: property["items"] ?? .null).name : type),
                    "array": .bool(isArray),
                    "optional": .bool(!required.contains(name) || isNullable),
                    "tsType": true,
                ]
            }
        )
    }

    private static func type(of schema: JSONValue) -> (name: String, isNullable: Bool) {
        let choices = schema["anyOf"]?.array ?? schema["oneOf"]?.array ?? []
        var names = choices.isEmpty ? types(in: schema) : choices.flatMap(types)
        let isNullable = names.contains("null")
        names.removeAll { $0 == "null" }
        return (names.isEmpty ? "any" : names.joined(separator: " | "), isNullable)
    }

    private static func types(in schema: JSONValue) -> [String] {
        let names = schema["type"]?.string.map { [$0] } ?? (schema["type"]?.array ?? []).compactMap(\.string)
        return names.map { $0 == "integer" ? "number" : $0 }
    }
}
