import Logging
import Synchronization
import TerapiCore

/// What one run is about.
struct SyncRunContext: Sendable {
    var sync: Sync
    var run: SyncRun
    var connection: Connection
    var integration: Integration
    var definition: SyncDefinition

    var fence: RunFence { RunFence(syncID: sync.id, runID: run.id, generation: run.generation) }
}

/// Runs one sync from its claim to its end: the way that every record takes.
///
/// The script asks for pages and hands over records (``SyncRunFunctions``); ``RecordBatcher`` commits them together with
/// the checkpoint; the transaction that ends the run also writes the webhooks that tell of it.
struct SyncRunner: Sendable {
    static let lease = Duration.seconds(30)
    static let leaseRenewal = Duration.seconds(10)
    static let timeout = Duration.seconds(24 * 3600)

    let services: EngineServices

    /// Never throws: every outcome is written into the run.
    func run(_ sync: Sync, _ run: SyncRun) async {
        let context: SyncRunContext
        do {
            guard let found = try await load(sync, run) else {
                try await end(sync, run, status: .cancelled, error: nil, checkpoint: sync.checkpoint, connection: nil)
                return
            }
            context = found
        } catch {
            services.logger.error("A sync run could not begin.", metadata: ["error": "\(error)"])
            return
        }
        let log = OperationLog(
            LogOperation(
                id: run.operationID,
                scope: sync.scope,
                kind: .syncRun,
                message: "\(sync.name): \(run.isInitial ? "initial" : "incremental") run",
                integrationKey: context.connection.integrationKey,
                connectionID: context.connection.connectionID,
                subject: sync.name,
                createdAt: run.startedAt
            ),
            sink: services.log,
            clock: services.clock
        )
        do {
            try await execute(context, log: log)
        } catch {
            log.end(.failed, "The end of the run could not be stored: \(error)")
            services.logger.error("The end of a sync run could not be stored.", metadata: ["error": "\(error)"])
        }
    }

    private func load(_ sync: Sync, _ run: SyncRun) async throws -> SyncRunContext? {
        guard let connection = try await services.connections.connection(row: sync.connectionID),
            let integration = try await services.settings.integration(key: connection.integrationKey, in: sync.scope),
            let definition = services.catalog.definition(named: sync.name, integrationKey: sync.integrationKey)
        else { return nil }
        return SyncRunContext(
            sync: sync,
            run: run,
            connection: connection,
            integration: integration,
            definition: definition
        )
    }

    private func execute(_ context: SyncRunContext, log: OperationLog) async throws {
        let progress = RunProgress()
        let batcher = RecordBatcher(
            run: context.fence,
            scope: context.connection.scope,
            storage: services.records,
            clock: services.clock,
            onCommit: { progress.add($0) }
        )
        let functions = SyncRunFunctions(
            context: context,
            batcher: batcher,
            client: ConnectionClient(
                connection: context.connection,
                integration: context.integration,
                providers: services.providers,
                credentials: services.credentials,
                gate: services.gate,
                clock: services.clock,
                log: log
            ),
            services: services,
            log: log
        )
        do {
            try await runScript(context, functions: functions, batcher: batcher)
            try await end(context, functions: functions, status: .success, error: nil)
            log.end(.success, progress.summary)
            try await services.connections.setError(
                .sync,
                subject: context.sync.name,
                operationID: nil,
                row: context.connection.id
            )
        } catch let error as TerapiError where error.code == .staleRun {
            log.end(.cancelled, "A later run of this sync has begun; this one stopped writing.")
        } catch is CancellationError where services.isStopping() {
            // The run stays open: the next start of the server ends it as interrupted and goes on from its checkpoint.
            log.end(.cancelled, "The server is stopping. The sync goes on from its checkpoint when it starts again.")
        } catch {
            try await fail(context, functions: functions, error: error, log: log)
        }
    }

    private func runScript(_ context: SyncRunContext, functions: SyncRunFunctions, batcher: RecordBatcher) async throws
    {
        let invocation = ScriptInvocation(
            environmentID: context.connection.scope.environmentID,
            kind: .sync,
            name: "\(context.sync.integrationKey)/\(context.sync.name)",
            code: context.definition.code,
            properties: properties(context),
            timeout: Self.timeout
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await batcher.run() }
            group.addTask { try await keepLease(context.fence) }
            group.addTask {
                do {
                    _ = try await services.scripts.run(invocation, functions: functions)
                } catch {
                    // What the script handed over before it failed was accepted and stays.
                    try? await batcher.flush()
                    throw error
                }
                try await batcher.flush()
                throw RunFinished()
            }
            do {
                while try await group.next() != nil {}
            } catch is RunFinished {
                group.cancelAll()
            }
        }
    }

    /// Ends the task group's wait when the script is done; never seen outside.
    private struct RunFinished: Error {}

    private func keepLease(_ fence: RunFence) async throws {
        while true {
            try await services.clock.sleep(for: Self.leaseRenewal)
            guard try await services.syncs.renewLease(fence, until: services.clock.now + Self.lease) else {
                throw TerapiError(.staleRun, "The run has lost its sync.")
            }
        }
    }

    private func properties(_ context: SyncRunContext) -> JSONObject {
        [
            "connectionId": .string(context.connection.connectionID),
            "providerConfigKey": .string(context.connection.integrationKey),
            "provider": .string(context.connection.provider),
            "lastSyncDate": JSONValue(context.sync.lastSyncAt),
            "variant": .string(context.sync.variant),
            "models": JSONValue(context.definition.models),
            "paginate": services.providers.provider(context.connection.provider)?.proxy.paginate.map(JSONValue.object)
                ?? .null,
        ]
    }

    private func fail(
        _ context: SyncRunContext,
        functions: SyncRunFunctions,
        error: any Error,
        log: OperationLog
    ) async throws {
        let message: String
        if let refused = error as? MassDeletionRefused {
            message = refused.message
            try await services.syncs.setState(
                .paused,
                syncID: context.sync.id,
                nextRunAt: nil,
                now: services.clock.now
            )
        } else {
            message = (error as? TerapiError)?.message ?? "The run failed for a reason inside the server."
        }
        if !(error is MassDeletionRefused), (error as? TerapiError) == nil {
            services.logger.error("A sync run failed.", metadata: ["error": "\(error)", "operation": "\(log.id)"])
        }
        try await end(context, functions: functions, status: .failed, error: message)
        log.end(.failed, message)
        try await services.connections.setError(
            .sync,
            subject: context.sync.name,
            operationID: log.id,
            row: context.connection.id
        )
    }

    private func end(
        _ context: SyncRunContext,
        functions: SyncRunFunctions,
        status: SyncRun.Status,
        error: String?
    ) async throws {
        try await end(
            context.sync,
            context.run,
            status: status,
            error: error,
            checkpoint: functions.checkpoint,
            connection: context.connection
        )
    }

    /// Writes the end of a run with its webhooks. Also for runs whose process died: what they committed is told.
    func end(
        _ sync: Sync,
        _ run: SyncRun,
        status: SyncRun.Status,
        error: String?,
        checkpoint: JSONValue?,
        connection: Connection?
    ) async throws {
        let now = services.clock.now
        let failures = status == .failed ? sync.failures + 1 : 0
        var events: [WebhookEvent] = []
        if let connection {
            // The counts are read back: they were committed with the records.
            let stored = try await services.syncs.run(run.id) ?? run
            events = try await services.webhooks.events(
                for: stored,
                of: sync,
                connection: connection,
                models: services.catalog.definition(named: sync.name, integrationKey: sync.integrationKey)?.models
                    ?? [],
                status: status,
                error: error,
                checkpoint: checkpoint,
                now: now
            )
        }
        try await services.syncs.endRun(
            RunFence(syncID: sync.id, runID: run.id, generation: run.generation),
            ending: RunEnding(
                status: status,
                error: error,
                nextRunAt: connection == nil ? nil : nextRun(sync, run, status: status, failures: failures, now: now),
                failures: failures
            ),
            events: events,
            now: now
        )
        services.webhookWakeUp.ring()
        services.syncWakeUp.ring()
    }

    /// The next tick of the sync's own raster, so that slow runs do not drift and missed ticks collapse into one; after a
    /// failure earlier, by the retry policy.
    private func nextRun(
        _ sync: Sync,
        _ run: SyncRun,
        status: SyncRun.Status,
        failures: Int,
        now: Timestamp
    ) -> Timestamp {
        if status == .abandoned { return now }
        let interval = services.catalog.frequency(of: sync).interval
        let elapsed = max(0, (now - run.startedAt).microseconds)
        let ticks = elapsed / interval.microseconds + 1
        // A twentieth earlier or later, so that syncs which began together do not stay together.
        let jitter = Double(interval.microseconds) * Double.random(in: -0.05...0.05)
        let regular = run.startedAt + .microseconds(ticks * interval.microseconds + Int64(jitter))
        guard status == .failed else { return max(regular, now) }
        var random = SystemRandomNumberGenerator()
        let retry = RetryPolicy.syncRuns.delay(afterAttempt: failures, random: &random).map { now + $0 }
        return min(regular, retry ?? regular)
    }
}

/// What a run has committed so far.
private final class RunProgress: Sendable {
    private let counts = Mutex<[String: ChangeCounts]>([:])

    func add(_ batch: [String: ChangeCounts]) {
        counts.withLock { $0.merge(batch) { $0 + $1 } }
    }

    var summary: String {
        let models = counts.withLock { $0 }.sorted { $0.key < $1.key }
        guard !models.isEmpty else { return "Nothing has changed." }
        return models.map { model, counts in
            "\(model): \(counts.added) added, \(counts.updated) updated, \(counts.deleted) deleted, "
                + "\(counts.unchanged) unchanged."
        }
        .joined(separator: " ")
    }
}
