import Synchronization
import TerapiCore

/// Writes the messages of one operation and, in the end, how it went. Known secrets are taken out of every text.
final class OperationLog: Sendable {
    /// Beyond this many messages of a script only warnings and errors are kept.
    static let maxScriptMessages = 1_000

    private struct State {
        var scriptMessages = 0
        /// The longest first: where one begins with another, nothing of its end may stay.
        var secrets: [String] = []
    }

    let id: String
    private let operation: LogOperation
    private let sink: any LogSink
    private let clock: any WallClock
    private let state = Mutex(State())

    init(_ operation: LogOperation, sink: any LogSink, clock: any WallClock) {
        id = operation.id
        self.operation = operation
        self.sink = sink
        self.clock = clock
        sink.record(operation)
    }

    /// From now on these values show as `***`, whoever writes them: a script may log what it got from the provider.
    func hide(_ secrets: [Secret]) {
        let texts = secrets.map { $0.reveal() }.filter { $0.utf8.count >= 6 }
        state.withLock { state in
            let unknown = texts.filter { !state.secrets.contains($0) }
            guard !unknown.isEmpty else { return }
            // In an address it stands in another spelling.
            let new = unknown + unknown.map(PercentEncoding.encode).filter { !unknown.contains($0) }
            state.secrets = Set(state.secrets + new).sorted { $0.utf8.count > $1.utf8.count }
        }
    }

    /// A text without the values that are hidden; for what leaves by another way than the log.
    func redacted(_ text: String) -> String {
        Self.redact(text, state.withLock { $0.secrets })
    }

    /// An error without the values that are hidden.
    func redacted(_ error: TerapiError) -> TerapiError {
        let secrets = state.withLock { $0.secrets }
        var shown = error
        shown.message = Self.redact(error.message, secrets)
        shown.payload = error.payload.map { Self.redact($0, secrets) }
        shown.upstream = error.upstream.map { Self.redact($0, secrets) }
        return shown
    }

    func write(_ level: LogMessage.Level, _ message: String, meta: JSONObject = [:], isFromScript: Bool = false) {
        let (isKept, secrets) = state.withLock { state in
            guard isFromScript else { return (true, state.secrets) }
            state.scriptMessages += 1
            let isKept = state.scriptMessages <= Self.maxScriptMessages || level == .warn || level == .error
            return (isKept, state.secrets)
        }
        guard isKept else { return }
        sink.record(
            LogMessage(
                operationID: id,
                level: level,
                isFromScript: isFromScript,
                message: Self.redact(message, secrets),
                meta: Self.redact(.object(meta), secrets).object ?? [:],
                createdAt: clock.now
            )
        )
    }

    /// Shows the operation as one that goes on later.
    func wait() {
        var waiting = operation
        waiting.state = .waiting
        sink.record(waiting)
    }

    func end(_ state: LogOperation.State, _ message: String? = nil) {
        if let message { write(state == .success ? .info : .error, message) }
        var ended = operation
        ended.state = state
        ended.endedAt = clock.now
        sink.record(ended)
    }

    private static func redact(_ text: String, _ secrets: [String]) -> String {
        secrets.reduce(text) { $0.replacingBytes(of: $1, with: "***") }
    }

    private static func redact(_ value: JSONValue, _ secrets: [String]) -> JSONValue {
        switch value {
        case .string(let text): .string(redact(text, secrets))
        case .array(let values): .array(values.map { redact($0, secrets) })
        case .object(let object):
            .object(JSONObject(object.members.map { (redact($0.name, secrets), redact($0.value, secrets)) }))
        default: value
        }
    }
}

extension String {
    /// Compares bytes and not characters: a mark that combines with the end of a secret does not save it, and most texts
    /// are too short to hold one.
    fileprivate func replacingBytes(of secret: String, with word: String) -> String {
        guard utf8.count >= secret.utf8.count, utf8.holds(secret.utf8) else { return self }
        return String(decoding: Array(utf8).replacing(Array(secret.utf8), with: Array(word.utf8)), as: UTF8.self)
    }
}

extension String.UTF8View {
    fileprivate func holds(_ other: Self) -> Bool {
        let found = withContiguousStorageIfAvailable { text in
            other.withContiguousStorageIfAvailable { Self.find($0, in: text) }
        }
        return (found ?? nil) ?? Array(self).contains(Array(other))
    }

    private static func find(_ other: UnsafeBufferPointer<UInt8>, in text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let first = other.first, text.count >= other.count else { return other.isEmpty }
        return (0...(text.count - other.count)).contains { start in
            text[start] == first && text[start..<start + other.count].elementsEqual(other)
        }
    }
}
