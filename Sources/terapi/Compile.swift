import ArgumentParser
import TerapiCore
import TerapiScripts

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Checks a folder of integrations and prepares it for a server.
struct Compile: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bundle and check the scripts in a folder of integrations.",
        discussion: """
            Prints every mistake as file:line:column and ends with status 1 when there is one. What was made lies in \
            the folder's .terapi: with it, `terapi serve --integrations` starts on a machine that has neither esbuild \
            nor the packages.
            """
    )

    @Option(help: "Folder of integrations: <integration>/{syncs,actions,on-events}/<name>.ts, .js or .yaml.")
    var integrations = "integrations"

    func run() async throws {
        let host = try ScriptHost(executable: Executable.path(), arguments: [ScriptHostProcess.argument])
        defer { host.stop() }
        do {
            let environment = ProcessInfo.processInfo.environment
            let esbuild = try await Settings.text("esbuild", environment: environment)
            let found = try await IntegrationsFolder(integrations, environment: environment, esbuild: esbuild)
                .load(host: host, refusesSharedModels: true, checksExpressions: true)
            print("\(found.countsText): in order.")
        } catch let error as TerapiError {
            guard !error.issues.isEmpty else { throw ExitWithMessage(error.message) }
            for issue in error.issues { print(issue.message) }
            throw ExitCode(1)
        }
    }
}

extension ScriptDefinitions {
    /// How many there are, for people: `1 sync, 2 actions, 0 on-events`.
    var countsText: String {
        [("sync", syncs.count), ("action", actions.count), ("on-event", onEvents.count)]
            .map { "\($1) \($0)\($1 == 1 ? "" : "s")" }
            .joined(separator: ", ")
    }
}
