import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Synchronization

/// What a request's fate is judged by.
protocol AnswerDelegate {
    /// Whether any part of the request has been handed to the socket.
    var hasSent: Bool { get }
    /// Whether the beginning of an answer was seen.
    var hasHead: Bool { get }
}

/// Takes one answer from the network into one array, and gives up when it becomes too large.
///
/// The transport calls it on one event loop, so the lock is never waited for.
final class AnswerCollector: HTTPClientResponseDelegate, AnswerDelegate {
    struct Answer: Sendable {
        var head: HTTPResponseHead
        var body: [UInt8]
    }

    enum Failure: Error {
        case tooLarge
        case noHead
    }

    private struct State {
        var hasSent = false
        var head: HTTPResponseHead?
        var body: [UInt8] = []
    }

    private let limit: Int
    private let hasBody: Bool
    private let state = Mutex(State())

    /// - Parameter hasBody: whether a body can follow: an answer to HEAD announces one that never comes.
    init(limit: Int, hasBody: Bool) {
        self.limit = limit
        self.hasBody = hasBody
    }

    var hasSent: Bool { state.withLock(\.hasSent) }
    var hasHead: Bool { state.withLock { $0.head != nil } }

    func didSendRequestHead(task: HTTPClient.Task<Answer>, _ head: HTTPRequestHead) {
        state.withLock { $0.hasSent = true }
    }

    func didReceiveHead(task: HTTPClient.Task<Answer>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        let announced = hasBody ? head.headers.first(name: "content-length").flatMap { Int($0) } ?? 0 : 0
        if announced > limit { return task.eventLoop.makeFailedFuture(Failure.tooLarge) }
        state.withLock { state in
            state.head = head
            state.body.reserveCapacity(min(announced, 1_000_000))
        }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Answer>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        let isTooLarge = state.withLock { state in
            guard state.body.count + buffer.readableBytes <= limit else { return true }
            buffer.withUnsafeReadableBytes { state.body.append(contentsOf: $0) }
            return false
        }
        return isTooLarge
            ? task.eventLoop.makeFailedFuture(Failure.tooLarge) : task.eventLoop.makeSucceededVoidFuture()
    }

    func didFinishRequest(task: HTTPClient.Task<Answer>) throws -> Answer {
        try state.withLock { state in
            guard let head = state.head else { throw Failure.noHead }
            defer { state.body = [] }
            return Answer(head: head, body: state.body)
        }
    }
}
