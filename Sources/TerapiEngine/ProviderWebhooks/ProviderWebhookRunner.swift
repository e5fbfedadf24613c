import Logging
import TerapiCore

/// Runs the webhook function of a sync, beside the sync's own runs.
///
/// What it saves is committed and counted like theirs, and told when it ends. It never touches their checkpoint.
struct ProviderWebhookRunner: Sendable {
    static let timeout = Duration.seconds(3600)
    /// How often a run that has had no effect is begun anew when its process ends under it.
    static let maxHosts = 3

    let services: EngineServices

    /// - Throws: `TerapiError` with how it failed, already told and logged; or `CancellationError`, and it goes on at the
    ///   next start.
    func run(
        _ run: ActionRun,
        connection: Connection,
        integration: Integration,
        effects: RunEffects,
        log: OperationLog
    ) async throws {
        guard let context = try await begin(run, connection, integration) else {
            return log.end(.success, "Nothing was done: the connection has no sync that takes this, or not yet.")
        }
        do {
            try await execute(context, run, effects: effects, log: log)
        } catch  where Task.isCancelled {
            log.end(.cancelled, "The server is stopping.")
            throw CancellationError()
        } catch {
            let shown = log.redacted(
                error as? TerapiError
                    ?? TerapiError(.serverError, "The function failed for a reason inside the server.", cause: error)
            )
            if !(error is TerapiError) {
                services.logger.error(
                    "A webhook function failed.", metadata: ["error": "\(error)", "operation": "\(log.id)"])
            }
            try await end(context, .failed, error: shown.message)
            log.end(.failed, shown.message)
            throw shown
        }
        let ended = try await end(context, .success, error: nil)
        log.end(.success, ended.summary)
    }

    /// Tells what a run had committed whose process is gone and that is not run again.
    func giveUp(_ run: ActionRun, connection: Connection) async throws {
        guard let integration = try await services.settings.integration(key: connection.integrationKey, in: run.scope),
            let context = try await begin(run, connection, integration)
        else { return }
        try await end(context, .failed, error: TerapiError.cutOff.message)
    }

    /// - Returns: `nil` when the sync is not defined or not made any more, or is not made yet: then its first run will
    ///   read what the webhook tells about.
    private func begin(_ run: ActionRun, _ connection: Connection, _ integration: Integration) async throws
        -> SyncRunContext?
    {
        guard
            let definition = services.catalog.sync(
                named: run.name, integrationKey: integration.key, in: run.scope
            ),
            !definition.webhookSubscriptions.isEmpty,
            let sync = try await services.syncs.syncs(connectionID: connection.id).first(where: {
                $0.name == run.name && $0.variant == "base"
            }),
            let syncRun = try await services.syncs.beginWebhookRun(
                syncID: sync.id,
                operationID: run.id,
                now: services.clock.now
            )
        else { return nil }
        return SyncRunContext(
            sync: sync,
            run: syncRun,
            connection: connection,
            integration: integration,
            definition: definition
        )
    }

    private func execute(
        _ context: SyncRunContext,
        _ run: ActionRun,
        effects: RunEffects,
        log: OperationLog
    ) async throws {
        defer { services.locks.releaseAll(of: log.id) }
        let input = try run.input.map { try JSONReader.read($0) }
        var hosts = 0
        while true {
            hosts += 1
            do {
                return try await runScript(
                    context, payload: input?["payload"], facts: input?["webhook"] ?? .null, effects: effects, log: log)
            } catch let error as TerapiError where error.code == .scriptHostLost {
                guard !effects.hasSent else {
                    throw TerapiError(
                        .outcomeUnknown,
                        "The process that ran \(run.name) ended after it had sent a request that may have had an effect. "
                            + "It is not run again by itself: see at the provider what happened.",
                        cause: error
                    )
                }
                guard hosts < Self.maxHosts else { throw error }
                log.write(.warn, "\(error.message) It had sent nothing that has an effect, and begins anew.")
            }
        }
    }

    private func runScript(
        _ context: SyncRunContext,
        payload: JSONValue?,
        facts: JSONValue,
        effects: RunEffects,
        log: OperationLog
    ) async throws {
        let batcher = RecordBatcher(
            run: context.run.fence,
            scope: context.connection.scope,
            storage: services.records,
            clock: services.clock
        )
        let common = ConnectionFunctions(
            ConnectionFunctions.Run(
                connection: context.connection,
                integration: context.integration,
                credentials: services.credentials,
                effects: effects,
                log: log
            ),
            services: services
        )
        let functions = WebhookFunctions(
            SyncRunFunctions(context: context, batcher: batcher, common: common, records: services.records),
            checkpoint: ScriptCheckpoint(
                of: ScriptPlace(connectionID: context.connection.id, kind: .sync, name: context.sync.name),
                storage: services.actions,
                isStored: true
            )
        )
        let invocation = context.invocation(
            providers: services.providers,
            properties: ["entry": "onWebhook", "webhook": facts],
            input: payload,
            timeout: Self.timeout
        )
        try await batcher.commit {
            _ = try await services.scripts.run(invocation, functions: functions)
        }
    }

    /// - Returns: the run with what it committed.
    @discardableResult
    private func end(_ context: SyncRunContext, _ status: SyncRun.Status, error: String?) async throws -> SyncRun {
        // Counts are read back: only what was committed is told.
        let stored = try await services.syncs.run(context.run.id) ?? context.run
        let events = try await services.webhooks.events(
            for: stored,
            of: context.sync,
            connection: context.connection,
            models: context.definition.models,
            status: status,
            error: error,
            checkpoint: nil,
            now: services.clock.now
        )
        try await services.syncs.endWebhookRun(context.run.fence, events: events)
        if status == .failed {
            // What it would have saved is read instead.
            try await services.syncs.distrustEvents(syncID: context.sync.id, now: services.clock.now)
            services.syncWakeUp.ring()
        }
        services.webhookWakeUp.ring()
        return stored
    }
}

/// What a webhook function may ask: all that its sync may, but for full reads, and with a checkpoint of its own.
private struct WebhookFunctions: ScriptFunctions {
    let sync: SyncRunFunctions
    let checkpoint: ScriptCheckpoint

    init(_ sync: SyncRunFunctions, checkpoint: ScriptCheckpoint) {
        self.sync = sync
        self.checkpoint = checkpoint
    }

    func send(_ request: ScriptRequest) async throws -> ScriptResponse {
        try await sync.send(request)
    }

    func change(_ change: ScriptRecordChange) async throws {
        try await sync.change(change)
    }

    func call(_ name: String, arguments: [JSONValue]) async throws -> JSONValue {
        if let answer = try await checkpoint.call(name, arguments) { return answer }
        switch name {
        case "trackDeletesStart", "trackDeletesEnd", "deleteRecordsFromPreviousExecutions":
            throw TerapiError(
                .scriptError,
                "\(name) is for a sync's exec, which reads everything: its onWebhook cannot call it."
            )
        default: return try await sync.call(name, arguments: arguments)
        }
    }
}
