import Synchronization
public import TerapiCore

/// Answers a script's requests from what was recorded, each once, and remembers what did not fit.
public final class Replay: Sendable {
    private struct State {
        var rest: [Exchange]
        var unexpected: [RecordedRequest] = []
    }

    private let exchanges: [Exchange]
    private let state: Mutex<State>

    public init(_ exchanges: [Exchange]) {
        self.exchanges = exchanges
        state = Mutex(State(rest: exchanges))
    }

    /// Requests that have no recorded answer, or were sent more often than it was recorded.
    public var unexpected: [RecordedRequest] { state.withLock { $0.unexpected } }

    /// Recorded exchanges whose request was not sent.
    public var missing: [Exchange] { state.withLock { $0.rest } }

    /// The recorded exchanges whose request was sent, in the order in which they were recorded.
    public var used: [Exchange] {
        var missing = missing
        return exchanges.filter { exchange in
            guard let place = missing.firstIndex(of: exchange) else { return true }
            missing.remove(at: place)
            return false
        }
    }

    /// - Throws: `TerapiError(.providerUnreachable)` when nothing was recorded for the request, or what was recorded.
    public func answer(_ request: ScriptRequest) throws -> ScriptResponse {
        let sent = RecordedRequest(request)
        let found = state.withLock { state -> Exchange? in
            guard let place = state.rest.firstIndex(where: { $0.request == sent }) else {
                state.unexpected.append(sent)
                return nil
            }
            return state.rest.remove(at: place)
        }
        guard let found else {
            throw TerapiError(.providerUnreachable, "The test has no answer to \(sent.summary).")
        }
        return try found.response
    }
}
