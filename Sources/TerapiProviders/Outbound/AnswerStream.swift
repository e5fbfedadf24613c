import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Synchronization

/// Takes one answer from the network at the pace of its reader.
///
/// Between the two lie at most ``highMark`` bytes: beyond them the socket is not read, and so the peer stops sending.
final class AnswerStream: HTTPClientResponseDelegate, AnswerDelegate {
    private static let highMark = 262_144

    private struct State {
        var hasSent = false
        var head: HTTPResponseHead?
        var parts: [ByteBuffer] = []
        var bytes = 0
        var end: Result<Void, any Error>?
        /// Kept while there is no room, so that no further part comes.
        var room: EventLoopPromise<Void>?
        var reader: CheckedContinuation<Void, Never>?
        var isReaderCalled = false
        var task: HTTPClient.Task<Void>?
        /// Waits until a piece of the request's body is written.
        var writer: CheckedContinuation<Bool, any Error>?
        /// Whether an answer has come that does not want the rest of the body: the transport writes no more of it.
        var isRefusal = false
        /// What the transport waits for although the rest of the body will not come.
        var stopped: EventLoopPromise<Void>?
        /// How much of the answer's body is still to come, where its head says so.
        var left: Int?
        var isAbandoned = false
        var lastMove = NIODeadline.now()
        var watch: Scheduled<Void>?
        var onEnd: (@Sendable () -> Void)?

        /// Whether there is something for a reader who waits for this.
        func has(_ wanted: Wanted) -> Bool {
            if end != nil { return true }
            return switch wanted {
            case .head: head != nil
            case .bytes(let count): bytes >= count
            }
        }
    }

    private enum Wanted {
        case head
        case bytes(Int)
    }

    /// How long an answer of unknown length must be silent to be taken for complete, when the transport cannot tell
    /// because it still waits for the body of the request.
    private static let silence = TimeAmount.seconds(1)

    private let hasBody: Bool
    private let idleTimeout: TimeAmount
    private let state: Mutex<State>

    /// - Parameters:
    ///   - hasBody: whether a body can follow: an answer to HEAD announces one that never comes.
    ///   - idleTimeout: the longest time without a byte in either direction once the request is on its way.
    ///   - onEnd: called once, when nothing more can come.
    init(hasBody: Bool, idleTimeout: TimeAmount, onEnd: @escaping @Sendable () -> Void) {
        self.hasBody = hasBody
        self.idleTimeout = idleTimeout
        var state = State()
        state.onEnd = onEnd
        self.state = Mutex(state)
    }

    var hasSent: Bool { state.withLock(\.hasSent) }
    var hasHead: Bool { state.withLock { $0.head != nil } }

    /// To be called with what carries the request.
    func begun(_ task: HTTPClient.Task<Void>) {
        let (isAbandoned, isStopped) = state.withLock { state in
            if state.end == nil { state.task = task }
            return (state.isAbandoned, state.stopped != nil)
        }
        if isAbandoned { task.cancel() }
        if isStopped { settle(task) }
        task.futureResult.whenFailure { error in
            // An answer that came whole before the request had gone fails the task, and nothing else.
            let isWhole = error as? HTTPClientError == .requestStreamCancelled && self.hasHead
            self.end(isWhole ? .success(()) : .failure(error), on: task.eventLoop)
        }
    }

    // MARK: The reader

    /// Waits for the answer's head.
    func head() async throws -> HTTPResponseHead {
        try await withTaskCancellationHandler {
            await wait(for: .head)
            return try state.withLock { state in
                if let head = state.head { return head }
                if case .failure(let error) = state.end { throw error }
                throw AnswerCollector.Failure.noHead
            }
        } onCancel: {
            abandon()
        }
    }

    /// The parts that have come since the last call, or `nil` at the end.
    func next() async throws -> [ByteBuffer]? {
        try await withTaskCancellationHandler {
            await wait(for: .bytes(1))
            let (parts, room) = state.withLock { state in
                defer {
                    state.parts = []
                    state.bytes = 0
                    state.room = nil
                    state.lastMove = .now()
                }
                return (state.parts, state.room)
            }
            room?.succeed()
            guard parts.isEmpty else { return parts }
            if case .failure(let error) = state.withLock({ $0.end }) { throw error }
            return nil
        } onCancel: {
            abandon()
        }
    }

    /// The whole body if it is here.
    var whole: [ByteBuffer]? {
        state.withLock { state in
            guard case .success = state.end else { return nil }
            return state.parts
        }
    }

    /// What has come and was not taken, once that is enough, or everything.
    func beginning(_ count: Int) async throws -> [ByteBuffer] {
        // No more than fits comes without a reader.
        let enough = min(count, Self.highMark)
        return try await withTaskCancellationHandler {
            await wait(for: .bytes(enough))
            return try state.withLock { state in
                if case .failure(let error) = state.end { throw error }
                return state.parts
            }
        } onCancel: {
            abandon()
        }
    }

    func abandon() {
        let task = state.withLock { state in
            state.isAbandoned = true
            return state.end == nil ? state.task : nil
        }
        task?.cancel()
    }

    private func wait(for wanted: Wanted) async {
        while !state.withLock({ $0.has(wanted) }) {
            await withCheckedContinuation { continuation in
                let isThere = state.withLock { state in
                    if state.has(wanted) { return true }
                    state.reader = continuation
                    return false
                }
                if isThere { continuation.resume() }
            }
        }
    }

    // MARK: The writer

    /// Waits until a piece of the request's body is written.
    /// - Returns: `false` when an answer has come that does not want the rest.
    func written(_ write: EventLoopFuture<Void>) async throws -> Bool {
        try await withCheckedThrowingContinuation { continuation in
            let isRefused = state.withLock { state in
                if !state.isRefusal { state.writer = continuation }
                return state.isRefusal
            }
            if isRefused { return continuation.resume(returning: false) }
            write.whenComplete { result in
                let writer = self.state.withLock { state in
                    defer { state.writer = nil }
                    return state.writer
                }
                writer?.resume(with: result.map { true })
            }
        }
    }

    /// To be called when the rest of the body is not sent, with what the transport waits for.
    func stopped(_ sent: EventLoopPromise<Void>) {
        let (isEnded, task) = state.withLock { state in
            if state.end == nil { state.stopped = sent }
            return (state.end != nil, state.task)
        }
        if isEnded { return sent.succeed() }
        if let task { settle(task) }
    }

    private func settle(_ task: HTTPClient.Task<Void>) {
        task.eventLoop.execute { self.endIfComplete(task) }
        task.eventLoop.scheduleTask(in: Self.silence) { self.endIfSilent(task) }
    }

    private func endIfComplete(_ task: HTTPClient.Task<Void>) {
        let isComplete = state.withLock { $0.stopped != nil && $0.left == 0 && $0.end == nil }
        guard isComplete else { return }
        end(.success(()), on: task.eventLoop)
        // The connection waits for bytes that will not come.
        task.cancel()
    }

    private func endIfSilent(_ task: HTTPClient.Task<Void>) {
        let (sent, isOver) = state.withLock { state -> (EventLoopPromise<Void>?, Bool) in
            guard state.end == nil, state.stopped != nil else { return (nil, true) }
            guard state.lastMove + Self.silence <= .now(), state.room == nil else { return (nil, false) }
            defer { state.stopped = nil }
            return (state.stopped, true)
        }
        sent?.succeed()
        if !isOver { task.eventLoop.scheduleTask(in: Self.silence) { self.endIfSilent(task) } }
    }

    // MARK: The network, on one event loop

    func didSendRequestHead(task: HTTPClient.Task<Void>, _ head: HTTPRequestHead) {
        let watch = task.eventLoop.scheduleTask(in: idleTimeout) { self.look(at: task) }
        state.withLock { state in
            state.hasSent = true
            state.lastMove = .now()
            state.watch = watch
        }
    }

    func didSendRequestPart(task: HTTPClient.Task<Void>, _ part: IOData) {
        state.withLock { $0.lastMove = .now() }
    }

    func didReceiveHead(task: HTTPClient.Task<Void>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        let isEmpty = !hasBody || head.status == .noContent || head.status == .notModified
        let writer = state.withLock { state in
            state.head = head
            state.lastMove = .now()
            state.left = isEmpty ? 0 : head.headers.first(name: "content-length").flatMap { Int($0) }
            guard head.status.code >= 300 else { return nil as CheckedContinuation<Bool, any Error>? }
            state.isRefusal = true
            defer { state.writer = nil }
            return state.writer
        }
        writer?.resume(returning: false)
        callReader(on: task.eventLoop)
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Void>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        let room = state.withLock { state -> EventLoopPromise<Void>? in
            state.parts.append(buffer)
            state.bytes += buffer.readableBytes
            state.lastMove = .now()
            state.left? -= buffer.readableBytes
            guard state.bytes >= Self.highMark else { return nil }
            let room = task.eventLoop.makePromise(of: Void.self)
            state.room = room
            return room
        }
        callReader(on: task.eventLoop)
        endIfComplete(task)
        return room?.futureResult ?? task.eventLoop.makeSucceededVoidFuture()
    }

    func didFinishRequest(task: HTTPClient.Task<Void>) throws {
        end(.success(()), on: task.eventLoop)
    }

    func didReceiveError(task: HTTPClient.Task<Void>, _ error: any Error) {
        end(.failure(error), on: task.eventLoop)
    }

    private func end(_ result: Result<Void, any Error>, on loop: any EventLoop) {
        let ended = state.withLock { state -> State? in
            guard state.end == nil else { return nil }
            state.end = result
            defer {
                state.task = nil
                state.room = nil
                state.watch = nil
                state.stopped = nil
                state.onEnd = nil
            }
            return state
        }
        ended?.watch?.cancel()
        ended?.onEnd?()
        callReader(on: loop)
        ended?.room?.succeed()
        ended?.stopped?.succeed()
    }

    /// Calls the reader when the loop has done what it has at hand: head, body and end of a small answer come at once,
    /// and then there is nothing left to wait for.
    private func callReader(on loop: any EventLoop) {
        let isDue = state.withLock { state in
            guard state.reader != nil, !state.isReaderCalled else { return false }
            state.isReaderCalled = true
            return true
        }
        guard isDue else { return }
        loop.execute {
            let reader = self.state.withLock { state in
                defer {
                    state.reader = nil
                    state.isReaderCalled = false
                }
                return state.reader
            }
            reader?.resume()
        }
    }

    private func look(at task: HTTPClient.Task<Void>) {
        let idleTimeout = idleTimeout
        let left = state.withLock { state -> TimeAmount? in
            guard state.end == nil else { return nil }
            let left = state.lastMove + idleTimeout - NIODeadline.now()
            guard left > .zero else { return .zero }
            state.watch = task.eventLoop.scheduleTask(in: left) { self.look(at: task) }
            return left
        }
        if left == .zero { task.fail(reason: HTTPClientError.readTimeout) }
    }
}
