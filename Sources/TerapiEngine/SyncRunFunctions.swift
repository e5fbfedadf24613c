import Synchronization
import TerapiCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What a running sync's script may ask for, in the terms of its one connection.
final class SyncRunFunctions: ScriptFunctions {
    private struct State {
        var checkpoint: JSONValue?
        /// Full reads in progress: the model and the generation under which seen records are noted.
        var fullReads: [String: Int64] = [:]
        /// Models whose full read this run has ended.
        var ended: Set<String> = []
        /// Where a model's records are left alone that others change.
        var marks: [String: MergingMark] = [:]
    }

    private let context: SyncRunContext
    private let batcher: RecordBatcher
    private let common: ConnectionFunctions
    private let records: any RecordStorage
    private let check: RecordCheck
    private let newest: NewestWins
    private let backfill: BackfillReporter?
    private let state: Mutex<State>

    /// - Parameter backfill: `nil` for a run that reads no history.
    init(
        context: SyncRunContext,
        batcher: RecordBatcher,
        common: ConnectionFunctions,
        records: any RecordStorage,
        backfill: BackfillReporter? = nil
    ) {
        self.context = context
        self.batcher = batcher
        self.common = common
        self.records = records
        let log = common.run.log
        check = RecordCheck(context.definition) { log.write(.warn, $0) }
        newest = NewestWins(context.definition)
        self.backfill = backfill
        state = Mutex(State(checkpoint: context.sync.checkpoint))
    }

    /// The checkpoint that the script saved last.
    private var checkpoint: JSONValue? { state.withLock { $0.checkpoint } }

    func send(_ request: ScriptRequest) async throws -> ScriptResponse {
        try await common.send(request)
    }

    func change(_ change: ScriptRecordChange) async throws {
        let model = try declaredModel(change.model)
        try check.look(at: change)
        if !change.ids.isEmpty {
            let change = try await newest.settle(change) {
                try await batcher.flush()
            } stored: { ids in
                try await records.documents(ids: ids, in: stream(model), scope: context.connection.scope)
            }
            let (seenGeneration, mark) = state.withLock { ($0.fullReads[model], $0.marks[model]) }
            try await batcher.add(
                RecordChange(
                    kind: change.kind,
                    stream: stream(model),
                    ids: change.ids,
                    documents: change.documents,
                    seenGeneration: seenGeneration,
                    mark: mark
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
        case "trackDeletesStart":
            try await beginFullRead(declaredModel(arguments.first?.string))
            return .null
        case "trackDeletesEnd": return try await trackDeletesEnd(arguments)
        case Self.olderCall: return try await deleteUnseen(arguments)
        case "setMergingStrategy":
            try await setMergingStrategy(arguments)
            return .null
        case "reportBackfill":
            guard let backfill else { throw TerapiError(.scriptError, "Only a sync's exec reads a history.") }
            // What is told as read is on the disk.
            try await batcher.flush()
            try await backfill.report(arguments.first ?? .null)
            return .null
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

    // MARK: Full reads

    private static let olderCall = "deleteRecordsFromPreviousExecutions"

    /// Whether the run as a whole is a full read that ends where the script says so, by the older call. What it has seen
    /// must be noted from its beginning, so what counts is that the call stands in the script.
    private var mayEndByOlderCall: Bool {
        context.definition.code.withCString { strstr($0, Self.olderCall) != nil }
    }

    /// Before the script begins.
    func begin() async throws {
        guard context.definition.readsEverything || mayEndByOlderCall else { return }
        for model in context.definition.models { try await beginFullRead(model) }
    }

    /// After the script's end.
    func finish() async throws {
        if context.definition.readsEverything {
            for model in context.definition.models where state.withLock({ $0.fullReads[model] != nil }) {
                _ = try await endFullRead(model)
            }
        } else if mayEndByOlderCall, state.withLock({ !$0.fullReads.isEmpty }) {
            // The run came to its end without the call: the next one is a reading of its own.
            try await batcher.flush()
            try await records.abandonFullReads(run: context.run.fence)
        }
    }

    private func beginFullRead(_ model: String) async throws {
        let generation = try await records.beginFullRead(of: stream(model), run: context.run.fence)
        state.withLock { $0.fullReads[model] = generation }
    }

    private func trackDeletesEnd(_ arguments: [JSONValue]) async throws -> JSONValue {
        let model = try declaredModel(arguments.first?.string)
        guard state.withLock({ $0.fullReads[model] != nil }) else {
            throw TerapiError(.scriptError, "trackDeletesEnd(\"\(model)\") came without trackDeletesStart.")
        }
        return ["deletedKeys": JSONValue(try await endFullRead(model))]
    }

    private func deleteUnseen(_ arguments: [JSONValue]) async throws -> JSONValue {
        let model = try declaredModel(arguments.first?.string)
        let (isOpen, hasEnded) = state.withLock { ($0.fullReads[model] != nil, $0.ended.contains(model)) }
        guard isOpen || hasEnded else {
            throw TerapiError(.scriptError, "\(Self.olderCall) must be called by its name: nothing was noted for it.")
        }
        return ["deletedKeys": JSONValue(isOpen ? try await endFullRead(model) : [])]
    }

    /// - Returns: the ids of the records that were deleted.
    private func endFullRead(_ model: String) async throws -> [String] {
        state.withLock { state in
            state.fullReads[model] = nil
            state.ended.insert(model)
        }
        try await batcher.flush()
        let outcome = try await records.endFullRead(
            of: stream(model),
            run: context.run.fence,
            scope: context.connection.scope,
            allowsMassDeletion: context.definition.allowsMassDeletion || context.sync.isMassDeletionConfirmed
        )
        switch outcome {
        case .deleted(let ids): return ids
        case .refused(let vanishing, let total):
            throw MassDeletionRefused(model: model, vanishing: vanishing, total: total)
        }
    }

    // MARK: Records

    private func setMergingStrategy(_ arguments: [JSONValue]) async throws {
        let model = try declaredModel(arguments.dropFirst().first?.string)
        let strategy = arguments.first?["strategy"]
        switch strategy?.string {
        case "override": state.withLock { $0.marks[model] = nil }
        case "ignore_if_modified_after":
            // What this run has saved before is not to be taken for another's.
            try await batcher.flush()
            let mark = MergingMark(position: try await records.position(of: stream(model)))
            state.withLock { $0.marks[model] = mark }
        default:
            throw TerapiError(
                .scriptError,
                "setMergingStrategy takes the strategy \"override\" or \"ignore_if_modified_after\"; got "
                    + (strategy?.text() ?? "none") + "."
            )
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
