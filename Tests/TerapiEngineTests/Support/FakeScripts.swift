import Synchronization
import TerapiCore

/// A script runtime whose scripts are closures.
final class FakeScripts: ScriptRuntime {
    typealias Script = @Sendable (ScriptRun) async throws -> Void

    private let scripts = Mutex<[String: Script]>([:])

    /// Runs that have begun.
    let begun = Counter()

    /// - Parameter name: integration and sync: `desk/tickets`.
    func set(_ name: String = "desk/tickets", _ script: @escaping Script) {
        scripts.withLock { $0[name] = script }
    }

    func run(_ invocation: ScriptInvocation, functions: any ScriptFunctions) async throws -> [UInt8] {
        begun.increment()
        guard let script = scripts.withLock({ $0[invocation.name] }) else {
            throw TerapiError(.scriptError, "There is no script \(invocation.name).")
        }
        try await script(ScriptRun(invocation: invocation, functions: functions))
        return Array("null".utf8)
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
}
