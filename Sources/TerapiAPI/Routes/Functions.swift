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
            "enabled": true,
            "last_deployed": JSONValue(facts.deployedAt),
            "source": .string(facts.source.rawValue),
            "is_public": false,
            "pre_built": false,
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

    /// - Throws: `TerapiError(.notFound)` when the environment has no such integration.
    func checkIntegration(_ key: String, in scope: EnvironmentScope) async throws {
        guard try await settings.integration(key: key, in: scope) != nil else {
            throw TerapiError(.notFound, "There is no integration with this key in the environment.")
        }
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
