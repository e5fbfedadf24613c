import Synchronization
import TerapiCore

/// What a running sync's script may ask for, in the terms of its one connection.
final class SyncRunFunctions: ScriptFunctions {
    private struct State {
        var metadata: JSONObject
        var checkpoint: JSONValue?
        /// Full reads in progress: the model and the generation under which seen records are noted.
        var fullReads: [String: Int64] = [:]
    }

    private let context: SyncRunContext
    private let batcher: RecordBatcher
    private let client: ConnectionClient
    private let services: EngineServices
    private let log: OperationLog
    private let state: Mutex<State>

    init(
        context: SyncRunContext,
        batcher: RecordBatcher,
        client: ConnectionClient,
        services: EngineServices,
        log: OperationLog
    ) {
        self.context = context
        self.batcher = batcher
        self.client = client
        self.services = services
        self.log = log
        state = Mutex(
            State(metadata: context.connection.metadata ?? [:], checkpoint: context.sync.checkpoint)
        )
    }

    /// The checkpoint that the script saved last.
    private var checkpoint: JSONValue? { state.withLock { $0.checkpoint } }

    func send(_ request: ScriptRequest) async throws -> ScriptResponse {
        try await client.send(request, metadata: state.withLock { $0.metadata })
    }

    func change(_ change: ScriptRecordChange) async throws {
        let model = try declaredModel(change.model)
        if !change.ids.isEmpty {
            try await batcher.add(
                RecordChange(
                    kind: change.kind,
                    stream: stream(model),
                    ids: change.ids,
                    documents: change.documents,
                    seenGeneration: state.withLock { $0.fullReads[model] }
                )
            )
        }
        if let checkpoint = change.checkpoint { try await saveCheckpoint(checkpoint) }
    }

    func call(_ name: String, arguments: [JSONValue]) async throws -> JSONValue {
        switch name {
        case "getCheckpoint": return checkpoint ?? .null
        case "saveCheckpoint":
            try await saveCheckpoint(arguments.first ?? .null)
            return .null
        case "clearCheckpoint":
            state.withLock { $0.checkpoint = nil }
            try await batcher.add(.clear)
            return .null
        case "getMetadata": return .object(state.withLock { $0.metadata })
        case "setMetadata": return try await setMetadata(arguments.first, merge: false)
        case "updateMetadata": return try await setMetadata(arguments.first, merge: true)
        case "getConnection": return try await connectionForScript(options: arguments.last)
        case "getToken": return try await token()
        case "getIntegration": return integrationForScript
        case "getEnvironmentVariables": return []
        case "log": return writeLog(arguments)
        case "trackDeletesStart": return try await beginFullRead(arguments)
        case "trackDeletesEnd": return try await endFullRead(arguments)
        case "getRecordsByIds": return try await recordsByIDs(arguments)
        case "listRecords": return try await listRecords(arguments)
        default:
            throw TerapiError(.scriptError, "A sync cannot call \(name).")
        }
    }

    private func saveCheckpoint(_ checkpoint: JSONValue) async throws {
        guard let object = checkpoint.object,
            object.members.allSatisfy({ $0.value.string != nil || $0.value.double != nil || $0.value.bool != nil })
        else {
            throw TerapiError(
                .scriptError,
                "A checkpoint is a flat object whose values are strings, numbers or booleans; got \(checkpoint.text())."
            )
        }
        state.withLock { $0.checkpoint = checkpoint }
        try await batcher.add(.set(checkpoint))
    }

    private func setMetadata(_ value: JSONValue?, merge: Bool) async throws -> JSONValue {
        guard let object = value?.object else {
            throw TerapiError(.scriptError, "Metadata is an object; got \(value?.text() ?? "nothing").")
        }
        try await services.connections.setMetadata(
            object,
            merge: merge,
            connectionIDs: [context.connection.connectionID],
            integrationKey: context.connection.integrationKey,
            in: context.connection.scope,
            now: services.clock.now
        )
        state.withLock { $0.metadata = merge ? $0.metadata.merging(object) : object }
        return .null
    }

    private func connectionForScript(options: JSONValue?) async throws -> JSONValue {
        let credentials = try await credentials(forceRefresh: options?["forceRefresh"]?.bool ?? false)
        let connection = context.connection
        return [
            "connection_id": .string(connection.connectionID),
            "provider_config_key": .string(connection.integrationKey),
            "provider": .string(connection.provider),
            "connection_config": .object(connection.config),
            "metadata": .object(state.withLock { $0.metadata }),
            "tags": JSONValue(connection.tags),
            "credentials": credentials.publicJSON(includesRefreshToken: options?["refreshToken"]?.bool ?? false),
        ]
    }

    /// What the script gets it may print: from now on the log knows it.
    private func credentials(forceRefresh: Bool) async throws -> Credentials {
        let (credentials, _) = try await services.credentials.credentials(
            of: context.connection,
            integration: context.integration,
            forceRefresh: forceRefresh,
            staleGeneration: nil
        )
        log.hide(credentials.allSecrets)
        return credentials
    }

    private func token() async throws -> JSONValue {
        let credentials = try await credentials(forceRefresh: false)
        switch credentials {
        case .oauth2(let oauth): return .string(oauth.accessToken.reveal())
        case .apiKey(let key): return .string(key.reveal())
        default: return credentials.publicJSON(includesRefreshToken: false)
        }
    }

    private var integrationForScript: JSONValue {
        let integration = context.integration
        return [
            "unique_key": .string(integration.key),
            "provider": .string(integration.provider),
            "display_name": .string(integration.displayName),
            "custom": .object(integration.custom),
        ]
    }

    private func writeLog(_ arguments: [JSONValue]) -> JSONValue {
        let level = arguments.dropFirst().compactMap { $0["level"]?.string }.last
        let meta = arguments.count > 1 ? arguments[1].object ?? [:] : [:]
        log.write(
            level.flatMap(LogMessage.Level.init(rawValue:)) ?? .info,
            arguments.first?.string ?? arguments.first?.text() ?? "",
            meta: meta,
            isFromScript: true
        )
        return .null
    }

    private func beginFullRead(_ arguments: [JSONValue]) async throws -> JSONValue {
        let model = try declaredModel(arguments.first?.string)
        let generation = try await services.records.beginFullRead(of: stream(model), run: context.fence)
        state.withLock { $0.fullReads[model] = generation }
        return .null
    }

    private func endFullRead(_ arguments: [JSONValue]) async throws -> JSONValue {
        let model = try declaredModel(arguments.first?.string)
        guard state.withLock({ $0.fullReads.removeValue(forKey: model) }) != nil else {
            throw TerapiError(.scriptError, "trackDeletesEnd(\"\(model)\") came without trackDeletesStart.")
        }
        try await batcher.flush()
        let outcome = try await services.records.endFullRead(
            of: stream(model),
            run: context.fence,
            scope: context.connection.scope,
            allowsMassDeletion: context.definition.allowsMassDeletion || context.sync.isMassDeletionConfirmed
        )
        switch outcome {
        case .deleted(let count):
            return ["deleted": JSONValue(count)]
        case .refused(let vanishing, let total):
            throw MassDeletionRefused(model: model, vanishing: vanishing, total: total)
        }
    }

    private func recordsByIDs(_ arguments: [JSONValue]) async throws -> JSONValue {
        let ids = (arguments.first?.array ?? []).map { $0.string ?? $0.text() }
        let model = try declaredModel(arguments.dropFirst().first?.string)
        try await batcher.flush()
        let found = try await services.records.documents(ids: ids, in: stream(model), scope: context.connection.scope)
        return .object(JSONObject(try found.map { ($0.id, try Self.read($0.document)) }))
    }

    /// One page; the prelude asks again with the last id until none comes.
    private func listRecords(_ arguments: [JSONValue]) async throws -> JSONValue {
        let model = try declaredModel(arguments.first?.string)
        try await batcher.flush()
        let found = try await services.records.documents(
            after: arguments.dropFirst().first?["cursor"]?.string,
            limit: 100,
            in: stream(model),
            scope: context.connection.scope
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

    private func stream(_ model: String) -> RecordStream {
        RecordStream(connectionID: context.connection.id, model: model, variant: context.sync.variant)
    }

    private func declaredModel(_ name: String?) throws -> String {
        guard let name, context.definition.models.contains(name) else {
            throw TerapiError(
                .scriptError,
                "The sync saves the model \"\(name ?? "")\", but declares only "
                    + context.definition.models.joined(separator: ", ") + "."
            )
        }
        return name
    }
}

/// A full read would delete so many records that a person has to confirm it.
struct MassDeletionRefused: Error {
    var model: String
    var vanishing: Int
    var total: Int

    var message: String {
        "\(vanishing) of \(total) records of \(model) are missing at the provider. Nothing was deleted and the sync is "
            + "paused. If they are really gone, confirm it with POST /sync/trigger and opts.confirm_deletions, then "
            + "start the sync; or set allow_mass_deletion in its definition."
    }
}
