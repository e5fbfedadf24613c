import ArgumentParser
import Logging
import ServiceLifecycle
import TerapiCore
import TerapiSQLite
import TerapiScripts
import UnixSignals

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Runs a local server for who writes integrations: takes every change, and shows mistakes and runs as they happen.
struct Dev: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Work on integrations: a local server that takes every change and shows mistakes and runs.",
        discussion: """
            Takes the settings of terapi serve, as flags or as environment variables. Without --integrations it takes \
            the folder ./integrations, and without --providers the folder ./providers if it is there. If a server runs \
            on the data folder already, its runs are shown, and the scripts here are checked at every change.
            """
    )

    @Argument(parsing: .captureForPassthrough, help: "Settings of terapi serve.")
    var settings: [String] = []

    func run() async throws {
        guard !settings.contains("--help"), !settings.contains("-h") else { throw CleanExit.helpRequest(self) }
        do {
            try await work()
        } catch let error as TerapiError {
            throw ExitWithMessage(error)
        }
    }

    private func work() async throws {
        let environment = ProcessInfo.processInfo.environment
        var settings = try await Settings.read(arguments: settings, environment: environment)
        let integrations = settings.integrationsFolder ?? "integrations"
        settings.integrationsFolder = integrations
        if settings.providersPath == nil, FileManager.default.fileExists(atPath: "providers") {
            settings.providersPath = "providers"
        }
        guard FileManager.default.fileExists(atPath: integrations) else {
            throw ExitWithMessage(
                "There is no folder of integrations at \(integrations). Make a project with terapi init, or name the "
                    + "folder with --integrations."
            )
        }
        let isLogLevelSaid = environment["TERAPI_LOG_LEVEL"] != nil || self.settings.contains { $0.hasPrefix("--log") }
        // What the server's own log says at less than that, the terminal shows already.
        let logger = ServerLog.logger(level: isLogLevelSaid ? settings.logLevel : "warning")
        let console = DevConsole(folder: integrations)
        let folder = try DataFolder(path: settings.dataFolder)
        do {
            let lock = try DataFolderLock(folder: folder.path)
            try await serve(settings, folder, lock, console, logger)
        } catch let error as TerapiError where error.code == .dataFolderInUse {
            try await attach(settings, folder, integrations, console, logger)
        }
    }

    private func serve(
        _ settings: Settings,
        _ folder: DataFolder,
        _ lock: DataFolderLock,
        _ console: DevConsole,
        _ logger: Logger
    ) async throws {
        let server = try await Server.open(
            settings,
            folder: folder,
            lock: lock,
            logger: logger,
            workbench: Workbench(report: console.report, log: console)
        ) { port in
            say("Terapi listens on http://\(settings.host):\(port). Ctrl-C ends it.")
        }
        if !server.firstKeys.isEmpty { say("The API keys are in \(folder.apiKeysPath).") }
        try await server.run(logger: logger)
    }

    private func attach(
        _ settings: Settings,
        _ folder: DataFolder,
        _ integrations: String,
        _ console: DevConsole,
        _ logger: Logger
    ) async throws {
        say("A server runs on \(folder.path) already; this shows what it does. It loads a folder of its own.")
        let host = try ScriptHost(executable: Executable.path(), arguments: [ScriptHostProcess.argument])
        defer { host.stop() }
        let scripts = IntegrationsFolder(integrations, esbuild: settings.esbuildPath)
        let watcher = IntegrationsWatcher(
            scripts, seen: [:], host: host, clock: SystemClock(), logger: logger, report: console.report
        ) { _ in }
        let follower = LogFollower(feed: LogFeed(client: LocalClient(socketPath: folder.socketPath)))
        try await ServiceGroup(
            services: [watcher, follower],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        .run()
    }
}

/// Shows what another process logs from now on.
private struct LogFollower: Service {
    let feed: LogFeed

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            var feed = feed
            try feed.skip()
            while !Task.isCancelled {
                for line in try feed.next() { say(line) }
                try? await Task.sleep(for: .milliseconds(500))
            }
        }
    }
}
