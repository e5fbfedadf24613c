import Synchronization
import TerapiCore

/// What a running sync's script may ask for, in the terms of its one connection.
final class SyncRunFunctions: ScriptFunctions {
    private struct State {
        var checkpoint: JSONValue?
        /// Full reads in progress: the model and the generation under which seen records are noted.
        var fullReads: [String: Int64] = [:]
    }

    private let context: SyncRunContext
    private let batcher: RecordBatcher
    private let common: ConnectionFunctions
    private let records: any RecordStorage
    private let state: Mutex<State>

    init(
        context: SyncRunContext,
        batcher: RecordBatcher,
        common: ConnectionFunctions,
        records: any RecordStorage
    ) {
        self.context = context
        self.batcher = batcher
        self.common = common
        self.records = records
        state = Mutex(State(checkpoint: context.sync.checkpoint))
    }

    /// The checkpoint that the script saved last.
    private var checkpoint: JSONValue? { state.withLock { $0.checkpoint } }

    func send(_ request: ScriptRequest) async throws -> ScriptResponse {
        try await common.send(request)
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
        case "trackDeletesStart": return try await beginFullRead(arguments)
        case "trackDeletesEnd": return try await endFullRead(arguments)
        case "getRecordsByIds": return try await recordsByIDs(arguments)
        case "listRecords": return try await recordPage(arguments)
        default:
            guard let answer = try await common.call(name, arguments: arguments) else {
                throw TerapiError(.scriptError, "A sync cannot call \(name).")
            }
            return answer
        }
    }

    private func saveCheckpoint(_ checkpoint: JSONValue) async throws {
        let checkpoint = try ConnectionFunctions.checked(checkpoint: checkpoint)
        state.withLock { $0.checkpoint = checkpoint }
        try await batcher.add(.set(checkpoint))
    }

    private func beginFullRead(_ arguments: [JSONValue]) async throws -> JSONValue {
        let model = try declaredModel(arguments.first?.string)
        let generation = try await records.beginFullRead(of: stream(model), run: context.fence)
        state.withLock { $0.fullReads[model] = generation }
        return .null
    }

    private func endFullRead(_ arguments: [JSONValue]) async throws -> JSONValue {
        let model = try declaredModel(arguments.first?.string)
        guard state.withLock({ $0.fullReads.removeValue(forKey: model) }) != nil else {
            throw TerapiError(.scriptError, "trackDeletesEnd(\"\(model)\") came without trackDeletesStart.")
        }
        try await batcher.flush()
        let outcome = try await records.endFullRead(
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
        let model = try declaredModel(arguments.dropFirst().first?.string)
        try await batcher.flush()
        return try await common.recordsByIDs(arguments, in: stream(model))
    }

    private func recordPage(_ arguments: [JSONValue]) async throws -> JSONValue {
        let model = try declaredModel(arguments.first?.string)
        try await batcher.flush()
        return try await common.recordPage(arguments, in: stream(model))
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
