import TerapiCore

extension Connection {
    /// As in a list.
    var summary: JSONValue {
        [
            "id": JSONValue(id),
            "connection_id": .string(connectionID),
            "provider": .string(provider),
            "provider_config_key": .string(integrationKey),
            "created": JSONValue(createdAt),
            "metadata": metadata.map(JSONValue.object) ?? .null,
            "tags": JSONValue(tags),
            "errors": .array(errors.map(\.json)),
            "end_user": endUser?.json ?? .null,
        ]
    }

    /// Everything but the credentials.
    var details: JSONObject {
        JSONObject([
            ("id", JSONValue(id)),
            ("connection_id", .string(connectionID)),
            ("provider_config_key", .string(integrationKey)),
            ("provider", .string(provider)),
            ("created_at", JSONValue(createdAt)),
            ("updated_at", JSONValue(updatedAt)),
            ("last_fetched_at", JSONValue(lastFetchedAt)),
            ("connection_config", .object(config)),
            ("webhook_url_override", JSONValue(webhookURLOverride)),
            ("metadata", metadata.map(JSONValue.object) ?? .null),
            ("tags", JSONValue(tags)),
            ("errors", .array(errors.map(\.json))),
            ("end_user", endUser?.json ?? .null),
        ])
    }
}

extension ConnectionError {
    var json: JSONValue {
        ["type": .string(kind.rawValue), "log_id": .string(operationID)]
    }
}

extension EndUser {
    var json: JSONValue {
        [
            "id": .string(id),
            "display_name": JSONValue(displayName),
            "email": JSONValue(email),
            "tags": tags.isEmpty ? .null : JSONValue(tags),
            "organization": organizationID.map {
                ["id": .string($0), "display_name": JSONValue(organizationDisplayName)]
            } ?? .null,
        ]
    }
}
