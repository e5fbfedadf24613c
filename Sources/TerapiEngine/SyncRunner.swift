import Logging
import TerapiCore

/// What one run is about.
struct SyncRunContext: Sendable {
    var sync: Sync
    var run: SyncRun
    var connection: Connection
    var integration: Integration
    var definition: SyncDefinition

    /// - Parameter properties: besides those that every script of a sync sees.
    func invocation(
        providers: any ProviderAPI,
        properties: JSONObject = [:],
        input: JSONValue? = nil,
        timeout: Duration
    ) -> ScriptInvocation {
        let own: JSONObject = [
            "lastSyncDate": JSONValue(sync.lastSyncAt),
            "variant": .string(sync.variant),
            "models": JSONValue(definition.models),
        ]
        return ScriptInvocation(
            environmentID: connection.scope.environmentID,
            kind: .sync,
            name: "\(sync.integrationKey)/\(sync.name)",
            code: definition.code,
            properties: ConnectionFunctions.properties(of: connection, providers: providers).merging(own)
                .merging(properties),
            input: input,
            timeout: timeout
        )
    }
}

/// Runs one sync from its claim to its end: the way that every record takes.
///
/// The script asks for pages and hands over records (``SyncRunFunctions``); ``RecordBatcher`` commits them together with
/// the checkpoint; the transaction that ends the run also writes the webhooks that tell of it.
struct SyncRunner: Sendable {
    static let lease = Duration.seconds(30)
    static let leaseRenewal = Duration.seconds(10)
    static let timeout = Duration.seconds(24 * 3600)
    /// How often a run begins again because its script host was lost to a neighbour.
    static let maxLostHosts = 5

    let services: EngineServices

    /// Never throws: every outcome is written into the run.
    func run(_ sync: Sync, _ run: SyncRun) async {
        do {
            // Deleted since the claim, and its syncs with it: there is nothing to end.
            guard let connection = try await services.connections.connection(row: sync.connectionID) else { return }
            let log = log(of: sync, run, connection: connection)
            do {
                try await execute(sync, run, connection: connection, log: log)
            } catch let error as TerapiError where error.code == .staleRun {
                log.end(.cancelled, "The sync was reset, or a later run of it has begun; this one stopped writing.")
            } catch {
                log.end(.failed, "The server could not end the run. The sync goes on from its checkpoint.")
                throw error
            }
        } catch {
            // The run stays open until its lease has run out: then it is ended as interrupted.
            services.logger.error("A sync run could not begin or end.", metadata: ["error": "\(error)"])
        }
    }

    /// The run's operation in the logs; also for one that is ended by another process than it began in.
    func log(of sync: Sync, _ run: SyncRun, connection: Connection?) -> OperationLog {
        OperationLog(
            LogOperation(
                id: run.operationID,
                scope: sync.scope,
                kind: .syncRun,
                message: "\(sync.title): \(run.isInitial ? "initial" : "incremental") run",
                integrationKey: sync.integrationKey,
                connectionID: connection?.connectionID,
                subject: sync.title,
                createdAt: run.startedAt
            ),
            sink: services.log,
            clock: services.clock
        )
    }

    private func execute(_ sync: Sync, _ run: SyncRun, connection: Connection, log: OperationLog) async throws {
        guard
            let integration = try await services.settings.integration(key: connection.integrationKey, in: sync.scope),
            let definition = services.catalog.definition(of: sync)
        else {
            let message = "The sync is not defined any more. It goes on at its place when it is defined again."
            try await end(sync, run, status: .cancelled, error: message, connection: connection)
            log.end(.cancelled, message)
            return
        }
        var context = SyncRunContext(
            sync: sync,
            run: run,
            connection: connection,
            integration: integration,
            definition: definition
        )
        do {
            try await runScriptThroughLosses(&context, log: log)
        } catch let error as TerapiError where error.code == .staleRun {
            throw error
        } catch {
            guard !Task.isCancelled else {
                // The run stays open: the next start of the server ends it as interrupted and goes on from its
                // checkpoint.
                log.end(
                    .cancelled, "The server is stopping. The sync goes on from its checkpoint when it starts again.")
                return
            }
            try await fail(context, error: error, log: log)
            return
        }
        let ended = try await end(sync, run, status: .success, error: nil, connection: connection)
        log.end(.success, ended.summary)
        await setError(operationID: nil, context)
    }

    /// A host that is lost through no fault of this run is no failure: the same run goes on from its checkpoint.
    private func runScriptThroughLosses(_ context: inout SyncRunContext, log: OperationLog) async throws {
        for _ in 0..<Self.maxLostHosts {
            do {
                return try await runScript(context, log: log)
            } catch let error as TerapiError where error.code == .scriptHostLost {
                try Task.checkCancellation()
                log.write(.warn, "\(error.message) It goes on from its checkpoint.")
                // As a new run would find them: the script has changed them meanwhile.
                context.sync.checkpoint = try await services.syncs.checkpoint(syncID: context.sync.id)
                if let connection = try await services.connections.connection(row: context.connection.id) {
                    context.connection = connection
                }
            }
        }
        try await runScript(context, log: log)
    }

    private func runScript(_ context: SyncRunContext, log: OperationLog) async throws {
        let batcher = RecordBatcher(
            run: context.run.fence,
            scope: context.connection.scope,
            storage: services.records,
            clock: services.clock
        )
        let functions = SyncRunFunctions(
            context: context,
            batcher: batcher,
            common: ConnectionFunctions(
                ConnectionFunctions.Run(
                    connection: context.connection,
                    integration: context.integration,
                    credentials: services.credentials,
                    log: log
                ),
                services: services
            ),
            records: services.records,
            backfill: BackfillReporter(context: context, services: services, log: log)
        )
        defer { services.locks.releaseAll(of: log.id) }
        let invocation = context.invocation(providers: services.providers, timeout: Self.timeout)
        try await batcher.commit {
            try await functions.begin()
            _ = try await services.scripts.run(invocation, functions: functions)
            try await functions.finish()
        } beside: {
            try await keepLease(context.run.fence)
        }
    }

    private func keepLease(_ fence: RunFence) async throws {
        while true {
            try await services.clock.sleep(for: Self.leaseRenewal)
            guard try await services.syncs.renewLease(fence, until: services.clock.now + Self.lease) else {
                throw TerapiError(.staleRun, "The run has lost its sync.")
            }
        }
    }

    private func fail(_ context: SyncRunContext, error: any Error, log: OperationLog) async throws {
        let message: String
        switch error {
        case let refused as MassDeletionRefused:
            message = refused.message
            try await services.syncs.setState(
                .paused,
                syncID: context.sync.id,
                nextRunAt: nil,
                now: services.clock.now
            )
        case let error as TerapiError:
            message = log.redacted(error.message)
        default:
            message = "The run failed for a reason inside the server."
            services.logger.error("A sync run failed.", metadata: ["error": "\(error)", "operation": "\(log.id)"])
        }
        try await end(context.sync, context.run, status: .failed, error: message, connection: context.connection)
        log.end(.failed, message)
        await setError(operationID: log.id, context)
    }

    /// Marks the connection, or takes the mark away. The run has ended already: a failure here does not change how.
    private func setError(operationID: String?, _ context: SyncRunContext) async {
        do {
            try await services.connections.setError(
                .sync,
                subject: context.sync.title,
                operationID: operationID,
                row: context.connection.id
            )
        } catch {
            services.logger.error("A connection could not be marked.", metadata: ["error": "\(error)"])
        }
    }

    /// Writes the end of a run with its webhooks. Also for runs whose process died: what they committed is told.
    /// - Returns: the run with what it committed.
    @discardableResult
    func end(
        _ sync: Sync,
        _ run: SyncRun,
        status: SyncRun.Status,
        error: String?,
        connection: Connection?
    ) async throws -> SyncRun {
        let now = services.clock.now
        let failures = status == .failed ? sync.failures + 1 : 0
        // Counts and checkpoint are read back: only what was committed is told.
        let stored = try await services.syncs.run(run.id) ?? run
        var events: [WebhookEvent] = []
        if let connection {
            events = try await services.webhooks.events(
                for: stored,
                of: sync,
                connection: connection,
                models: models(of: sync, stored),
                status: status,
                error: error,
                checkpoint: try await services.syncs.checkpoint(syncID: sync.id),
                now: now
            )
        }
        let nextRunAt = nextRun(sync, run, status: status, failures: failures, now: now)
        try await services.syncs.endRun(
            run.fence,
            ending: RunEnding(status: status, error: error, nextRunAt: nextRunAt, failures: failures),
            events: events,
            now: now
        )
        if nextRunAt == nil, services.catalog.definition(of: sync) != nil {
            // It was defined again between the two lines above, and whoever did so found it scheduled still.
            try await services.syncs.settleSyncs(
                services.catalog.syncs(in: sync.scope), in: sync.scope, now: services.clock.now
            )
        }
        services.webhookWakeUp.ring()
        services.syncWakeUp.ring()
        return stored
    }

    /// The models that the run may have changed: those that are declared now, and those that it has changed.
    private func models(of sync: Sync, _ run: SyncRun) -> [String] {
        let declared = services.catalog.definition(of: sync)?.models ?? []
        let suffix = sync.variant == "base" ? "" : "::\(sync.variant)"
        let changed = run.counts.keys.sorted().filter { $0.hasSuffix(suffix) }.map { String($0.dropLast(suffix.count)) }
        return declared + changed.filter { !declared.contains($0) }
    }

    /// When a sync reads again whose provider pushes: slowly for as long as events come, and once more when none has come
    /// for that long. `nil` when none has come lately.
    private func pushed(_ sync: Sync, _ run: SyncRun) -> Timestamp? {
        guard let safety = services.catalog.definition(of: sync)?.safetyInterval, let lastEventAt = sync.lastEventAt,
            run.startedAt < lastEventAt + safety
        else { return nil }
        return min(run.startedAt + safety, lastEventAt + safety)
    }

    /// The next tick of the sync's frequency; after a failure earlier, by the retry policy. `nil` when nothing defines the
    /// sync any more.
    private func nextRun(
        _ sync: Sync,
        _ run: SyncRun,
        status: SyncRun.Status,
        failures: Int,
        now: Timestamp
    ) -> Timestamp? {
        if status == .abandoned { return now }
        // When it is defined again its schedule is settled.
        guard services.catalog.definition(of: sync) != nil else { return nil }
        var random = SystemRandomNumberGenerator()
        let regular = services.catalog.frequency(of: sync)
            .nextTick(ofRunBegunAt: run.startedAt, now: now, random: &random)
        guard status == .failed else { return max(regular, pushed(sync, run) ?? regular) }
        let retry = RetryPolicy.syncRuns.delay(afterAttempt: failures, random: &random).map { now + $0 }
        return min(regular, retry ?? regular)
    }
}

extension SyncRun {
    /// What was committed, in words.
    var summary: String {
        let models = counts.sorted { $0.key < $1.key }
        guard !models.isEmpty else { return "Nothing has changed." }
        return models.map { model, counts in
            "\(model): \(counts.added) added, \(counts.updated) updated, \(counts.deleted) deleted, "
                + "\(counts.unchanged) unchanged."
        }
        .joined(separator: " ")
    }
}
