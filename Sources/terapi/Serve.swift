import ArgumentParser
import Logging
import TerapiCore
import TerapiSQLite

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Runs the server until it is told to stop.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the server.",
        discussion: "Settings, as flags or as environment variables:\n"
            + Settings.list.map { setting in
                let fallback = setting.defaultText.map { $0.isEmpty ? "" : " Default: \($0)." } ?? ""
                return "  \(setting.flag) (\(setting.variable))\n      \(setting.summary)\(fallback)"
            }
            .joined(separator: "\n")
    )

    @Argument(parsing: .captureForPassthrough, help: "Settings as flags; see below.")
    var settings: [String] = []

    func run() async throws {
        guard !settings.contains("--help"), !settings.contains("-h") else { throw CleanExit.helpRequest(self) }
        do {
            try await serve()
        } catch let error as TerapiError {
            throw ExitWithMessage(error)
        }
    }

    private func serve() async throws {
        let settings = try await Settings.read(
            arguments: settings,
            environment: ProcessInfo.processInfo.environment
        )
        let logger = ServerLog.logger(level: settings.logLevel)
        let folder = try DataFolder(path: settings.dataFolder)
        let lock = try DataFolderLock(folder: folder.path)
        let server = try await Server.open(settings, folder: folder, lock: lock, logger: logger) { port in
            print("Terapi listens on http://\(settings.host):\(port)")
        }
        if !server.firstKeys.isEmpty {
            print("This is the first start. The API keys, shown only now and in \(folder.apiKeysPath):")
            for (environment, key) in server.firstKeys { print("  \(environment)  \(key.reveal())") }
        }
        try await server.run(logger: logger)
    }
}

/// Ends the command with status 1 and one line for the person.
struct ExitWithMessage: Error, CustomStringConvertible {
    let description: String

    init(_ message: String) {
        description = message
    }
}

extension ExitWithMessage {
    /// The message, and below it each thing that is wrong and what else is known.
    init(_ error: TerapiError) {
        let issues = error.issues.map { issue in
            issue.path.isEmpty ? issue.message : "\(issue.path.joined(separator: ".")): \(issue.message)"
        }
        // What a script has told with its failure, and what the provider told the script.
        let facts = [("payload", error.payload), ("upstream", error.upstream)].compactMap { name, value in
            value.map { "\(name): \($0.text())" }
        }
        self.init(([error.message] + issues + facts).joined(separator: "\n"))
    }
}

enum ServerLog {
    static func logger(level: String) -> Logger {
        var logger = Logger(label: "terapi") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = Logger.Level(rawValue: level) ?? .info
        return logger
    }
}
