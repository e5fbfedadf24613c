import ArgumentParser
import ServiceLifecycle
import TerapiCore
import TerapiSandbox
import UnixSignals

/// Runs the made-up provider alone, to write and try integrations against.
struct Sandbox: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a made-up provider on this machine: OAuth, a paged tickets API, faults on request."
    )

    @Option(help: "Port on 127.0.0.1; 0 takes a free one.")
    var port = 3010

    @Option(help: "How many tickets there are at the start.")
    var tickets = 10_000

    @Option(help: "Seconds that an access token is good for.")
    var tokenLifetime = 60

    func run() async throws {
        var options = SandboxOptions()
        options.port = port
        options.ticketCount = tickets
        options.accessTokenLifetime = .seconds(tokenLifetime)
        options.accessToken = Secret("sandbox-token")
        let logger = ServerLog.logger(level: "warning")
        let clientID = options.clientID
        let clientSecret = options.clientSecret
        let sandbox = SandboxProvider(options: options, clock: SystemClock(), logger: logger) { url in
            print("The sandbox listens on \(url)")
            print("client id \(clientID), client secret \(clientSecret.reveal()), or the access token sandbox-token")
        }
        let group = ServiceGroup(
            services: [sandbox],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        try await group.run()
    }
}
