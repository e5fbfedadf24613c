import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import Synchronization
import TerapiCore

/// An answer of a provider on its way to who asked for it.
final class Relay: Sendable {
    private let answer: any OutboundAnswer
    private let upload: Upload?
    private let isHead: Bool
    private let channel: (any Channel)?
    private let clients: ClientWatch

    init(_ answer: any OutboundAnswer, _ upload: Upload?, _ call: Call, _ clients: ClientWatch) {
        self.answer = answer
        self.upload = upload
        isHead = call.request.method == .head
        channel = call.channel
        self.clients = clients
    }

    deinit {
        // Whatever became of the response: nobody reads the answer any more.
        answer.abandon()
    }

    var response: Response {
        var headers = HTTPFields()
        headers.reserveCapacity(answer.headers.count + 4)
        for (name, value) in answer.headers {
            if let name = HTTPField.Name(name) { headers.append(HTTPField(name: name, value: value)) }
        }
        // The library ends a body of unknown length even where there is none: that must not be read as an answer.
        let mustClose = isHead && headers[.contentLength] == nil
        if mustClose { headers[.connection] = "close" }
        return Response(status: .init(code: answer.status), headers: headers, body: body(mustClose: mustClose))
    }

    private func body(mustClose: Bool) -> ResponseBody {
        if !isHead, upload?.isAtRest ?? true, let whole = answer.wholeBody {
            return ResponseBody(byteBuffer: ByteBuffer(bytes: whole))
        }
        return ResponseBody { [self] writer in
            clients.watch(channel) { [answer] in answer.abandon() }
            do {
                try await answer.readBody { piece in
                    // An answer to HEAD has none, whatever came.
                    if !isHead { try await writer.write(ByteBuffer(bytes: piece)) }
                }
                try await writer.finish(nil)
            } catch {
                answer.abandon()
                clients.unwatch(channel)
                await upload?.rest()
                throw error
            }
            clients.unwatch(channel)
            await upload?.rest()
            if mustClose { channel?.close(promise: nil) }
        }
    }
}

/// A caller's body on its way to the provider.
final class Upload: Sendable {
    private enum State {
        case unread, reading, atRest
    }

    /// How many bytes there are, if the caller has said so.
    let length: Int?
    private let call: Call
    private let state = Mutex<(now: State, waiting: CheckedContinuation<Void, Never>?)>((.unread, nil))

    /// - Returns: `nil` for a request without a body.
    init?(_ call: Call) {
        self.call = call
        let request = call.request
        length = request.headers[.contentLength].flatMap { Int($0) }
        guard length.map({ $0 > 0 }) ?? (request.headers[.transferEncoding] != nil) else { return nil }
    }

    /// Hands over the body piece by piece; it comes once.
    @Sendable func read(_ take: ByteFlow.Take) async throws {
        let isFirst = state.withLock { state in
            guard state.now == .unread else { return false }
            state.now = .reading
            return true
        }
        guard isFirst else { throw TerapiError(.serverError, "A body that comes once was asked for twice.") }
        defer {
            let waiting = state.withLock { state in
                defer { state = (.atRest, nil) }
                return state.waiting
            }
            waiting?.resume()
        }
        call.askForBody()
        var bytes = 0
        for try await piece in call.request.body {
            bytes += piece.readableBytes
            try await take(Array(piece.readableBytesView))
        }
        guard length.map({ $0 == bytes }) ?? true else {
            throw TerapiError(.invalidBody, "The body ended after \(bytes) bytes.")
        }
    }

    /// Whether nobody reads it now.
    var isAtRest: Bool { state.withLock { $0.now != .reading } }

    /// Returns when nobody reads it any more. Who reads for an answer that is complete finds out at the next piece.
    func rest() async {
        await withCheckedContinuation { continuation in
            let isAtRest = state.withLock { state in
                guard state.now == .reading else { return true }
                state.waiting = continuation
                return false
            }
            if isAtRest { continuation.resume() }
        }
    }
}
