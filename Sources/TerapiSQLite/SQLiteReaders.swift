import Dispatch
import Synchronization
import TerapiCore
import TerapiStorage

/// The connections that only read, each on a queue of its own. A read takes an idle one, or waits in line.
final class SQLiteReaders: Sendable {
    private struct State {
        var idle: [Reader]
        var line: [@Sendable (Reader) -> Void] = []
        var isClosed = false
        var whenIdle: CheckedContinuation<Void, Never>?
    }

    private let state: Mutex<State>
    private let count: Int

    init(count: Int, open: () throws -> SQLiteConnection) throws {
        self.count = count
        let readers = try (0..<count).map { _ in Reader(connection: try open()) }
        state = Mutex(State(idle: readers))
    }

    func read<T: Sendable>(_ body: @escaping @Sendable (any Snapshot) throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            submit { reader in
                continuation.resume(with: Result { try reader.snapshot(body) })
            } refused: {
                continuation.resume(throwing: TerapiError(.storageUnavailable, "The storage is closed."))
            }
        }
    }

    /// Lets the reads in line finish, then closes every connection.
    func close() async {
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                state.isClosed = true
                guard state.idle.count < count else { return true }
                state.whenIdle = continuation
                return false
            }
            if isIdle { continuation.resume() }
        }
        let readers = state.withLock { $0.idle }
        for reader in readers { await reader.close() }
    }

    private func submit(_ job: @escaping @Sendable (Reader) -> Void, refused: () -> Void) {
        enum Turn {
            case now(Reader)
            case later
            case never
        }
        let turn: Turn = state.withLock { state in
            if state.isClosed { return .never }
            if let reader = state.idle.popLast() { return .now(reader) }
            state.line.append(job)
            return .later
        }
        switch turn {
        case .now(let reader): reader.queue.async { self.work(reader, job) }
        case .later: break
        case .never: refused()
        }
    }

    /// Runs the job, then the line's next ones, on the reader's queue.
    private func work(_ reader: Reader, _ first: @Sendable (Reader) -> Void) {
        first(reader)
        while true {
            let after: (next: (@Sendable (Reader) -> Void)?, whenIdle: CheckedContinuation<Void, Never>?)
            after = state.withLock { state in
                if !state.line.isEmpty { return (state.line.removeFirst(), nil) }
                state.idle.append(reader)
                guard state.idle.count == count else { return (nil, nil) }
                defer { state.whenIdle = nil }
                return (nil, state.whenIdle)
            }
            after.whenIdle?.resume()
            guard let next = after.next else { return }
            next(reader)
        }
    }
}

private final class Reader: Sendable {
    let queue = DispatchQueue(label: "terapi.sqlite.reader")

    // Touched on `queue` only.
    nonisolated(unsafe) private let connection: SQLiteConnection

    init(connection: SQLiteConnection) {
        self.connection = connection
    }

    func snapshot<T>(_ body: (any Snapshot) throws -> T) throws -> T {
        try connection.run("begin", [])
        defer {
            // A read leaves nothing to keep; its end fails only when SQLite has ended it already.
            _ = try? connection.run("rollback", [])
        }
        return try body(connection)
    }

    func close() async {
        await withCheckedContinuation { continuation in
            queue.async {
                self.connection.close()
                continuation.resume()
            }
        }
    }
}
