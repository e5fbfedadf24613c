import Hummingbird
import TerapiCore

/// Registrations of our addresses at providers.
struct WebhookSubscriptionRoutes: Sendable {
    let webhooks: any ProviderWebhookControl

    func list(_ call: Call) async throws -> Response {
        try await list(in: call.scope)
    }

    func list(in scope: EnvironmentScope) async throws -> Response {
        var shown: [JSONValue] = []
        for subscription in try await webhooks.subscriptions(in: scope) { shown.append(.object(subscription.json)) }
        return .json(["data": .array(shown)])
    }

    func create(_ call: Call) async throws -> Response {
        try await create(call, in: call.scope)
    }

    func create(_ call: Call, in scope: EnvironmentScope) async throws -> Response {
        var body = try await call.body()
        let key = body.requiredText("provider_config_key", .integrationKey)
        let connectionID = body.text("connection_id", .connectionID)
        let params = body.object("params") ?? [:]
        let manual = body.flag("manual") ?? false
        let secret = body.text("secret", .text(1...4096))
        if secret != nil, !manual {
            body.refuse("secret", code: "custom", "Only an address that you register yourself has a secret of yours.")
        }
        try body.finish()
        let made = try await webhooks.subscribe(
            integrationKey: key, connectionID: connectionID, params: params, manual: manual,
            secret: secret.map { Secret($0) }, in: scope)
        var json = made.json
        // The only time that they are shown.
        json["url"] = .string(try await webhooks.address(of: made))
        if manual, secret == nil { json["secret"] = JSONValue(made.secret?.reveal()) }
        return .json(["data": .object(json)], status: .created)
    }

    func renew(_ call: Call) async throws -> Response {
        .json(["data": .object(try await webhooks.renew(try number(call), in: call.scope).json)])
    }

    func delete(_ call: Call) async throws -> Response {
        try await webhooks.unsubscribe(try number(call), in: call.scope)
        return .success
    }

    func number(_ call: Call) throws -> Int64 {
        guard let id = Int64(call.parameter("subscriptionId")) else {
            throw TerapiError(.notFound, "The environment has no webhook subscription with this number.")
        }
        return id
    }
}

extension WebhookSubscription {
    var json: JSONObject {
        [
            "id": JSONValue(id),
            "provider_config_key": .string(integrationKey),
            "connection_id": JSONValue(connectionName),
            "external_id": JSONValue(externalID),
            "manual": .bool(!isOurs),
            "state": .string(state.rawValue),
            "has_secret": .bool(secret != nil),
            "error": JSONValue(error),
            "expires_at": JSONValue(expiresAt),
            "renew_at": JSONValue(renewAt),
            "created_at": JSONValue(createdAt),
        ]
    }
}
