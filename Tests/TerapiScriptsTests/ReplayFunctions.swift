import Synchronization
import TerapiCore
import TerapiScripts

/// A server for one test of a script: answers from what the test holds and keeps what a dryrun would show.
final class ReplayFunctions: ScriptFunctions {
    private struct State {
        var changes: [String: JSONObject] = [:]
        var tracked: JSONObject = [:]
        var checkpoint: JSONValue?
    }

    let replay: Replay
    private let facts: JSONObject
    private let state: Mutex<State>

    init(_ test: ScriptTest) {
        replay = Replay(test.exchanges)
        facts = test.facts
        state = Mutex(State(checkpoint: test.facts["checkpoint"]))
    }

    /// In the form of `terapi dryrun --json`.
    func document(output: JSONValue, error: TerapiError?) -> JSONValue {
        let state = state.withLock { $0 }
        return [
            "output": output,
            "saved": .object(state.changes["save"] ?? [:]),
            "updated": .object(state.changes["update"] ?? [:]),
            "deleted": .object(state.changes["delete"] ?? [:]),
            "tracked": .object(state.tracked),
            "checkpoint": state.checkpoint ?? .null,
            "metadata": facts["metadata"] ?? .null,
            "error": error?.payload ?? error.map { ["message": .string($0.message)] } ?? .null,
        ]
    }

    func send(_ request: ScriptRequest) async throws -> ScriptResponse {
        try replay.answer(request)
    }

    func change(_ change: ScriptRecordChange) async throws {
        let documents = try change.documents.map { try JSONReader.read($0) }
        state.withLock { state in
            let known = state.changes[change.kind.rawValue]?[change.model]?.array ?? []
            state.changes[change.kind.rawValue, default: [:]][change.model] = .array(known + documents)
            if let checkpoint = change.checkpoint { state.checkpoint = checkpoint }
        }
    }

    func call(_ name: String, arguments: [JSONValue]) async throws -> JSONValue {
        switch name {
        case "getConnection": return facts["connection"] ?? ["connection_config": [:], "credentials": [:]]
        case "getMetadata": return facts["metadata"] ?? [:]
        case "getCheckpoint": return state.withLock { $0.checkpoint } ?? .null
        case "saveCheckpoint": state.withLock { $0.checkpoint = arguments.first }
        case "clearCheckpoint": state.withLock { $0.checkpoint = nil }
        case "listRecords": return ["records": [], "next_cursor": .null]
        case "trackDeletesStart", "trackDeletesEnd":
            let model = arguments.first?.string ?? ""
            state.withLock { state in
                var steps = state.tracked[model]?.object ?? [:]
                steps[name == "trackDeletesStart" ? "started" : "ended"] = true
                state.tracked[model] = .object(steps)
            }
            return name == "trackDeletesEnd" ? ["deletedKeys": []] : .null
        default: break
        }
        return .null
    }
}
