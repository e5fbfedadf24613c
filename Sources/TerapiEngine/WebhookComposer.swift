import TerapiCore

/// Writes the bodies of webhooks and knows where they go.
struct WebhookComposer: Sendable {
    let settings: any SettingsStorage

    /// The events that end a run: one per model that changed, and one for the failure.
    func events(
        for run: SyncRun,
        of sync: Sync,
        connection: Connection,
        models: [String],
        status: SyncRun.Status,
        error: String?,
        checkpoint: JSONValue?,
        now: Timestamp
    ) async throws -> [WebhookEvent] {
        let environment = try await settings.environment(sync.scope)
        // One webhook function is one small step among many: only what it changed is told.
        let sendsUnchanged =
            environment.settings.sendsUnchangedSyncs && status == .success && !run.fence.isWebhook
        let base: JSONObject = [
            "from": "terapi",
            "type": "sync",
            "connectionId": .string(connection.connectionID),
            "providerConfigKey": .string(connection.integrationKey),
            "syncName": .string(sync.name),
            "syncVariant": .string(sync.variant),
            "syncType": run.fence.isWebhook ? "WEBHOOK" : run.isInitial ? "INITIAL" : "INCREMENTAL",
        ]
        let modifiedAfter = min(run.startedAt, run.firstChangeAt ?? run.startedAt)
        var bodies: [JSONObject] = models.compactMap { model in
            let stored = RecordStream(connectionID: connection.id, model: model, variant: sync.variant).model
            let counts = run.counts[stored] ?? ChangeCounts()
            guard counts.changed > 0 || sendsUnchanged else { return nil }
            return base.merging([
                "model": .string(model),
                "success": true,
                "responseResults": [
                    "added": JSONValue(counts.added),
                    "updated": JSONValue(counts.updated),
                    "deleted": JSONValue(counts.deleted),
                ],
                "modifiedAfter": JSONValue(modifiedAfter.webhookText),
                "queryTimeStamp": JSONValue(modifiedAfter.webhookText),
                "checkpoints": ["from": run.checkpointBefore ?? .null, "to": checkpoint ?? .null],
            ])
        }
        if status == .failed, environment.settings.sendsSyncErrors {
            bodies.append(
                base.merging([
                    "model": .string(models.joined(separator: ",")),
                    "success": false,
                    "error": ["type": "script_error", "description": JSONValue(error)],
                    "startedAt": JSONValue(run.startedAt.webhookText),
                    "failedAt": JSONValue(now.webhookText),
                ])
            )
        }
        let urls = urls(connection: connection, settings: environment.settings)
        return bodies.map { body in
            WebhookEvent(
                scope: sync.scope,
                connectionID: connection.id,
                kind: .sync,
                body: JSONValue.object(body).encoded(sortedKeys: true),
                urls: urls,
                createdAt: now
            )
        }
    }

    /// What tells that a sync has read its history.
    func backfillEvent(_ backfill: Backfill, of sync: Sync, connection: Connection, models: [String]) async throws
        -> WebhookEvent
    {
        let environment = try await settings.environment(sync.scope)
        let finishedAt = backfill.finishedAt ?? backfill.until
        let body: JSONValue = [
            "from": "terapi",
            "type": .string(WebhookEvent.Kind.backfillFinished.rawValue),
            "connectionId": .string(connection.connectionID),
            "providerConfigKey": .string(connection.integrationKey),
            "syncName": .string(sync.name),
            "syncVariant": .string(sync.variant),
            "models": JSONValue(models),
            "success": true,
            "historyFrom": .string(backfill.from.webhookText),
            "historyUntil": .string(backfill.until.webhookText),
            "startedAt": .string(backfill.startedAt.webhookText),
            "finishedAt": .string(finishedAt.webhookText),
        ]
        return WebhookEvent(
            scope: sync.scope,
            connectionID: connection.id,
            kind: .backfillFinished,
            body: body.encoded(sortedKeys: true),
            urls: urls(connection: connection, settings: environment.settings),
            createdAt: finishedAt
        )
    }

    enum AuthOperation: String {
        case creation, override, refresh
    }

    /// What tells that a connection was made, made again, or has lost its authorization.
    func authEvent(
        _ operation: AuthOperation,
        connection: Connection,
        authMode: AuthMode,
        environment: Environment,
        error: (type: String, description: String)? = nil,
        now: Timestamp
    ) -> WebhookEvent? {
        let isWanted =
            operation == .refresh
            ? environment.settings.sendsAuthRefreshErrors : environment.settings.sendsAuthCreation
        guard isWanted else { return nil }
        var body: JSONObject = [
            "from": "terapi",
            "type": "auth",
            "operation": .string(operation.rawValue),
            "connectionId": .string(connection.connectionID),
            "providerConfigKey": .string(connection.integrationKey),
            "provider": .string(connection.provider),
            "authMode": .string(authMode.rawValue),
            "environment": .string(environment.name),
            "success": .bool(error == nil),
        ]
        if !connection.tags.isEmpty { body["tags"] = JSONValue(connection.tags) }
        if let endUser = connection.endUser {
            body["endUser"] = [
                "endUserId": .string(endUser.id),
                "endUserEmail": JSONValue(endUser.email),
                "organizationId": JSONValue(endUser.organizationID),
                "tags": JSONValue(endUser.tags),
            ]
        }
        if let error {
            body["error"] = ["type": .string(error.type), "description": .string(error.description)]
        }
        return WebhookEvent(
            scope: connection.scope,
            connectionID: connection.id,
            kind: .auth,
            body: JSONValue.object(body).encoded(sortedKeys: true),
            urls: urls(connection: connection, settings: environment.settings),
            createdAt: now
        )
    }

    /// What tells that an action in the queue has ended, however it ended.
    func actionEvent(_ run: ActionRun, connection: Connection, now: Timestamp) async throws -> WebhookEvent? {
        let settings = try await settings.environment(connection.scope).settings
        guard settings.sendsActionCompletions else { return nil }
        let body: JSONValue = [
            "from": "terapi",
            "type": "async_action",
            "connectionId": .string(connection.connectionID),
            "providerConfigKey": .string(connection.integrationKey),
            "payload": ["id": .string(run.id), "statusUrl": .string("/action/\(run.id)")],
        ]
        return WebhookEvent(
            scope: connection.scope,
            connectionID: connection.id,
            kind: .asyncAction,
            body: body.encoded(sortedKeys: true),
            urls: urls(connection: connection, settings: settings),
            createdAt: now
        )
    }

    /// A provider's event, passed on for one connection; `nil` when nobody listens.
    func forward(
        _ payload: JSONValue,
        headers: [String: String],
        connection: Connection,
        settings: EnvironmentSettings,
        now: Timestamp
    ) -> WebhookEvent? {
        let urls = urls(connection: connection, settings: settings)
        guard !urls.isEmpty else { return nil }
        let body: JSONValue = [
            "from": .string(connection.provider),
            "type": "forward",
            "connectionId": .string(connection.connectionID),
            "providerConfigKey": .string(connection.integrationKey),
            "payload": payload,
        ]
        return WebhookEvent(
            scope: connection.scope,
            connectionID: connection.id,
            kind: .forward,
            body: body.encoded(sortedKeys: true),
            urls: urls,
            headers: headers,
            createdAt: now
        )
    }

    /// A provider's webhook that is nobody's, passed on exactly as it came.
    func forward(
        _ webhook: ProviderWebhook,
        headers: [String: String],
        settings: EnvironmentSettings,
        now: Timestamp
    ) -> WebhookEvent? {
        let urls = [settings.primaryWebhookURL, settings.secondaryWebhookURL].compactMap(\.self)
        guard !urls.isEmpty else { return nil }
        var headers = headers
        headers["content-type"] = webhook.request.header("content-type")
        return WebhookEvent(
            scope: webhook.scope,
            connectionID: nil,
            kind: .forward,
            body: webhook.request.body,
            urls: urls,
            headers: headers,
            createdAt: now
        )
    }

    private func urls(connection: Connection, settings: EnvironmentSettings) -> [String] {
        if let override = connection.webhookURLOverride { return [override] }
        return settings.webhookURLs
    }
}

extension Timestamp {
    /// In UTC with `Z`, as webhook bodies have always shown times, but with microseconds: what is passed on to
    /// `modified_after` must not be rounded.
    fileprivate var webhookText: String {
        iso8601.replacing("+00:00", with: "Z")
    }
}
