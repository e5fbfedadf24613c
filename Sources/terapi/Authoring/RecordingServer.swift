import Synchronization
import TerapiCore
import TerapiScripts

/// Remembers what another server answers.
final class RecordingServer: DryrunServer {
    private struct Tape {
        /// In the order in which they were sent; `nil` while there is no answer.
        var exchanges: [Exchange?] = []
        var calls: [ScriptTest.Call] = []
    }

    private let server: any DryrunServer
    private let tape = Mutex(Tape())

    init(_ server: any DryrunServer) {
        self.server = server
    }

    var exchanges: [Exchange] { tape.withLock { $0.exchanges.compactMap(\.self) } }
    var calls: [ScriptTest.Call] { tape.withLock { $0.calls } }

    func send(_ request: ScriptRequest) async throws -> ScriptResponse {
        let place = tape.withLock { tape in
            tape.exchanges.append(nil)
            return tape.exchanges.count - 1
        }
        do {
            let response = try await server.send(request)
            tape.withLock { $0.exchanges[place] = Exchange(request, .success(response)) }
            return response
        } catch let error as TerapiError {
            tape.withLock { $0.exchanges[place] = Exchange(request, .failure(error)) }
            throw error
        }
    }

    func call(_ name: String, arguments: [JSONValue]) async throws -> JSONValue? {
        guard let result = try await server.call(name, arguments: arguments) else { return nil }
        tape.withLock { tape in
            guard !tape.calls.contains(where: { $0.name == name && $0.arguments == arguments }) else { return }
            tape.calls.append(ScriptTest.Call(name: name, arguments: arguments, result: result))
        }
        return result
    }
}
