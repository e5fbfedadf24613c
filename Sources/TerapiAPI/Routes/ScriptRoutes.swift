import Hummingbird
import TerapiCore

/// What scripts an environment's integrations have.
struct ScriptRoutes: Sendable {
    let settings: any SettingsStorage
    let syncs: any SyncControl
    let actions: any ActionControl

    func config(_ call: Call) async throws -> Response {
        var query = try call.query()
        if let format = query.text("format"), format != "terapi" {
            query.refuse("format", "invalid_enum_value", "Expected \"terapi\".")
        }
        try query.finish()

        let integrations = try await settings.integrations(in: call.scope)
        return .json(
            .array(
                integrations.map { integration in
                    [
                        "providerConfigKey": .string(integration.key),
                        "provider": .string(integration.provider),
                        "syncs": .array(syncs.definitions(integrationKey: integration.key).map(\.json)),
                        "actions": .array(actions.actions(integrationKey: integration.key).map(\.json)),
                        "on-events": .array(actions.onEvents(integrationKey: integration.key).map(\.json)),
                    ]
                }
            )
        )
    }
}

extension SyncDefinition {
    fileprivate var json: JSONValue {
        [
            "name": .string(name),
            "type": "sync",
            "description": .string(description),
            "enabled": true,
            "runs": .string(frequency.text),
            "auto_start": .bool(startsAutomatically),
            "track_deletes": .bool(tracksDeletes),
            "version": .string(version),
            "scopes": JSONValue(scopes),
            "returns": JSONValue(models),
        ]
    }
}

extension ActionDefinition {
    fileprivate var json: JSONValue {
        [
            "name": .string(name),
            "type": "action",
            "description": .string(description),
            "enabled": true,
            "version": .string(version),
            "scopes": JSONValue(scopes),
            "input": input ?? .null,
            "output": output ?? .null,
        ]
    }
}

extension OnEventDefinition {
    fileprivate var json: JSONValue {
        [
            "name": .string(name),
            "type": "on-event",
            "description": .string(description),
            "enabled": true,
            "event": .string(event.rawValue),
        ]
    }
}
