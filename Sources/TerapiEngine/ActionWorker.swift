import Logging
public import ServiceLifecycle
import Synchronization
import TerapiCore

/// Runs what stands in the queue of actions, many at a time.
public struct ActionWorker: Service {
    static let maxRuns = 100
    static let upkeepInterval = Duration.seconds(600)
    /// How long a run may go on when the server is stopping.
    static let graceAtStop = Duration.seconds(8)
    /// The waits between the tries that a caller has allowed.
    static let retries = RetryPolicy(
        delays: [.seconds(3), .seconds(10), .seconds(30), .seconds(60), .seconds(120)])

    let services: EngineServices

    public func run() async throws {
        let isStopping = Mutex(false)
        await withGracefulShutdownHandler {
            await work { isStopping.withLock { $0 } || Task.isCancelled }
        } onGracefulShutdown: {
            isStopping.withLock { $0 = true }
            services.actionWakeUp.ring()
        }
    }

    /// Settles the runs of a process that is gone: before the server is ready.
    public func recover() async throws {
        for run in try await services.actions.interruptedActions(notOwnedBy: services.bootID) {
            guard let connection = try await services.connections.connection(row: run.connectionID) else { continue }
            if run.hasSent {
                if run.kind == .webhook {
                    try await ProviderWebhookRunner(services: services).giveUp(run, connection: connection)
                }
                try await end(run, .outcomeUnknown, TerapiError.cutOff.kept, connection)
                operation(of: run, connection).end(.failed, TerapiError.cutOff.message)
            } else if run.kind == .awaited {
                // Nothing was done, and nobody waits: the same key may come again.
                try await services.actions.removeAction(run.id)
                operation(of: run, connection).end(.cancelled, "The server ended during the run. It had sent nothing.")
            } else {
                try await services.actions.postponeAction(run.id, until: services.clock.now)
                if run.kind != .event { operation(of: run, connection).wait() }
            }
        }
        try await services.actions.removeExpiredActions(now: services.clock.now)
    }

    /// Runs what is due now, to its end.
    /// - Returns: how many runs there were.
    @discardableResult
    public func runOnce() async throws -> Int {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var count = 0
            while true {
                let runs = try await claim(Self.maxRuns, busy: [:])
                guard !runs.isEmpty else { break }
                count += runs.count
                for run in runs { group.addTask { await perform(run) } }
            }
            try await group.waitForAll()
            return count
        }
    }

    private func work(until isStopping: @Sendable () -> Bool) async {
        let busy = Busy<Int64>()
        var nextUpkeep = services.clock.now + Self.upkeepInterval
        await withDiscardingTaskGroup { group in
            while !isStopping() {
                do {
                    if services.clock.now >= nextUpkeep {
                        nextUpkeep = services.clock.now + Self.upkeepInterval
                        try await services.actions.removeExpiredActions(now: services.clock.now)
                    }
                    let free = Self.maxRuns - busy.total
                    let runs = free > 0 ? try await claim(free, busy: busy.counts) : []
                    for run in runs {
                        busy.take(run.scope.environmentID)
                        group.addTask {
                            await perform(run)
                            busy.free(run.scope.environmentID)
                            services.actionWakeUp.ring()
                        }
                    }
                    // With no place free the end of a run rings.
                    let nextDue = busy.total < Self.maxRuns ? try await services.actions.nextActionAt() : nil
                    let moment = min(nextDue ?? nextUpkeep, nextUpkeep)
                    await services.actionWakeUp.wait(until: moment, clock: services.clock)
                } catch is CancellationError {
                    break
                } catch {
                    services.logger.error(
                        "Looking for actions that are due failed.", metadata: ["error": "\(error)"])
                    try? await services.clock.sleep(for: .seconds(1))
                }
            }
            let deadline = services.clock.now + Self.graceAtStop
            while busy.total > 0, services.clock.now < deadline, !Task.isCancelled {
                await services.actionWakeUp.wait(until: deadline, clock: services.clock)
            }
            group.cancelAll()
        }
    }

    private func claim(_ limit: Int, busy: [Int64: Int]) async throws -> [ActionRun] {
        try await services.actions.claimActions(
            limit: limit,
            busy: busy,
            owner: services.bootID,
            now: services.clock.now
        )
    }

    /// Never throws: how it ends is kept. What is cut off stays as it is: the next start settles it.
    private func perform(_ run: ActionRun) async {
        do {
            // Deleted since it was asked for, and its runs with it.
            guard let connection = try await services.connections.connection(row: run.connectionID) else { return }
            let integration = try await services.settings.integration(key: connection.integrationKey, in: run.scope)
            guard let integration else { return }
            switch run.kind {
            case .event: try await performEvent(run, connection, integration)
            case .webhook: try await performWebhook(run, connection, integration)
            case .queued, .awaited: try await performAction(run, connection, integration)
            }
        } catch is CancellationError {
            return
        } catch {
            services.logger.error("An action could not begin or end.", metadata: ["error": "\(error)"])
        }
    }

    private func performAction(_ run: ActionRun, _ connection: Connection, _ integration: Integration) async throws {
        let runner = ActionRunner(services: services)
        let effects = services.effects(of: run)
        do {
            let input = try run.input.map { try JSONReader.read($0) }
            let call = try runner.prepare(run.name, input: input, connection, integration)
            let output = try await runner.run(call, id: run.id, effects: effects)
            try await end(run, .success, output, connection)
        } catch let error as TerapiError {
            guard let wait = wait(after: error, run, effects) else {
                let state: ActionRun.State = error.code == .outcomeUnknown ? .outcomeUnknown : .failed
                return try await end(run, state, error.kept, connection)
            }
            let seconds = Int(wait.seconds.rounded(.up))
            operation(of: run, connection).write(
                .warn, "Try \(run.attempts) failed. The next one begins in \(seconds) s.")
            try await services.actions.postponeAction(run.id, until: services.clock.now + wait)
            services.actionWakeUp.ring()
        }
    }

    /// How long to wait before the next try; `nil` when there is none.
    private func wait(after error: TerapiError, _ run: ActionRun, _ effects: RunEffects) -> Duration? {
        guard run.attempts <= run.maxRetries else { return nil }
        switch error.code {
        case .notFound, .invalidActionInput, .invalidActionOutput, .scriptOutputTooLarge, .outcomeUnknown, .staleRun:
            return nil
        case .scriptLimitExceeded where effects.hasSent:
            // It was stopped in the middle: nobody knows of what.
            return nil
        default:
            var random = SystemRandomNumberGenerator()
            return Self.retries.delay(afterAttempt: run.attempts, random: &random)
        }
    }

    private func performWebhook(_ run: ActionRun, _ connection: Connection, _ integration: Integration) async throws {
        do {
            try await ProviderWebhookRunner(services: services).run(
                run,
                connection: connection,
                integration: integration,
                effects: services.effects(of: run),
                log: operation(of: run, connection)
            )
            try await end(run, .success, nil, connection)
        } catch let error as TerapiError {
            try await end(run, error.code == .outcomeUnknown ? .outcomeUnknown : .failed, error.kept, connection)
        }
    }

    /// Runs the scripts that follow the making of a connection, then lets its syncs begin.
    private func performEvent(_ run: ActionRun, _ connection: Connection, _ integration: Integration) async throws {
        let runner = ActionRunner(services: services)
        let effects = services.effects(of: run)
        let event = OnEventDefinition.Event(rawValue: run.name)
        for script in event.map({ services.catalog.onEvents($0, integrationKey: integration.key, in: run.scope) }) ?? []
        {
            do {
                _ = try await runner.run(script, connection: connection, integration: integration, effects: effects)
            } catch is TerapiError {
                // Its operation in the logs tells of it. The connection is made, and goes on.
            }
        }
        try await services.syncs.addSyncs(
            services.catalog.syncs(integrationKey: integration.key, in: run.scope),
            to: connection.id,
            now: services.clock.now
        )
        services.syncWakeUp.ring()
        try await end(run, .success, nil, connection)
    }

    /// Keeps how a run ended; tries for as long as the storage does not take it.
    private func end(
        _ run: ActionRun,
        _ state: ActionRun.State,
        _ answer: [UInt8]?,
        _ connection: Connection
    ) async throws {
        while true {
            do {
                var event: WebhookEvent?
                if run.kind == .queued {
                    let now = services.clock.now
                    event = try await services.webhooks.actionEvent(run, connection: connection, now: now)
                }
                try await services.actions.endAction(
                    run.id,
                    state,
                    answer: answer,
                    event: event,
                    now: services.clock.now
                )
                services.webhookWakeUp.ring()
                return
            } catch let error as TerapiError where error.code == .storageUnavailable {
                services.logger.error("The end of an action could not be kept yet.", metadata: ["error": "\(error)"])
                try await services.clock.sleep(for: .seconds(1))
            }
        }
    }

    /// The operation of a run that is not at work now.
    private func operation(of run: ActionRun, _ connection: Connection) -> OperationLog {
        OperationLog(
            LogOperation(
                id: run.id,
                scope: run.scope,
                kind: run.kind.logKind,
                message: run.name,
                integrationKey: connection.integrationKey,
                connectionID: connection.connectionID,
                subject: run.name,
                createdAt: run.createdAt
            ),
            sink: services.log,
            clock: services.clock
        )
    }
}

extension ActionRun.Kind {
    fileprivate var logKind: LogOperation.Kind {
        switch self {
        case .awaited, .queued: .actionRun
        case .event: .postConnectionCreation
        case .webhook: .incomingWebhook
        }
    }
}
