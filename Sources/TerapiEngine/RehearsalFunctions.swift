import Synchronization
import TerapiCore

/// What the script of a dryrun may ask: the connection is the real one, requests really leave, and nothing is kept.
final class RehearsalFunctions: ScriptFunctions {
    /// Beyond this the answer would be too large for who reads it.
    static let maxBytes = 20_000_000

    private struct State {
        var changes: [ScriptRecordChange.Kind: JSONObject] = [:]
        var bytes = 0
        var tracked: JSONObject = [:]
        var checkpoint: JSONValue?
        var logs: [JSONValue] = []
        var requests: [JSONValue] = []
    }

    private let common: ConnectionFunctions
    private let kind: ScriptInvocation.Kind
    private let models: [String]
    private let log: OperationLog
    private let state: Mutex<State>

    init(
        _ common: ConnectionFunctions,
        kind: ScriptInvocation.Kind,
        models: [String],
        checkpoint: JSONValue?,
        log: OperationLog
    ) {
        self.common = common
        self.kind = kind
        self.models = models
        self.log = log
        state = Mutex(State(checkpoint: checkpoint))
    }

    /// In the form of `terapi dryrun --json`.
    func result(output: JSONValue, metadata: JSONObject) -> JSONValue {
        let state = state.withLock { $0 }
        return [
            "output": output,
            "saved": .object(state.changes[.save] ?? [:]),
            "updated": .object(state.changes[.update] ?? [:]),
            "deleted": .object(state.changes[.delete] ?? [:]),
            "tracked": .object(state.tracked),
            "checkpoint": state.checkpoint ?? .null,
            "metadata": .object(metadata),
            "logs": .array(state.logs),
            "requests": .array(state.requests),
        ]
    }

    func send(_ request: ScriptRequest) async throws -> ScriptResponse {
        let started = ContinuousClock.now
        do {
            let response = try await common.send(request)
            note(request, status: response.status, since: started)
            return response
        } catch {
            note(request, status: nil, since: started)
            throw error
        }
    }

    func change(_ change: ScriptRecordChange) async throws {
        let model = try declaredModel(change.model)
        let documents = try change.documents.map { document in
            do {
                return try JSONReader.read(document)
            } catch {
                throw TerapiError(.scriptError, "A record of \(model) is not JSON.", cause: error)
            }
        }
        let bytes = change.documents.reduce(0) { $0 + $1.count }
        try state.withLock { state in
            state.bytes += bytes
            guard state.bytes <= Self.maxBytes else {
                throw TerapiError(
                    .scriptLimitExceeded,
                    "The dryrun was stopped: it keeps at most \(Self.maxBytes / 1_000_000) MB of records."
                )
            }
            let known = state.changes[change.kind]?[model]?.array ?? []
            state.changes[change.kind, default: [:]][model] = .array(known + documents)
        }
        if let checkpoint = change.checkpoint { try set(checkpoint: checkpoint) }
    }

    func call(_ name: String, arguments: [JSONValue]) async throws -> JSONValue {
        switch name {
        case "getCheckpoint": return state.withLock { $0.checkpoint } ?? .null
        case "saveCheckpoint": try set(checkpoint: arguments.first ?? .null)
        case "clearCheckpoint": state.withLock { $0.checkpoint = nil }
        case "trackDeletesStart": try track("started", arguments)
        case "trackDeletesEnd", "deleteRecordsFromPreviousExecutions":
            try track("ended", arguments)
            return ["deletedKeys": []]
        case "setMergingStrategy", "reportBackfill": break
        case "getRecordsByIds":
            return try await common.recordsByIDs(arguments, in: stream(arguments.dropFirst().first?.string))
        case "listRecords": return try await common.recordPage(arguments, in: stream(arguments.first?.string))
        case "log":
            note(arguments)
            return try await common.call(name, arguments: arguments) ?? .null
        // Nobody is kept out for the sake of a rehearsal.
        case "tryAcquireLock", "releaseLock": return true
        case "triggerAction", "triggerSync", "startSync":
            let text = "\(name)(\(arguments.map { $0.text() }.joined(separator: ", "))) is not done in a dryrun."
            note([.string(text), .null, ["level": "warn"]])
        default:
            guard let answer = try await common.call(name, arguments: arguments) else {
                throw TerapiError(.scriptError, "A script cannot call \(name).")
            }
            return answer
        }
        return .null
    }

    private func set(checkpoint: JSONValue) throws {
        let checkpoint = try ConnectionFunctions.checked(checkpoint: checkpoint)
        state.withLock { $0.checkpoint = checkpoint }
    }

    private func track(_ step: String, _ arguments: [JSONValue]) throws {
        let model = try declaredModel(arguments.first?.string)
        state.withLock { state in
            var steps = state.tracked[model]?.object ?? [:]
            steps[step] = true
            state.tracked[model] = .object(steps)
        }
    }

    private func declaredModel(_ name: String?) throws -> String {
        guard kind == .sync else {
            throw TerapiError(.scriptError, "Only a sync can save, update or delete records.")
        }
        guard let name, models.contains(name) else {
            throw TerapiError(
                .scriptError,
                "The sync saves the model \"\(name ?? "")\", but declares only \(models.joined(separator: ", "))."
            )
        }
        return name
    }

    private func stream(_ model: String?) throws -> RecordStream {
        guard let model, !model.isEmpty else {
            throw TerapiError(.scriptError, "The name of a model is missing.")
        }
        return RecordStream(connectionID: common.run.connection.id, model: model)
    }

    private func note(_ arguments: [JSONValue]) {
        var entry: JSONObject = [
            "level": arguments.dropFirst().compactMap { $0["level"]?.string }.last.map(JSONValue.string) ?? "info",
            "message": .string(log.redacted(arguments.first?.string ?? arguments.first?.text() ?? "")),
        ]
        if arguments.count > 1, !arguments[1].isNull {
            let text = log.redacted(arguments[1].text())
            entry["meta"] = (try? JSONReader.read(text)) ?? .string(text)
        }
        state.withLock { state in
            guard state.logs.count < OperationLog.maxScriptMessages else { return }
            state.logs.append(.object(entry))
        }
    }

    private func note(_ request: ScriptRequest, status: Int?, since started: ContinuousClock.Instant) {
        let milliseconds = (ContinuousClock.now - started).microseconds / 1000
        let entry: JSONValue = [
            "method": .string(request.method),
            "endpoint": .string(log.redacted(request.endpoint)),
            "status": status.map { JSONValue($0) } ?? .null,
            "duration_ms": JSONValue(milliseconds),
        ]
        state.withLock { state in
            if state.requests.count < OperationLog.maxScriptMessages { state.requests.append(entry) }
        }
    }
}
