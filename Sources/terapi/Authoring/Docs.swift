import ArgumentParser
import TerapiCore
import TerapiScripts

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Writes documents about the scripts of a folder.
struct Docs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Describe the scripts of each integration in Markdown: what they do, take and give."
    )

    @Option(name: [.customLong("integrations-dir"), .customLong("integrations")], help: "Folder of integrations.")
    var integrations = "integrations"

    @Option(help: "Folder for one file per integration; \"-\" prints them.")
    var output = "-"

    func run() async throws {
        let host = try ScriptHost(executable: Executable.path(), arguments: [ScriptHostProcess.argument])
        defer { host.stop() }
        do {
            let environment = ProcessInfo.processInfo.environment
            let esbuild = try await Settings.text("esbuild", environment: environment)
            let scripts = try await IntegrationsFolder(integrations, esbuild: esbuild).describe(host: host)
            let grouped = Dictionary(grouping: scripts, by: \.file.integrationKey).sorted { $0.key < $1.key }
            let documents = grouped.map { ScriptDocument(integrationKey: $0.key, scripts: $0.value) }
            guard !documents.isEmpty else { throw ExitWithMessage("There is no script in \(integrations).") }
            if output == "-" { return print(documents.map(\.text).joined(separator: "\n"), terminator: "") }
            for document in documents { try write(document) }
        } catch let error as TerapiError {
            guard !error.issues.isEmpty else { throw ExitWithMessage(error.message) }
            for issue in error.issues { print(issue.message) }
            throw ExitCode(1)
        }
    }

    private func write(_ document: ScriptDocument) throws {
        let path = "\(output)/\(document.integrationKey).md"
        if let known = OwnedFile.read(path), !known.starts(with: ScriptDocument.mark.utf8) {
            throw ExitWithMessage(
                "\(path) was not written by terapi docs, and stays as it is. Choose another folder with --output.")
        }
        try OwnedFile.replace(path, with: document.text)
        print(path)
    }
}
