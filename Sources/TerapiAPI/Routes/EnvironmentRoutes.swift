import Hummingbird
import TerapiCore

/// What a team sets for the environment of its key.
struct EnvironmentRoutes: Sendable {
    /// How long webhooks are signed with a replaced key too.
    static let replacedKeyLifetime = Duration.seconds(24 * 3600)

    let settings: any SettingsStorage

    func current(_ call: Call) async throws -> Response {
        .json(["data": try await settings.environment(call.scope).json])
    }

    func update(_ call: Call) async throws -> Response {
        var body = try await call.body()
        var changed = try await settings.environment(call.scope)
        _ = body.nested("webhook") { reader in
            if reader.has("primary_url") { changed.settings.primaryWebhookURL = reader.url("primary_url") }
            if reader.has("secondary_url") { changed.settings.secondaryWebhookURL = reader.url("secondary_url") }
            if let flag = reader.flag("on_sync_completion_always") { changed.settings.sendsUnchangedSyncs = flag }
            if let flag = reader.flag("on_auth_creation") { changed.settings.sendsAuthCreation = flag }
            if let flag = reader.flag("on_auth_refresh_error") { changed.settings.sendsAuthRefreshErrors = flag }
            if let flag = reader.flag("on_sync_error") { changed.settings.sendsSyncErrors = flag }
            if let flag = reader.flag("on_async_action_completion") { changed.settings.sendsActionCompletions = flag }
        }
        if let origins = body.origins("default_origins") { changed.settings.defaultOrigins = origins }
        let variables = body.variableChanges("variables")
        try body.finish()

        try await variables?.apply(to: settings, in: call.scope)
        try await settings.updateSettings(changed.settings, in: call.scope)
        return .json(["data": changed.json])
    }

    /// What scripts get by `getEnvironmentVariables()`: a bare list, as they do.
    func variables(_ call: Call) async throws -> Response {
        .json(Self.json(of: try await settings.variables(in: call.scope)))
    }

    static func json(of variables: [EnvironmentVariable]) -> JSONValue {
        .array(variables.map { ["name": .string($0.name), "value": .string($0.value.reveal())] })
    }

    func signingKey(_ call: Call) async throws -> Response {
        guard let key = try await settings.signingKeys(in: call.scope, now: call.now).first else {
            throw TerapiError(.serverError, "The environment has no webhook signing key.")
        }
        return .json(["data": ["webhook_signing_key": .string(key.secret.reveal())]])
    }

    func rotateSigningKey(_ call: Call) async throws -> Response {
        let body = try await call.body()
        try body.finish()

        return try await Self.rotateSigningKey(in: call.scope, settings: settings, now: call.now)
    }

    static func rotateSigningKey(
        in scope: EnvironmentScope,
        settings: any SettingsStorage,
        now: Timestamp
    ) async throws -> Response {
        let secret = WebhookSignature.newSecret()
        let expiresAt = now + replacedKeyLifetime
        try await settings.rotateSigningKey(to: secret, in: scope, now: now, replacedExpiresAt: expiresAt)
        return .json([
            "data": [
                "webhook_signing_key": .string(secret.reveal()),
                "replaced_key_expires_at": JSONValue(expiresAt),
            ]
        ])
    }
}

extension TeamEnvironment {
    fileprivate var json: JSONValue {
        [
            "name": .string(name),
            "uuid": .string(uuid),
            "webhook": [
                "primary_url": JSONValue(settings.primaryWebhookURL),
                "secondary_url": JSONValue(settings.secondaryWebhookURL),
                "on_sync_completion_always": .bool(settings.sendsUnchangedSyncs),
                "on_auth_creation": .bool(settings.sendsAuthCreation),
                "on_auth_refresh_error": .bool(settings.sendsAuthRefreshErrors),
                "on_sync_error": .bool(settings.sendsSyncErrors),
                "on_async_action_completion": .bool(settings.sendsActionCompletions),
            ],
            "default_origins": JSONValue(settings.defaultOrigins),
            "created_at": JSONValue(createdAt),
        ]
    }
}
