import Synchronization
import TerapiCore

/// What every script may ask in the terms of its one connection, whatever kind of script it is.
final class ConnectionFunctions: Sendable {
    /// How deep scripts may call actions that call actions.
    static let maxDepth = 5

    private struct State {
        var metadata: JSONObject
        var isMetadataChanged = false
    }

    /// The run on whose behalf a script asks.
    struct Run: Sendable {
        var connection: Connection
        var integration: Integration
        /// Those of a connection that is not stored yet, or the engine's.
        var credentials: any CredentialSource
        /// Whether the connection is stored; until then what is written to it stays in memory.
        var isStored = true
        /// How many scripts have called each other to get here.
        var depth = 0
        var effects = RunEffects()
        var log: OperationLog
    }

    let run: Run
    private let services: EngineServices
    private let client: ConnectionClient
    private let state: Mutex<State>

    init(_ run: Run, services: EngineServices) {
        self.run = run
        self.services = services
        client = ConnectionClient(
            connection: run.connection,
            integration: run.integration,
            providers: services.providers,
            credentials: run.credentials,
            gate: services.gate,
            clock: services.clock,
            log: run.log
        )
        state = Mutex(State(metadata: run.connection.metadata ?? [:]))
    }

    /// What a script of any kind sees as properties.
    static func properties(of connection: Connection, providers: any ProviderAPI) -> JSONObject {
        [
            "connectionId": .string(connection.connectionID),
            "providerConfigKey": .string(connection.integrationKey),
            "provider": .string(connection.provider),
            "paginate": providers.provider(connection.provider)?.proxy.paginate.map(JSONValue.object) ?? .null,
        ]
    }

    /// The metadata as the script has made it, or `nil` when it has changed nothing.
    var changedMetadata: JSONObject? {
        state.withLock { $0.isMetadataChanged ? $0.metadata : nil }
    }

    func send(_ request: ScriptRequest) async throws -> ScriptResponse {
        try await run.effects.beforeSending(request.method)
        return try await client.send(request, metadata: state.withLock { $0.metadata })
    }

    /// - Returns: `nil` when not every kind of script may call this.
    func call(_ name: String, arguments: [JSONValue]) async throws -> JSONValue? {
        switch name {
        case "getMetadata": .object(state.withLock { $0.metadata })
        case "setMetadata": try await setMetadata(arguments.first, merge: false)
        case "updateMetadata": try await setMetadata(arguments.first, merge: true)
        case "getConnection": try await connectionForScript(arguments)
        case "getToken": try await token()
        case "getIntegration": integrationForScript
        case "getEnvironmentVariables": try await variables()
        case "getFlowAttributes": [:]
        case "getWebhookURL": try await webhookURL()
        case "log": writeLog(arguments)
        case "triggerAction": try await triggerAction(arguments)
        case "triggerSync": try await triggerSync(arguments)
        case "startSync": try await startSync(arguments)
        case "tryAcquireLock": try acquireLock(arguments)
        case "releaseLock": .bool(services.locks.release(try lockKey(arguments), in: scope, owner: run.log.id))
        case "releaseAllLocks": releaseAllLocks()
        default: nil
        }
    }

    private var scope: EnvironmentScope { run.connection.scope }

    // MARK: The connection

    private func setMetadata(_ value: JSONValue?, merge: Bool) async throws -> JSONValue {
        guard let object = value?.object else {
            throw TerapiError(.scriptError, "Metadata is an object; got \(value?.text() ?? "nothing").")
        }
        if run.isStored {
            try await services.connections.setMetadata(
                object,
                merge: merge,
                connectionIDs: [run.connection.connectionID],
                integrationKey: run.connection.integrationKey,
                in: scope,
                now: services.clock.now
            )
        }
        state.withLock { state in
            state.metadata = merge ? state.metadata.merging(object) : object
            state.isMetadataChanged = true
        }
        return .null
    }

    /// `getConnection()`, or `getConnection(integration, connection, options)` for another of the environment.
    private func connectionForScript(_ arguments: [JSONValue]) async throws -> JSONValue {
        let names = arguments.prefix(2).map(\.string)
        let options = arguments.last?.object.map(JSONValue.object)
        let forcesRefresh = options?["forceRefresh"]?.bool ?? false
        let showsRefreshToken = options?["refreshToken"]?.bool ?? false
        let key = names.first.flatMap(\.self) ?? run.connection.integrationKey
        let connectionID = names.dropFirst().first.flatMap(\.self) ?? run.connection.connectionID
        if key == run.connection.integrationKey, connectionID == run.connection.connectionID {
            let credentials = try await credentials(forceRefresh: forcesRefresh)
            let metadata = state.withLock { $0.metadata }
            return json(run.connection, metadata, credentials, showsRefreshToken: showsRefreshToken)
        }
        let (other, integration) = try await services.connected(connectionID, integrationKey: key, in: scope)
        let (credentials, _) = try await services.credentials.credentials(
            of: other,
            integration: integration,
            forceRefresh: forcesRefresh,
            staleGeneration: nil
        )
        run.log.hide(credentials.allSecrets)
        return json(other, other.metadata ?? [:], credentials, showsRefreshToken: showsRefreshToken)
    }

    private func json(
        _ connection: Connection,
        _ metadata: JSONObject,
        _ credentials: Credentials,
        showsRefreshToken: Bool
    ) -> JSONValue {
        [
            "connection_id": .string(connection.connectionID),
            "provider_config_key": .string(connection.integrationKey),
            "provider": .string(connection.provider),
            "connection_config": .object(connection.config),
            "metadata": .object(metadata),
            "tags": JSONValue(connection.tags),
            "credentials": credentials.publicJSON(includesRefreshToken: showsRefreshToken),
        ]
    }

    /// What the script gets it may print: from now on the log knows it.
    private func credentials(forceRefresh: Bool) async throws -> Credentials {
        let (credentials, _) = try await run.credentials.credentials(
            of: run.connection,
            integration: run.integration,
            forceRefresh: forceRefresh,
            staleGeneration: nil
        )
        run.log.hide(credentials.allSecrets)
        return credentials
    }

    private func token() async throws -> JSONValue {
        let credentials = try await credentials(forceRefresh: false)
        switch credentials {
        case .oauth2(let oauth): return .string(oauth.accessToken.reveal())
        case .apiKey(let key): return .string(key.reveal())
        case .derived(let derived) where derived.token != nil: return JSONValue(derived.token?.reveal())
        default: return credentials.publicJSON(includesRefreshToken: false)
        }
    }

    private var integrationForScript: JSONValue {
        [
            "unique_key": .string(run.integration.key),
            "provider": .string(run.integration.provider),
            "display_name": .string(run.integration.displayName),
            "custom": .object(run.integration.custom),
        ]
    }

    private func variables() async throws -> JSONValue {
        let variables = try await services.settings.variables(in: scope)
        run.log.hide(variables.map(\.value))
        return .array(
            variables.map { ["name": .string($0.name), "value": .string($0.value.reveal())] }
        )
    }

    private func webhookURL() async throws -> JSONValue {
        let environment = try await services.settings.environment(scope)
        return "\(services.publicURL)/webhook/\(environment.uuid)/\(run.integration.key)"
    }

    private func writeLog(_ arguments: [JSONValue]) -> JSONValue {
        let level = arguments.dropFirst().compactMap { $0["level"]?.string }.last
        let meta = arguments.count > 1 ? arguments[1].object ?? [:] : [:]
        run.log.write(
            level.flatMap(LogMessage.Level.init(rawValue:)) ?? .info,
            arguments.first?.string ?? arguments.first?.text() ?? "",
            meta: meta,
            isFromScript: true
        )
        return .null
    }

    // MARK: Checkpoints and records

    /// - Throws: `TerapiError(.scriptError)` unless this can be a checkpoint, of whatever kind of script.
    static func checked(checkpoint: JSONValue) throws -> JSONValue {
        guard let object = checkpoint.object,
            object.members.allSatisfy({ $0.value.string != nil || $0.value.double != nil || $0.value.bool != nil })
        else {
            throw TerapiError(
                .scriptError,
                "A checkpoint is a flat object whose values are strings, numbers or booleans; got \(checkpoint.text())."
            )
        }
        return checkpoint
    }

    /// `getRecordsByIds`: at most some hundred at a time, which is how the prelude asks.
    func recordsByIDs(_ arguments: [JSONValue], in stream: RecordStream) async throws -> JSONValue {
        let ids = (arguments.first?.array ?? []).map { $0.string ?? $0.text() }
        let found = try await services.records.documents(ids: ids, in: stream, scope: scope)
        return .object(JSONObject(try found.map { ($0.id, try Self.read($0.document)) }))
    }

    /// One page of `listRecords`; the prelude asks again with the last id until none comes.
    func recordPage(_ arguments: [JSONValue], in stream: RecordStream) async throws -> JSONValue {
        let found = try await services.records.documents(
            after: arguments.dropFirst().first?["cursor"]?.string,
            limit: 100,
            in: stream,
            scope: scope
        )
        return [
            "records": .array(try found.map { try Self.read($0.document) }),
            "next_cursor": JSONValue(found.count == 100 ? found.last?.id : nil),
        ]
    }

    private static func read(_ document: [UInt8]) throws -> JSONValue {
        do {
            return try JSONReader.read(document)
        } catch {
            throw TerapiError(.serverError, "A stored record is not JSON.", cause: error)
        }
    }

    // MARK: Other scripts

    /// `triggerAction(integration, connection, name, input)`: within this run, so that its caller waits for it.
    private func triggerAction(_ arguments: [JSONValue]) async throws -> JSONValue {
        let (key, connectionID) = try target(of: arguments, "triggerAction")
        guard let name = arguments.dropFirst(2).first?.string else {
            throw TerapiError(.scriptError, "triggerAction takes an integration, a connection, a name and an input.")
        }
        guard run.depth < Self.maxDepth else {
            throw TerapiError(.scriptError, "Actions call each other more than \(Self.maxDepth) deep.")
        }
        let input = arguments.dropFirst(3).first.flatMap { $0.isNull ? Optional<JSONValue>.none : $0 }
        let runner = ActionRunner(services: services)
        let call = try await runner.prepare(
            ActionRequest(scope: scope, integrationKey: key, connectionID: connectionID, name: name, input: input),
            depth: run.depth + 1
        )
        // What it sends, this run has sent.
        let effects = RunEffects { [run] in try await run.effects.beforeSending("POST") }
        return try Self.read(try await runner.run(call, effects: effects))
    }

    /// `triggerSync(integration, connection, sync, options)`.
    private func triggerSync(_ arguments: [JSONValue]) async throws -> JSONValue {
        let (key, connectionID) = try target(of: arguments, "triggerSync")
        let options = arguments.dropFirst(3).first
        try await SyncController(services: services).trigger(
            SyncSelection(
                scope: scope,
                integrationKey: key,
                connectionID: connectionID,
                names: try syncNames(arguments.dropFirst(2).first)
            ),
            // A bare flag is the older form of `reset`.
            reset: options?["reset"]?.bool ?? options?.bool ?? false,
            emptyCache: options?["emptyCache"]?.bool ?? false,
            confirmsMassDeletion: false
        )
        return .null
    }

    /// `startSync(integration, syncs, connection?)`.
    private func startSync(_ arguments: [JSONValue]) async throws -> JSONValue {
        guard let key = arguments.first?.string else {
            throw TerapiError(.scriptError, "startSync takes an integration and syncs.")
        }
        try await SyncController(services: services).start(
            SyncSelection(
                scope: scope,
                integrationKey: key,
                connectionID: arguments.dropFirst(2).first?.string,
                names: try syncNames(arguments.dropFirst().first)
            )
        )
        return .null
    }

    private func target(of arguments: [JSONValue], _ name: String) throws -> (key: String, connectionID: String) {
        guard let key = arguments.first?.string, let connectionID = arguments.dropFirst().first?.string else {
            throw TerapiError(.scriptError, "\(name) takes an integration and a connection first.")
        }
        return (key, connectionID)
    }

    /// A sync as `name`, as `{name, variant}`, or several of them.
    private func syncNames(_ value: JSONValue?) throws -> [String] {
        switch value {
        case .string(let name): return [name]
        case .array(let values): return try values.flatMap { try syncNames($0) }
        case .object(let sync):
            guard let name = sync["name"]?.string else { break }
            return ["\(name)::\(sync["variant"]?.string ?? "base")"]
        default: break
        }
        throw TerapiError(.scriptError, "A sync is named by a text or by an object with name and variant.")
    }

    // MARK: Locks

    private func acquireLock(_ arguments: [JSONValue]) throws -> JSONValue {
        let key = try lockKey(arguments)
        guard let milliseconds = arguments.first?["ttlMs"]?.double, milliseconds > 0, milliseconds <= 86_400_000 else {
            throw TerapiError(.scriptError, "tryAcquireLock needs a ttlMs between 1 and 86400000.")
        }
        let isHeld = services.locks.acquire(
            key,
            in: scope,
            owner: run.log.id,
            for: .milliseconds(Int64(milliseconds.rounded(.up)))
        )
        return .bool(isHeld)
    }

    private func lockKey(_ arguments: [JSONValue]) throws -> String {
        guard let key = arguments.first?["key"]?.string, (1...255).contains(key.utf8.count) else {
            throw TerapiError(.scriptError, "A lock needs a key of 1 to 255 characters.")
        }
        return key
    }

    private func releaseAllLocks() -> JSONValue {
        services.locks.releaseAll(of: run.log.id)
        return .null
    }
}

extension EngineServices {
    /// A connection and its integration.
    /// - Throws: `TerapiError(.unknownProvider)` or `.unknownConnection`.
    func connected(
        _ connectionID: String,
        integrationKey: String,
        in scope: EnvironmentScope
    ) async throws -> (Connection, Integration) {
        guard let integration = try await settings.integration(key: integrationKey, in: scope) else {
            throw TerapiError(.unknownProvider, "There is no such integration in this environment.")
        }
        guard
            let connection = try await connections.connection(connectionID, integrationKey: integrationKey, in: scope)
        else {
            throw TerapiError(.unknownConnection, "There is no such connection in this environment.")
        }
        return (connection, integration)
    }
}
