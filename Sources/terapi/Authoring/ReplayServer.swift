import TerapiCore
import TerapiScripts

/// Answers from a test: there is no network behind it.
struct ReplayServer: DryrunServer {
    let replay: Replay
    let calls: [ScriptTest.Call]

    init(_ test: ScriptTest) {
        replay = Replay(test.exchanges)
        calls = test.calls
    }

    func send(_ request: ScriptRequest) async throws -> ScriptResponse {
        try replay.answer(request)
    }

    func call(_ name: String, arguments: [JSONValue]) async throws -> JSONValue? {
        calls.first { $0.name == name && $0.arguments == arguments }?.result
    }
}
