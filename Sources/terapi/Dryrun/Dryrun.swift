import ArgumentParser
import TerapiCore
import TerapiScripts

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Runs one script and keeps nothing.
struct Dryrun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run one script and show what it would do, without writing anything.",
        discussion: """
            With --base-url every request of the script goes there, once: its path and query are kept, whatever host \
            the script names. With --connection-id requests go out as in a run, through the server that runs on --data, \
            with the connection's credentials, and records, checkpoints and metadata are only shown. Requests other \
            than GET reach the provider too; they are asked about first, or need --allow-writes. The sync's own \
            checkpoint is not used. Files are JSON.
            """
    )

    @Option(name: [.customLong("integrations-dir"), .customLong("integrations")], help: "Folder of integrations.")
    var integrations = "integrations"

    @Option(help: "The integration, a folder in it.")
    var integration: String

    @Option(help: "sync, action or on-event.")
    var kind = "sync"

    @Option(help: "The script's name, without suffix.")
    var script: String

    @OptionGroup(title: "Where requests go")
    var target: DryrunTarget

    @OptionGroup(title: "What it begins with")
    var input: DryrunInput

    @Flag(help: "Print one JSON document and nothing else.")
    var json = false

    func run() async throws {
        let started = ContinuousClock.now
        var functions: DryrunFunctions?
        var output: JSONValue = .null
        var failure: DryrunFailure?
        do {
            var facts = try input.facts(integrationKey: integration)
            let server = try await target.server(&facts, mayAsk: !json)
            let prepared = DryrunFunctions(server: server, facts: facts)
            functions = prepared
            output = try await perform(prepared)
        } catch {
            failure = DryrunFailure(error)
        }
        let report = DryrunReport(
            output: output,
            failure: failure,
            functions: functions ?? DryrunFunctions(server: BaseURLServer(baseURL: ""), facts: DryrunFacts()),
            name: "\(integration)/\(script)",
            duration: .now - started
        )
        print(json ? report.document.text() : report.text)
        // The process ends here: nothing is left to be closed in order.
        if failure != nil { throw ExitCode(1) }
    }

    private func perform(_ functions: DryrunFunctions) async throws -> JSONValue {
        guard let kind = ScriptInvocation.Kind(rawValue: kind), kind != .describe else {
            throw TerapiError(.invalidConfiguration, "--kind is \"\(kind)\". Allowed: sync, action, on-event.")
        }
        let scriptInput = try input.scriptInput()
        let trial = try Trial(folder: integrations, environment: ProcessInfo.processInfo.environment)
        defer { trial.host.stop() }
        // The process begins while the script is bundled.
        async let warm: Void = trial.warmUp()
        guard let file = ScriptFile.find(script, kind: kind, integrationKey: integration, in: integrations) else {
            throw TerapiError(
                .invalidDefinition,
                "There is no \(kind.rawValue) \"\(script)\" of the integration \"\(integration)\" in \(integrations)."
            )
        }
        let code = try await trial.code(of: file)
        try await warm
        return try await trial.run(file, code: code, functions: functions, input: scriptInput)
    }
}
