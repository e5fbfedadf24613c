import Synchronization
import TerapiCore
import TerapiScripts

/// A server for scripts: answers from closures, remembers what it was given.
final class FakeFunctions: ScriptFunctions {
    private struct State {
        var requests: [ScriptRequest] = []
        var changes: [ScriptRecordChange] = []
        var calls: [(name: String, arguments: [JSONValue])] = []
    }

    private let state = Mutex(State())
    private let respond: @Sendable (ScriptRequest) async throws -> ScriptResponse
    private let accept: @Sendable (ScriptRecordChange) async throws -> Void
    private let answer: @Sendable (String, [JSONValue]) async throws -> JSONValue

    init(
        respond: @escaping @Sendable (ScriptRequest) async throws -> ScriptResponse = { _ in .json("[]") },
        change: @escaping @Sendable (ScriptRecordChange) async throws -> Void = { _ in },
        answer: @escaping @Sendable (String, [JSONValue]) async throws -> JSONValue = { _, _ in .null }
    ) {
        self.respond = respond
        accept = change
        self.answer = answer
    }

    var requests: [ScriptRequest] { state.withLock { $0.requests } }
    var changes: [ScriptRecordChange] { state.withLock { $0.changes } }
    var calls: [String] { state.withLock { $0.calls.map { "\($0.name)\(JSONValue.array($0.arguments).text())" } } }
    var ids: [String] { changes.flatMap(\.ids) }
    var documents: [String] { changes.flatMap(\.documents).map { String(decoding: $0, as: UTF8.self) } }

    func send(_ request: ScriptRequest) async throws -> ScriptResponse {
        state.withLock { $0.requests.append(request) }
        return try await respond(request)
    }

    func change(_ change: ScriptRecordChange) async throws {
        state.withLock { state in
            state.changes.append(change)
            if let checkpoint = change.checkpoint { state.calls.append(("saveCheckpoint", [checkpoint])) }
        }
        try await accept(change)
    }

    func call(_ name: String, arguments: [JSONValue]) async throws -> JSONValue {
        state.withLock { $0.calls.append((name, arguments)) }
        return try await answer(name, arguments)
    }
}

extension ScriptResponse {
    static func json(_ text: String, status: Int = 200, headers: [(name: String, value: String)] = []) -> Self {
        ScriptResponse(status: status, headers: headers, body: Array(text.utf8))
    }
}

extension ScriptRequest {
    func parameter(_ name: String) -> String? {
        query.first { $0.name == name }?.value
    }
}
