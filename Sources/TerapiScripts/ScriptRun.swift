import Synchronization
import TerapiCore

/// A run lost its host before it had asked for anything: it can begin again unseen.
struct LostUnused: Error {
    var error: TerapiError
}

/// One run as the server sees it: starts the script, answers its calls, and ends with its result.
struct ScriptRun: Sendable {
    let number: UInt32
    let invocation: ScriptInvocation
    let functions: any ScriptFunctions
    let process: HostProcess
    let modules: SharedModules
    let limits: ScriptLimits

    func run(
        events: AsyncStream<RunEvent>,
        continuation: AsyncStream<RunEvent>.Continuation
    ) async throws -> [UInt8] {
        if let header { try process.sendModules(header, from: modules) }
        process.send(.start, run: number, [settings, [UInt8(ascii: "\n")], Array(invocation.code.utf8)])

        let failures = CallFailures()
        return try await withThrowingDiscardingTaskGroup { group in
            group.addTask {
                try? await Task.sleep(for: invocation.timeout)
                if !Task.isCancelled { continuation.yield(.timedOut) }
            }
            defer {
                continuation.finish()
                group.cancelAll()
            }
            for await event in events {
                switch event {
                case .frame(.request, let call, let body):
                    let request = try read { try ScriptMessages.request(body) }
                    group.addTask {
                        await answer(call, of: number, failures: failures) {
                            let response = try await functions.send(request)
                            return (.response, [ScriptMessages.head(of: response), response.body])
                        }
                    }
                case .frame(.change, let call, let body):
                    let change = try read { try ScriptMessages.change(body) }
                    group.addTask {
                        await answer(call, of: number, failures: failures) {
                            try await functions.change(change)
                            return (.result, [])
                        }
                    }
                case .frame(.call, let call, let body):
                    let (name, arguments) = try read { try ScriptMessages.call(body) }
                    group.addTask {
                        await answer(call, of: number, failures: failures) {
                            (.result, [try await functions.call(name, arguments: arguments).encoded()])
                        }
                    }
                case .frame(.finished, _, let body):
                    process.end(run: number)
                    return body
                case .frame(.failed, _, let body):
                    process.end(run: number)
                    throw try read { try failure(body, failures: failures) }
                case .frame(.limitExceeded, let call, let body):
                    // After its last words the host ends by itself, and tells the others.
                    if call != FrameHeader.lastWords { process.end(run: number) }
                    throw limitExceeded(String(decoding: body, as: UTF8.self))
                case .frame:
                    throw misbehaved()
                case .hostEnded(let ending, let hasActed):
                    let error = hostEnded(ending)
                    throw error.code == .scriptHostLost && !hasActed ? LostUnused(error: error) : error
                case .timedOut:
                    process.abandon(run: number)
                    throw TerapiError(
                        .scriptLimitExceeded,
                        "\(invocation.name) was stopped: it may run for \(invocation.timeout) at most (the limit of time)."
                    )
                }
            }
            process.abandon(run: number)
            throw CancellationError()
        }
    }

    private func answer(
        _ call: UInt32,
        of run: UInt32,
        failures: CallFailures,
        with body: () async throws -> (FrameHeader.Kind, [[UInt8]])
    ) async {
        do {
            let (kind, parts) = try await body()
            process.send(kind, run: run, call: call, parts)
        } catch {
            failures.remember(error, of: call)
            process.send(.failure, run: run, call: call, [ScriptMessages.failure(error)])
        }
    }

    /// A host that sends what no host sends is no longer ours: it ends.
    private func read<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch is ScriptMessages.Malformed {
            throw misbehaved()
        }
    }

    private func misbehaved() -> TerapiError {
        process.kill(because: HostEnding(cause: .died, culprit: .run(number)))
        return TerapiError(.scriptError, "\(invocation.name) failed: the script host sent a message that is not one.")
    }

    private func hostEnded(_ ending: HostEnding) -> TerapiError {
        switch (ending.culprit, ending.cause) {
        case (_, .stopped):
            return TerapiError(.scriptError, "\(invocation.name) was stopped: the script hosts were stopped.")
        case (.run(number), .limit(let limit)):
            return limitExceeded(limit)
        case (.run(number), .crashed(let signal)):
            return TerapiError(
                .scriptError,
                "\(invocation.name) failed: its script host crashed (signal \(signal)) while it computed."
            )
        case (.run(number), _):
            return TerapiError(.scriptError, "\(invocation.name) failed: the script host ended while it computed.")
        default:
            return TerapiError(
                .scriptHostLost,
                "\(invocation.name) was interrupted: its script host ended, and not because of it."
            )
        }
    }

    private func limitExceeded(_ limit: String) -> TerapiError {
        let text =
            switch limit {
            case "memory": "it used more than \(limits.memoryBytes >> 20) MB (the limit of memory)"
            case "frame":
                "it handed over more than \(limits.maxFrameBytes >> 20) MB at once (the limit of a request or batch)"
            case "output": "it returned more than \(limits.maxOutputBytes >> 10) KB (the limit of output)"
            default: "it computed for more than \(limits.turn) without a pause (the limit of CPU time)"
            }
        let code: TerapiError.Code = limit == "output" ? .scriptOutputTooLarge : .scriptLimitExceeded
        return TerapiError(code, "\(invocation.name) was stopped: \(text).")
    }

    private func failure(_ body: [UInt8], failures: CallFailures) throws -> any Error {
        let thrown = try ScriptMessages.json(body[...])
        if let call = thrown["call"]?.int, let error = UInt32(exactly: call).flatMap(failures.error) { return error }
        let request = thrown["request"]?.string.map { "\($0): " } ?? ""
        let place = thrown["location"]?.string.map { header?.shown($0) ?? "\(invocation.name):\($0)" }
        let location = place.map { " (\($0))" } ?? ""
        var payload: JSONObject = ["type": thrown["type"] ?? "Error", "message": thrown["message"] ?? ""]
        payload["payload"] = thrown["payload"]
        payload["location"] = place.map(JSONValue.string)
        return TerapiError(
            .scriptError,
            "\(invocation.name) failed: \(request)\(thrown["message"]?.string ?? "")\(location)",
            payload: .object(payload)
        )
    }

    private var header: ScriptHeader? { ScriptHeader(of: invocation.code) }

    private var settings: [UInt8] {
        JSONValue.object([
            "name": .string(invocation.name),
            "kind": .string(invocation.kind.rawValue),
            "properties": .object(invocation.properties),
            "input": invocation.input ?? .null,
        ])
        .encoded()
    }
}

/// The errors of a run's calls, to be thrown as they were when the script does not catch them.
private final class CallFailures: Sendable {
    private let errors = Mutex<[UInt32: any Error]>([:])

    func remember(_ error: any Error, of call: UInt32) {
        errors.withLock { errors in
            // A script that catches errors for hours keeps only some of them.
            if errors.count >= 1000 { errors.removeAll() }
            errors[call] = error
        }
    }

    func error(of call: UInt32) -> (any Error)? {
        errors.withLock { $0[call] }
    }
}
