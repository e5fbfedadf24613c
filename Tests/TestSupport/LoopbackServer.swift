import NIOCore
import NIOPosix
import Synchronization

/// A server on loopback whose answers a test writes, the impossible ones too.
package final class LoopbackServer: Sendable {
    package struct Request: Sendable {
        package var method: String
        package var target: String
        /// Names in lower case.
        package var headers: [String: String]
        package var body: [UInt8]

        package var text: String { String(decoding: body, as: UTF8.self) }
    }

    package enum Answer: Sendable {
        case http(Int, headers: [(String, String)] = [], body: [UInt8] = [])
        /// Bytes as they are; the connection is closed behind them unless it is kept.
        case raw([UInt8], closes: Bool = true)
        /// A beginning, then the same bytes for ever.
        case endless([UInt8], [UInt8])
        case silence
        case hangUp

        package static func json(_ text: String, status: Int = 200) -> Answer {
            .http(status, headers: [("Content-Type", "application/json")], body: Array(text.utf8))
        }
    }

    private let channel: any Channel
    private let recorded: Recorder

    private final class Recorder: Sendable {
        let requests = Mutex<[Request]>([])
        let connections = Mutex(0)
    }

    package init(host: String = "127.0.0.1", answer: @escaping @Sendable (Request) -> Answer) async throws {
        let recorded = Recorder()
        self.recorded = recorded
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    recorded.connections.withLock { $0 += 1 }
                    try channel.pipeline.syncOperations.addHandler(
                        Handler { request in
                            recorded.requests.withLock { $0.append(request) }
                            return answer(request)
                        }
                    )
                }
            }
            .bind(host: host, port: 0)
            .get()
    }

    package var port: Int { channel.localAddress?.port ?? 0 }
    package var url: String { "http://127.0.0.1:\(port)" }
    package var requests: [Request] { recorded.requests.withLock { $0 } }
    package var connectionCount: Int { recorded.connections.withLock { $0 } }

    package func close() async {
        try? await channel.close()
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let answer: @Sendable (Request) -> Answer
        private var received: [UInt8] = []

        init(answer: @escaping @Sendable (Request) -> Answer) {
            self.answer = answer
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            received.append(contentsOf: unwrapInboundIn(data).readableBytesView)
            while let request = nextRequest() { reply(answer(request), context: context) }
        }

        private func nextRequest() -> Request? {
            guard let end = received.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
            let lines = String(decoding: received[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
            let words = lines[0].split(separator: " ")
            var headers: [String: String] = [:]
            for line in lines.dropFirst() {
                guard let colon = line.firstIndex(of: ":") else { continue }
                let value = line[line.index(after: colon)...].drop { $0 == " " }
                headers[line[..<colon].lowercased()] = String(value)
            }
            let length = headers["content-length"].flatMap { Int($0) } ?? 0
            guard received.count >= end.upperBound + length else { return nil }
            let body = Array(received[end.upperBound..<end.upperBound + length])
            received.removeFirst(end.upperBound + length)
            return Request(method: String(words[0]), target: String(words[1]), headers: headers, body: body)
        }

        private func reply(_ answer: Answer, context: ChannelHandlerContext) {
            switch answer {
            case .http(let status, let headers, let body):
                var head = "HTTP/1.1 \(status) Status\r\nContent-Length: \(body.count)\r\n"
                for (name, value) in headers { head += "\(name): \(value)\r\n" }
                write(Array((head + "\r\n").utf8) + body, context: context)
            case .raw(let bytes, let closes):
                write(bytes, context: context)
                if closes { context.close(promise: nil) }
            case .endless(let beginning, let chunk):
                write(beginning, context: context)
                Self.pump(chunk, channel: context.channel)
            case .silence: break
            case .hangUp: context.close(promise: nil)
            }
        }

        private func write(_ bytes: [UInt8], context: ChannelHandlerContext) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
        }

        private static func pump(_ chunk: [UInt8], channel: any Channel) {
            channel.writeAndFlush(ByteBuffer(bytes: chunk)).whenSuccess {
                // On the loop's next turn: a write that succeeds at once would fill the stack.
                channel.eventLoop.execute { pump(chunk, channel: channel) }
            }
        }
    }
}
