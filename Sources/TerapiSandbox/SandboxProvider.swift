import Hummingbird
public import Logging
import NIOCore
public import ServiceLifecycle
public import TerapiCore

/// A made-up product with an API, to try Terapi with: its own OAuth server with one-use refresh tokens, a list of tickets
/// that change, and faults on request. It listens on 127.0.0.1 only, and everything is in memory.
public struct SandboxProvider: Service {
    private let application: any Service

    /// - Parameter onListening: is told the address, `http://127.0.0.1:PORT`, once requests are answered.
    public init(
        options: SandboxOptions,
        clock: any WallClock,
        logger: Logger,
        onListening: @escaping @Sendable (String) async -> Void = { _ in }
    ) {
        application = Application(
            router: Self.router(options: options, clock: clock),
            configuration: .init(address: .hostname("127.0.0.1", port: options.port), serverName: "terapi-sandbox"),
            onServerRunning: { channel in
                await onListening("http://127.0.0.1:\(channel.localAddress?.port ?? options.port)")
            },
            logger: logger
        )
    }

    /// Answers requests until the graceful shutdown.
    public func run() async throws {
        try await application.run()
    }

    static func router(options: SandboxOptions, clock: any WallClock) -> Router<BasicRequestContext> {
        let statistics = SandboxStatistics()
        let faults = SandboxFaults()
        let server = AuthorizationServer(options: options, statistics: statistics)
        let store = TicketStore(count: options.ticketCount, now: clock.now)

        let router = Router()
        OAuthRoutes(options: options, server: server, faults: faults, clock: clock).add(to: router)
        TicketRoutes(store: store, server: server, statistics: statistics, faults: faults, clock: clock)
            .add(to: router)
        ControlRoutes(store: store, server: server, statistics: statistics, faults: faults, clock: clock)
            .add(to: router)
        return router
    }
}
