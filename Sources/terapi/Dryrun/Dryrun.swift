import ArgumentParser
import TerapiCore
import TerapiProviders
import TerapiScripts

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Runs one script against an address of the person's choice and keeps nothing.
struct Dryrun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run one script and show what it would do, without a server and without writing anything.",
        discussion: """
            Every request of the script goes to the base URL, once: its path and query are kept, whatever host the \
            script names. Files are JSON.
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

    @Option(help: "Where requests go, such as http://127.0.0.1:8080. It may be an address of this machine.")
    var baseURL: String

    @Option(help: "What exec gets as its input, as it is.")
    var input: String?

    @Option(help: "What getConnection() returns.")
    var connection: String?

    @Option(help: "What getMetadata() returns at first.")
    var metadata: String?

    @Option(help: "The checkpoint at first.")
    var checkpoint: String?

    @Option(help: "What getToken() returns.")
    var token: String?

    @Option(help: "What getEnvironmentVariables() returns: an object of names and values.")
    var variables: String?

    @Option(help: "The provider's own paginate block, which the script's is laid over.")
    var providerPaginate: String?

    @Option(help: "The moment that the script's clock shows, such as 2026-11-21T00:00:00Z. Otherwise the real one.")
    var now: String?

    @Flag(help: "Print one JSON document and nothing else.")
    var json = false

    func run() async throws {
        let started = ContinuousClock.now
        let client = ProviderClient(guardedBy: OutboundGuard(allowed: PersonalNetworks.all))
        var functions: DryrunFunctions?
        var output: JSONValue = .null
        var failure: DryrunFailure?
        do {
            let prepared = try prepare(client: client)
            functions = prepared
            output = try await perform(prepared)
        } catch {
            failure = DryrunFailure(error)
        }
        let report = DryrunReport(
            output: output,
            failure: failure,
            functions: functions ?? DryrunFunctions(client: client, facts: DryrunFacts(), baseURL: baseURL),
            name: "\(integration)/\(script)",
            duration: .now - started
        )
        print(json ? report.document.text() : report.text)
        // The process ends here: nothing is left to be closed in order.
        if failure != nil { throw ExitCode(1) }
    }

    private func prepare(client: ProviderClient) throws -> DryrunFunctions {
        var facts = DryrunFacts()
        facts.integrationKey = integration
        facts.connection = try read(connection, "--connection")
        facts.metadata = try read(metadata, "--metadata")
        facts.checkpoint = try read(checkpoint, "--checkpoint")
        facts.token = try read(token, "--token")
        facts.variables = try read(variables, "--variables")
        return DryrunFunctions(client: client, facts: facts, baseURL: baseURL)
    }

    private func perform(_ functions: DryrunFunctions) async throws -> JSONValue {
        guard let kind = ScriptInvocation.Kind(rawValue: kind), kind != .describe else {
            throw TerapiError(.invalidConfiguration, "--kind is \"\(kind)\". Allowed: sync, action, on-event.")
        }
        let input = try read(input, "--input")
        var properties = functions.properties
        properties["paginate"] = try read(providerPaginate, "--provider-paginate")
        if let now {
            guard Timestamp(iso8601: now) != nil else {
                throw TerapiError(.invalidConfiguration, "--now is \"\(now)\", which is no moment in ISO 8601.")
            }
            properties["now"] = .string(now)
        }
        let environment = ProcessInfo.processInfo.environment
        let host = try ScriptHost(executable: Executable.path(), arguments: [ScriptHostProcess.argument])
        defer { host.stop() }
        // The process begins while the script is bundled.
        async let warm: Void = host.warmUp(environmentID: Self.environmentID)
        let code = try await code(kind, host: host, environment: environment)
        try await warm
        let printed = try await host.run(
            ScriptInvocation(
                environmentID: Self.environmentID,
                kind: kind,
                name: "\(integration)/\(script)",
                code: code,
                properties: properties,
                input: input,
                timeout: kind == .sync ? .seconds(86_400) : kind == .action ? .seconds(900) : .seconds(300)
            ),
            functions: functions
        )
        return try JSONReader.read(printed)
    }

    private static let environmentID: Int64 = 1

    /// - Throws: `TerapiError(.invalidDefinition)` with the mistakes of the bundling.
    private func code(
        _ kind: ScriptInvocation.Kind,
        host: ScriptHost,
        environment: [String: String]
    ) async throws -> String {
        guard let file = ScriptFile.find(script, kind: kind, integrationKey: integration, in: integrations) else {
            throw TerapiError(
                .invalidDefinition,
                "There is no \(kind.rawValue) \"\(script)\" of the integration \"\(integration)\" in \(integrations)."
            )
        }
        guard file.language != .yaml, file.language != .yml else {
            return try SyncFile(reading: file, in: integrations).definition.code
        }
        let bundler = ScriptBundler(
            folder: integrations,
            cache: BundleCache.ofPerson(folder: integrations, environment: environment),
            modules: host.modules,
            environment: environment
        )
        let (codes, mistakes) = try await bundler.bundle([file])
        guard let code = codes[file], mistakes.isEmpty else { throw SyncFile.error(mistakes) }
        return code
    }

    private func read(_ path: String?, _ flag: String) throws -> JSONValue? {
        guard let path else { return nil }
        guard let data = try? Data(contentsOf: URL(filePath: path)) else {
            throw TerapiError(.invalidConfiguration, "\(flag): the file \(path) cannot be read.")
        }
        do {
            return try JSONReader.read(Array(data))
        } catch {
            throw TerapiError(.invalidConfiguration, "\(flag): the file \(path) is not JSON: \(error).")
        }
    }
}
