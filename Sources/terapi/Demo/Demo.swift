import ArgumentParser
import Logging
import ServiceLifecycle
import Synchronization
import TerapiCore
import TerapiProviders
import TerapiSQLite
import TerapiSandbox

/// The whole way in one terminal: a made-up provider, Terapi, and a receiver that plays the customer's backend.
struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the whole way on this machine, without internet and without accounts."
    )

    @Flag(help: "Click \"Allow\" by itself instead of waiting for a person at a browser.")
    var yes = false

    @Option(help: "How many tickets the made-up provider has.")
    var tickets = 10_000

    func run() async throws {
        let place = try DemoPlace.make()
        defer { place.remove() }
        let logger = ServerLog.logger(level: "error")
        let started = Gate(count: 3)

        var options = SandboxOptions()
        options.port = place.sandboxPort
        options.ticketCount = tickets
        let sandbox = SandboxProvider(options: options, clock: SystemClock(), logger: logger) { _ in started.open() }
        let receiver = WebhookReceiver(port: place.receiverPort, clock: SystemClock(), logger: logger) { _ in
            started.open()
        }
        let folder = try DataFolder(path: place.dataPath)
        let lock = try DataFolderLock(folder: folder.path)
        let server = try await Server.open(place.settings, folder: folder, lock: lock, logger: logger) { _ in
            started.open()
        }
        guard let key = server.firstKeys.first?.key else { throw ExitWithMessage("The demo's folder was not empty.") }
        let story = DemoStory(
            place: place,
            apiKey: key,
            sandbox: options,
            receiver: receiver,
            isHeadless: yes,
            started: started
        )
        try await server.run(with: [sandbox, receiver, story], logger: logger)
        if let failure = story.failure { throw ExitWithMessage(failure) }
    }
}

/// Opens when it has been told so as often as there are parts to wait for.
final class Gate: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation
    private let count: Int

    init(count: Int) {
        self.count = count
        (stream, continuation) = AsyncStream.makeStream()
    }

    func open() { continuation.yield() }

    func wait() async {
        var rest = count
        for await _ in stream {
            rest -= 1
            if rest == 0 { return }
        }
    }
}
