import Synchronization
import TerapiCore

/// What the script of an action or of an event may ask.
final class ActionFunctions: ScriptFunctions {
    /// Answers of the provider that a script may fail with are remembered up to this number.
    private static let maxFailures = 16
    private static let maxRefusals = 1_000
    /// As much of the provider's answer as an error carries on.
    private static let maxBodyBytes = 65_536

    private struct State {
        var failures: [(request: String, response: ScriptResponse)] = []
        /// What calls have thrown: scripts may let it pass as it is.
        var refusals: Set<String> = []
    }

    let common: ConnectionFunctions
    private let place: ScriptPlace
    private let checkpoint: ScriptCheckpoint
    private let state = Mutex(State())

    init(_ common: ConnectionFunctions, place: ScriptPlace, storage: any ActionStorage) {
        self.common = common
        self.place = place
        checkpoint = ScriptCheckpoint(of: place, storage: storage, isStored: common.run.isStored)
    }

    func send(_ request: ScriptRequest) async throws -> ScriptResponse {
        let response = try await noting { try await common.send(request) }
        if response.status >= 400 {
            state.withLock { state in
                if state.failures.count >= Self.maxFailures { state.failures.removeFirst() }
                state.failures.append(("\(request.method) \(request.endpoint)", response))
            }
        }
        return response
    }

    func change(_ change: ScriptRecordChange) async throws {
        try await noting {
            throw TerapiError(
                .scriptError,
                "Only a sync can save, update or delete records: batchSave, batchUpdate and batchDelete are not for "
                    + (place.kind == .action ? "actions." : "scripts of events.")
            )
        }
    }

    func call(_ name: String, arguments: [JSONValue]) async throws -> JSONValue {
        try await noting { try await answer(name, arguments) }
    }

    /// Whether an error with which the script ended is one that a call of its own had thrown.
    func hasThrown(_ error: TerapiError) -> Bool {
        state.withLock { $0.refusals.contains(error.message) }
    }

    private func noting<Result>(_ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch let error as TerapiError {
            state.withLock { state in
                if state.refusals.count >= Self.maxRefusals { state.refusals = [] }
                state.refusals.insert(error.message)
            }
            throw error
        }
    }

    private func answer(_ name: String, _ arguments: [JSONValue]) async throws -> JSONValue {
        if let answer = try await checkpoint.call(name, arguments) { return answer }
        switch name {
        case "getRecordsByIds": return try await common.recordsByIDs(arguments, in: stream(arguments))
        case "listRecords":
            return try await common.recordPage(arguments, in: stream([.null] + arguments.prefix(1)))
        default:
            guard let answer = try await common.call(name, arguments: arguments) else {
                let caller = place.kind == .action ? "an action" : "an event's script"
                throw TerapiError(.scriptError, "\(name) is for syncs: \(caller) cannot call it.")
            }
            return answer
        }
    }

    /// The provider's answer that an error tells about, as the caller of an action may see it.
    /// - Parameter payload: of the error: `request` as method and endpoint, and `status`.
    func upstream(of payload: JSONValue?) -> JSONValue? {
        guard let status = payload?["status"]?.int, let request = payload?["request"]?.string else { return nil }
        let failed = state.withLock { state in
            // A request may have been written in another form than it was sent in; its status was not.
            state.failures.last { $0.request == request && $0.response.status == status }
                ?? state.failures.last { $0.response.status == status }
        }
        guard let response = failed?.response else { return nil }
        let headers = response.headers.filter { $0.name == "content-type" || $0.name.hasPrefix("x-rate") }
        let body = response.body.prefix(Self.maxBodyBytes)
        return [
            "status": JSONValue(status),
            "headers": .object(JSONObject(headers.map { ($0.name, .string($0.value)) })),
            "body": (try? JSONReader.read(body)) ?? .string(String(decoding: body, as: UTF8.self)),
        ]
    }

    private func stream(_ arguments: [JSONValue]) throws -> RecordStream {
        guard let model = arguments.dropFirst().first?.string, !model.isEmpty else {
            throw TerapiError(.scriptError, "The name of a model is missing.")
        }
        return RecordStream(connectionID: common.run.connection.id, model: model)
    }
}
