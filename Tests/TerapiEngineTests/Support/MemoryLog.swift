import Logging
import Synchronization
import TerapiCore

/// Keeps what is logged where a test can look at it.
final class MemoryLog: LogSink {
    private struct State {
        var operations: [LogOperation] = []
        var messages: [LogMessage] = []
    }

    private let state = Mutex(State())

    func record(_ operation: LogOperation) {
        state.withLock { $0.operations.append(operation) }
    }

    func record(_ message: LogMessage) {
        state.withLock { $0.messages.append(message) }
    }

    var messages: [LogMessage] { state.withLock { $0.messages } }

    /// The last state of each operation of a kind.
    func operations(_ kind: LogOperation.Kind) -> [LogOperation] {
        let all = state.withLock { $0.operations }.filter { $0.kind == kind }
        return all.indices.filter { index in !all[(index + 1)...].contains { $0.id == all[index].id } }.map { all[$0] }
    }

    /// Everything that was logged, as one text.
    var text: String {
        state.withLock { state in
            (state.operations.map(\.message) + state.messages.map { "\($0.message) \(JSONValue.object($0.meta))" })
                .joined(separator: "\n")
        }
    }
}

/// The server's own log in memory.
final class MemoryLogger: LogHandler, Sendable {
    private let lines = Mutex<[String]>([])

    /// Lines so far.
    let counter = Counter()

    var text: String { lines.withLock { $0.joined(separator: "\n") } }
    var logger: Logger { Logger(label: "test") { _ in self } }

    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }

    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) {
        let metadata = event.metadata.map { " \($0)" } ?? ""
        lines.withLock { $0.append("\(event.level) \(event.message)\(metadata)") }
        counter.increment()
    }
}
