import Hummingbird
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import TerapiCore
import Testing

@testable import TerapiAPI

/// Clients that hold a connection without asking anything, over a real socket.
struct SlowClientTests {
    /// Runs the server on a free port for as long as the body runs.
    private func withServer(
        headTimeout: Duration,
        idleTimeout: Duration,
        _ body: @escaping @Sendable (_ port: Int) async throws -> Void
    ) async throws {
        let world = World(
            configuration: APIConfiguration(idleTimeout: idleTimeout, headTimeout: headTimeout)
        )
        let (ports, running) = AsyncStream.makeStream(of: Int.self)
        let application = world.api.makeApplication(host: "127.0.0.1", port: 0) { running.yield($0) }
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(services: [application], logger: Logger(label: "test"))
        )
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            let port = try #require(await ports.first { _ in true })
            try await body(port)
            await group.triggerGracefulShutdown()
        }
    }

    /// What the server sends until it closes the connection.
    private func answer(to text: String, port: Int) async throws -> String {
        let received = Received()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(received) }
            }
            .connect(host: "127.0.0.1", port: port).get()
        // On a busy machine the server may have closed before; what counts is what it sent until then.
        try? await channel.writeAndFlush(ByteBuffer(string: text))
        try await channel.closeFuture.get()
        return try await channel.eventLoop.submit { received.text }.get()
    }

    @Test func `closes a connection whose head does not come`() async throws {
        try await withServer(headTimeout: .milliseconds(100), idleTimeout: .seconds(600)) { port in
            let silent = try await answer(to: "", port: port)
            let half = try await answer(to: "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ", port: port)

            #expect(silent.isEmpty)
            #expect(half.isEmpty)
        }
    }

    @Test func `answers before it closes an idle connection`() async throws {
        try await withServer(headTimeout: .seconds(600), idleTimeout: .seconds(1)) { port in
            let text = try await answer(to: "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", port: port)

            #expect(text.hasPrefix("HTTP/1.1 200 OK"))
        }
    }

    @Test func `refuses a head that is too large`() async throws {
        try await withServer(headTimeout: .seconds(600), idleTimeout: .seconds(1)) { port in
            let field = String(repeating: "x", count: 20_000)
            let text = try await answer(to: "GET /health HTTP/1.1\r\nHost: x\r\nX-Long: \(field)\r\n\r\n", port: port)

            #expect(!text.hasPrefix("HTTP/1.1 200"))
        }
    }
}

// Safe to hand to another thread: only the channel's event loop touches it.
private final class Received: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer

    var text = ""

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        text += String(buffer: unwrapInboundIn(data))
    }
}
