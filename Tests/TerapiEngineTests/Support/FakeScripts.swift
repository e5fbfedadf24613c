import Synchronization
import TerapiCore

/// A script runtime whose scripts are closures.
final class FakeScripts: ScriptRuntime {
    typealias Script = @Sendable (ScriptRun) async throws -> Void
    typealias AnsweringScript = @Sendable (ScriptRun) async throws -> JSONValue

    private let scripts = Mutex<[String: AnsweringScript]>([:])

    /// Runs that have begun.
    let begun = Counter()

    /// - Parameter name: integration and sync: `desk/tickets`.
    func set(_ name: String = "desk/tickets", _ script: @escaping Script) {
        answer(name) { run in
            try await script(run)
            return .null
        }
    }

    /// - Parameter name: integration and action, or script of an event: `desk/create-ticket`.
    func answer(_ name: String, _ script: @escaping AnsweringScript) {
        scripts.withLock { $0[name] = script }
    }

    func run(_ invocation: ScriptInvocation, functions: any ScriptFunctions) async throws -> [UInt8] {
        begun.increment()
        guard let script = scripts.withLock({ $0[invocation.name] }) else {
            throw TerapiError(.scriptError, "There is no script \(invocation.name).")
        }
        return try await script(ScriptRun(invocation: invocation, functions: functions)).encoded()
    }
}

/// What a closure that plays a script works with.
struct ScriptRun: Sendable {
    let invocation: ScriptInvocation
    let functions: any ScriptFunctions

    func save(
        _ ids: some Sequence<Int>,
        title: String = "first",
        model: String = "Ticket",
        kind: ScriptRecordChange.Kind = .save
    ) async throws {
        let ids = ids.map(String.init)
        try await functions.change(
            ScriptRecordChange(
                kind: kind,
                model: model,
                ids: ids,
                documents: ids.map { ArraySlice(#"{"id":"\#($0)","title":"\#(title)"}"#.utf8) }
            )
        )
    }

    @discardableResult
    func call(_ name: String, _ arguments: JSONValue...) async throws -> JSONValue {
        try await functions.call(name, arguments: arguments)
    }

    func get(_ endpoint: String, retries: Int = 0) async throws -> ScriptResponse {
        try await functions.send(ScriptRequest(method: "GET", endpoint: endpoint, retries: retries))
    }

    @discardableResult
    func post(_ endpoint: String) async throws -> ScriptResponse {
        try await functions.send(ScriptRequest(method: "POST", endpoint: endpoint))
    }

    /// What the script host throws when a script throws an `ActionError`.
    static func actionError(_ payload: JSONValue) -> TerapiError {
        thrown("action_script_runtime_error", "desk failed", payload: payload)
    }

    /// What the script host throws when a script lets the failure of a request pass.
    static func requestError(_ request: String, status: Int) -> TerapiError {
        thrown(
            "RequestError",
            "Request failed with status code \(status)",
            payload: ["request": .string(request), "status": JSONValue(status)]
        )
    }

    private static func thrown(_ type: String, _ message: String, payload: JSONValue) -> TerapiError {
        TerapiError(
            .scriptError,
            message,
            payload: ["type": .string(type), "message": .string(message), "payload": payload]
        )
    }

    /// What the script host throws when its process ends because of another run.
    static let hostLost = TerapiError(.scriptHostLost, "The script host was lost.")
    /// What it throws when the run brings the process down.
    static let hostCrashed = TerapiError(.scriptError, "The script host crashed.")
}
