import Logging
public import TerapiCore

/// Runs actions on a caller's request, at once or by the queue.
public struct ActionController: ActionControl {
    let services: EngineServices
    let admission: Admission

    public func actions(integrationKey: String, in scope: EnvironmentScope) -> [ActionDefinition] {
        services.catalog.actions(integrationKey: integrationKey, in: scope).map(\.definition)
    }

    public func onEvents(integrationKey: String, in scope: EnvironmentScope) -> [OnEventDefinition] {
        services.catalog.onEvents(integrationKey: integrationKey, in: scope)
    }

    public func run(_ request: ActionRequest) async throws -> [UInt8] {
        let runner = ActionRunner(services: services)
        let call = try await runner.prepare(request)
        let run = ActionRun(
            scope: request.scope,
            connectionID: call.connection.id,
            kind: .awaited,
            name: request.name,
            state: .running,
            createdAt: services.clock.now
        )
        guard let key = request.idempotencyKey else {
            let effects = services.effects(ofUnkept: run)
            return try await forgetting(run, effects) {
                try await admission.admit(request.scope.environmentID) {
                    try await runner.run(call, id: run.id, effects: effects)
                }
            }
        }
        if let known = try await begin(run, key, request) {
            switch known.result {
            case .success(let output): return output
            case .failure(let error): throw error
            case .pending:
                throw TerapiError(
                    .idempotencyKeyInUse,
                    "The first request with this idempotency key is still being worked on. Ask again in a moment.",
                    retryAfterSeconds: 1
                )
            }
        }
        return try await finish(run) {
            try await admission.admit(request.scope.environmentID) {
                try await runner.run(call, id: run.id, effects: services.effects(of: run))
            }
        }
    }

    public func enqueue(_ request: ActionRequest, maxRetries: Int) async throws -> String {
        let call = try await ActionRunner(services: services).prepare(request)
        let run = ActionRun(
            scope: request.scope,
            connectionID: call.connection.id,
            kind: .queued,
            name: request.name,
            state: .waiting,
            input: call.input?.encoded(),
            maxRetries: maxRetries,
            createdAt: services.clock.now
        )
        if let known = try await begin(run, request.idempotencyKey, request) { return known.id }
        services.actionWakeUp.ring()
        return run.id
    }

    public func result(of id: String, in scope: EnvironmentScope) async throws -> ActionResult? {
        try await services.actions.action(id, in: scope, now: services.clock.now)?.result
    }

    /// - Returns: the run that the key has begun before; `nil` when this one has begun.
    private func begin(_ run: ActionRun, _ key: String?, _ request: ActionRequest) async throws -> ActionRun? {
        let asked: JSONValue = [
            "kind": .string(run.kind.rawValue),
            "integration": .string(request.integrationKey),
            "connection": .string(request.connectionID),
            "action": .string(request.name),
            "input": request.input ?? .null,
        ]
        let beginning = try await services.actions.beginAction(
            run,
            key: key.map { IdempotencyKey(text: $0, request: asked.encoded(sortedKeys: true)) },
            owner: services.bootID,
            now: services.clock.now
        )
        switch beginning {
        case .begun: return nil
        case .known(let known): return known
        case .otherRequest:
            throw TerapiError(
                .idempotencyKeyReused,
                "This idempotency key came with another request before. A new request needs a new key."
            )
        }
    }

    /// Keeps how a run with an idempotency key ends.
    private func finish(_ run: ActionRun, _ body: () async throws -> [UInt8]) async throws -> [UInt8] {
        do {
            let output = try await body()
            await keep(run, .success, output)
            return output
        } catch let error as TerapiError where error.code == .tooManyRequests {
            // It has not begun: the same key may come again.
            try? await services.actions.removeAction(run.id)
            throw error
        } catch let error as TerapiError {
            await keep(run, error.code == .outcomeUnknown ? .outcomeUnknown : .failed, error.kept)
            throw error
        }
        // A run that was cut off stays as it is: the next start settles it.
    }

    /// Forgets at its end a run that was kept only because it sent something.
    private func forgetting(_ run: ActionRun, _ effects: RunEffects, _ body: () async throws -> [UInt8]) async throws
        -> [UInt8]
    {
        do {
            let output = try await body()
            await forget(run, effects)
            return output
        } catch let error as TerapiError {
            await forget(run, effects)
            throw error
        }
        // A run that was cut off stays as it is: the next start settles it.
    }

    private func forget(_ run: ActionRun, _ effects: RunEffects) async {
        guard effects.hasSent else { return }
        do {
            try await services.actions.forgetAction(run.id)
        } catch {
            // The next start of the server takes it for one that was cut off.
            services.logger.error("An action could not be forgotten.", metadata: ["error": "\(error)"])
        }
    }

    private func keep(_ run: ActionRun, _ state: ActionRun.State, _ answer: [UInt8]) async {
        do {
            try await services.actions.endAction(run.id, state, answer: answer, event: nil, now: services.clock.now)
        } catch {
            // The key stays in use, so nothing is repeated; the next start of the server settles it.
            services.logger.error("The end of an action could not be kept.", metadata: ["error": "\(error)"])
        }
    }
}

extension EngineServices {
    /// Puts on the disk that a kept run is about to send something.
    func effects(of run: ActionRun) -> RunEffects {
        RunEffects { [actions] in try await actions.noteActionSends(run.id) }
    }

    /// Puts a run on the disk when it is about to send something, so that the next start knows how to call its end.
    func effects(ofUnkept run: ActionRun) -> RunEffects {
        RunEffects { [actions, bootID] in try await actions.keepSendingAction(run, owner: bootID) }
    }
}

extension ActionRun {
    var result: ActionResult {
        switch state {
        case .waiting, .running: .pending
        case .success: .success(answer ?? Array("null".utf8))
        case .failed, .outcomeUnknown: .failure(answer.map(TerapiError.init(kept:)) ?? .cutOff)
        }
    }
}
