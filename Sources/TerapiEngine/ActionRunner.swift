import Logging
import TerapiCore

/// Runs one action, or one script of an event, from its input to its answer.
struct ActionRunner: Sendable {
    static let actionTimeout = Duration.seconds(15 * 60)
    static let eventTimeout = Duration.seconds(5 * 60)
    static let maxOutputBytes = 2 << 20
    /// How often a run that has had no effect is begun anew when its process ends under it.
    static let maxHosts = 3

    /// An action with everything that it needs, checked.
    struct Call: Sendable {
        var action: ScriptCatalog.Action
        var connection: Connection
        var integration: Integration
        var input: JSONValue?
        var depth: Int
    }

    let services: EngineServices

    /// - Throws: `TerapiError`: `.unknownProvider`, `.unknownConnection`, `.notFound`, `.invalidActionInput`.
    func prepare(_ request: ActionRequest, depth: Int = 0) async throws -> Call {
        let (connection, integration) = try await services.connected(
            request.connectionID,
            integrationKey: request.integrationKey,
            in: request.scope
        )
        return try prepare(request.name, input: request.input, connection, integration, depth: depth)
    }

    func prepare(
        _ name: String,
        input: JSONValue?,
        _ connection: Connection,
        _ integration: Integration,
        depth: Int = 0
    ) throws -> Call {
        guard let action = services.catalog.action(named: name, integrationKey: integration.key, in: integration.scope)
        else {
            throw TerapiError(
                .notFound,
                "The integration \"\(integration.key)\" has no action \"\(name)\"."
            )
        }
        var input = input
        if let schema = action.input {
            // Who sends nothing to an action of which all inputs are optional means an object without members.
            if input == nil, !schema.issues(with: .null).isEmpty, schema.issues(with: [:]).isEmpty { input = [:] }
            let issues = schema.issues(with: input ?? .null)
            guard issues.isEmpty else {
                throw TerapiError(.invalidActionInput, "The input of the action is not valid.", issues: issues)
            }
        }
        return Call(action: action, connection: connection, integration: integration, input: input, depth: depth)
    }

    /// - Parameter id: of the operation in the logs.
    /// - Returns: what the action returned, as JSON.
    /// - Throws: `TerapiError` as ``ActionControl/run(_:)`` describes, or `CancellationError`.
    func run(_ call: Call, id: String = randomUUID(), effects: RunEffects) async throws -> [UInt8] {
        let definition = call.action.definition
        let log = operation(.actionRun, id: id, definition.name, call.connection)
        return try await logged(log) {
            let output = try await run(
                ScriptInvocation(
                    environmentID: call.connection.scope.environmentID,
                    kind: .action,
                    name: "\(definition.integrationKey)/\(definition.name)",
                    code: definition.code,
                    properties: ConnectionFunctions.properties(of: call.connection, providers: services.providers),
                    input: call.input,
                    timeout: Self.actionTimeout
                ),
                place: definition.name,
                ConnectionFunctions.Run(
                    connection: call.connection,
                    integration: call.integration,
                    credentials: services.credentials,
                    depth: call.depth,
                    effects: effects,
                    log: log
                )
            )
            .output
            try check(output, schema: call.action.output)
            return output
        }
    }

    /// Runs one script of an event.
    /// - Parameters:
    ///   - credentials: of a connection that is not stored yet; `nil` when it is.
    /// - Returns: the connection's metadata, if the script has changed it.
    func run(
        _ definition: OnEventDefinition,
        connection: Connection,
        integration: Integration,
        credentials: Credentials? = nil,
        effects: RunEffects = RunEffects()
    ) async throws -> JSONObject? {
        let log = operation(definition.event.logKind, id: randomUUID(), definition.name, connection)
        return try await logged(log) {
            try await run(
                ScriptInvocation(
                    environmentID: connection.scope.environmentID,
                    kind: .onEvent,
                    name: "\(definition.integrationKey)/\(definition.name)",
                    code: definition.code,
                    properties: ConnectionFunctions.properties(of: connection, providers: services.providers),
                    timeout: Self.eventTimeout
                ),
                place: definition.name,
                ConnectionFunctions.Run(
                    connection: connection,
                    integration: integration,
                    credentials: credentials.map(GivenCredentials.init) ?? services.credentials,
                    isStored: credentials == nil,
                    effects: effects,
                    log: log
                )
            )
            .metadata
        }
    }

    // MARK: Running

    private func run(
        _ invocation: ScriptInvocation,
        place name: String,
        _ run: ConnectionFunctions.Run
    ) async throws -> (output: [UInt8], metadata: JSONObject?) {
        defer { services.locks.releaseAll(of: run.log.id) }
        var hosts = 0
        while true {
            hosts += 1
            let common = ConnectionFunctions(run, services: services)
            let functions = ActionFunctions(
                common,
                place: ScriptPlace(connectionID: run.connection.id, kind: invocation.kind, name: name),
                storage: services.actions
            )
            do {
                return (try await services.scripts.run(invocation, functions: functions), common.changedMetadata)
            } catch let error as TerapiError where Self.isCutOff(error, functions) {
                guard !run.effects.hasSent else {
                    throw TerapiError(
                        .outcomeUnknown,
                        "The process that ran \(invocation.name) ended after the script had sent a request that may "
                            + "have had an effect. It is not run again by itself: see at the provider what happened.",
                        cause: error
                    )
                }
                // Who brings a process down himself would bring down the next one too.
                guard error.code == .scriptHostLost, hosts < Self.maxHosts else { throw error }
                run.log.write(.warn, "\(error.message) It had sent nothing that has an effect, and begins anew.")
            } catch let error as TerapiError {
                throw shown(error, functions)
            }
        }
    }

    /// Whether a script came to no end of its own. What a script throws has a payload, and what its calls throw is known.
    private static func isCutOff(_ error: TerapiError, _ functions: ActionFunctions) -> Bool {
        switch error.code {
        case .scriptHostLost: true
        case .scriptError: error.payload == nil && !functions.hasThrown(error)
        default: false
        }
    }

    /// The error as the caller of an action may see it.
    private func shown(_ error: TerapiError, _ functions: ActionFunctions) -> TerapiError {
        guard error.code == .scriptError, let thrown = error.payload else { return error }
        var shown = error
        let isActionError = thrown["type"]?.string == "action_script_runtime_error"
        if !isActionError, let upstream = functions.upstream(of: thrown["payload"]) {
            shown.code = .scriptHTTPError
            shown.upstream = upstream
            shown.payload = thrown["payload"]
        } else {
            shown.code = .actionScriptFailure
            // What was thrown by `ActionError` is meant for the caller; other errors tell where they come from.
            shown.payload = thrown["payload"] ?? thrown
        }
        return shown
    }

    private func check(_ output: [UInt8], schema: JSONSchema?) throws {
        guard output.count <= Self.maxOutputBytes else {
            throw TerapiError(
                .scriptOutputTooLarge,
                "The action returned \(output.count) bytes; \(Self.maxOutputBytes) are allowed."
            )
        }
        guard let schema else { return }
        let issues: [TerapiError.Issue]
        do {
            issues = schema.issues(with: try JSONReader.read(output))
        } catch {
            throw TerapiError(.invalidActionOutput, "The output of the action cannot be read.", cause: error)
        }
        guard issues.isEmpty else {
            throw TerapiError(.invalidActionOutput, "The output of the action is not valid.", issues: issues)
        }
    }

    // MARK: Logging

    private func operation(
        _ kind: LogOperation.Kind,
        id: String,
        _ name: String,
        _ connection: Connection
    ) -> OperationLog {
        OperationLog(
            LogOperation(
                id: id,
                scope: connection.scope,
                kind: kind,
                message: name,
                integrationKey: connection.integrationKey,
                connectionID: connection.connectionID,
                subject: name,
                createdAt: services.clock.now
            ),
            sink: services.log,
            clock: services.clock
        )
    }

    /// Ends the operation as the body ends, and takes secrets out of what is thrown.
    private func logged<Result>(_ log: OperationLog, _ body: () async throws -> Result) async throws -> Result {
        do {
            let result = try await body()
            log.end(.success)
            return result
        } catch  where Task.isCancelled {
            // Whatever was thrown, it was the stopping that made it fail.
            log.end(.cancelled, "The server is stopping.")
            throw CancellationError()
        } catch let error as TerapiError {
            let shown = log.redacted(error)
            log.end(.failed, shown.messageWithIssues)
            throw shown
        } catch {
            let shown = TerapiError(.serverError, "It failed for a reason inside the server.", cause: error)
            services.logger.error("An action failed.", metadata: ["error": "\(error)", "operation": "\(log.id)"])
            log.end(.failed, shown.message)
            throw shown
        }
    }
}

/// Credentials that are not stored yet.
private struct GivenCredentials: CredentialSource {
    let credentials: Credentials

    func credentials(
        of connection: Connection,
        integration: Integration,
        forceRefresh: Bool,
        staleGeneration: Int64?
    ) async throws -> (credentials: Credentials, generation: Int64) {
        (credentials, 0)
    }
}

extension OnEventDefinition.Event {
    fileprivate var logKind: LogOperation.Kind {
        switch self {
        case .postConnectionCreation: .postConnectionCreation
        case .preConnectionDeletion: .preConnectionDeletion
        case .validateConnection: .validateConnection
        }
    }
}

extension TerapiError {
    /// The message and, after it, what is wrong where.
    var messageWithIssues: String {
        ([message] + issues.map { "\($0.path.joined(separator: ".")): \($0.message)" }).joined(separator: " ")
    }
}
