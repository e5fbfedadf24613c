import ArgumentParser
import TerapiCore
import TerapiScripts

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Puts a folder of integrations in force on a running server.
struct Deploy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put the scripts of a folder in force on a running server.",
        discussion: """
            Compiles the folder, shows what is different from what the server has, and asks. The API key chooses the \
            environment. Syncs that changed keep their place; what the folder no longer has stays on the server unless \
            --prune is given.
            """
    )

    @OptionGroup var server: RemoteOptions

    @Option(name: [.customLong("integrations-dir"), .customLong("integrations")], help: "Folder of integrations.")
    var integrations = "integrations"

    @Flag(help: "Remove from the server what the folder no longer has, with the records that only it saved.")
    var prune = false

    @OptionGroup var consent: ConsentOptions

    func run() async throws {
        try await server.ask { client in try await deploy(try await parcel(), to: client) }
    }

    private func parcel() async throws -> JSONObject {
        let host = try ScriptHost(executable: Executable.path(), arguments: [ScriptHostProcess.argument])
        defer { host.stop() }
        let (scripts, modules) = try await IntegrationsFolder(
            integrations,
            esbuild: Settings.text("esbuild", environment: ProcessInfo.processInfo.environment)
        )
        .parcel(host: host)
        return [
            "scripts": .array(scripts.map(\.json)),
            "modules": JSONValue(modules),
            "prune": .bool(prune),
        ]
    }

    private func deploy(_ parcel: JSONObject, to client: RemoteClient) async throws {
        let difference = try await client.send("POST", "/sync/deploy/confirmation", body: .object(parcel))
        let report = DeployReport(difference, host: client.host)
        print(report.text)
        guard report.hasChanges else { return }
        try consent.ask(to: "deploy", otherwise: "Nothing was deployed")
        var confirmed = parcel
        // What was shown is what is done: not what it would mean over somebody else's deployment.
        confirmed["expected_version"] = difference["version"].flatMap { $0.isNull ? nil : $0 } ?? 0
        let answer = try await client.send("POST", "/sync/deploy", body: .object(confirmed))
        print("Version \(answer["version"]?.text() ?? "") is in force. terapi rollback takes the one before it.")
    }
}

/// Puts an earlier deployment in force again.
struct Rollback: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put the scripts of an earlier deployment in force again.",
        discussion: """
            Takes the deployment before the one in force; several times in a row goes further back. No records are \
            deleted: a sync that the earlier deployment does not have stops and keeps its place.
            """
    )

    @OptionGroup var server: RemoteOptions

    @Option(help: "The version to take, from terapi deployments.")
    var to: Int?

    func run() async throws {
        let body: JSONObject = to.map { ["version": JSONValue($0)] } ?? [:]
        try await server.ask { client in
            let answer = try await client.send("POST", "/sync/deploy/rollback", body: .object(body))
            print(DeployReport(answer, host: client.host).text)
            guard answer["deployed"]?.bool == true else { return }
            print(
                "Version \(answer["version"]?.text() ?? "") is in force, with the scripts of version "
                    + "\(answer["restored_version"]?.text() ?? "")."
            )
        }
    }
}

/// Lists what was deployed.
struct Deployments: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the deployments that a server keeps.")

    @OptionGroup var server: RemoteOptions

    func run() async throws {
        let answer = try await server.ask { try await $0.send("GET", "/sync/deploy") }
        let found = answer["data"]?.array ?? []
        if found.isEmpty { print("Nothing was deployed yet.") }
        for deployment in found { print(Self.line(deployment)) }
    }

    private static func line(_ deployment: JSONValue) -> String {
        let mark = deployment["in_force"]?.bool == true ? "*" : " "
        let restored = deployment["restored_version"].flatMap { $0.isNull ? nil : "  of version \($0.text())" } ?? ""
        return "\(mark) \(deployment["version"]?.text() ?? "")  \(deployment["created_at"]?.string ?? "")  "
            + "\(deployment["scripts"]?.text() ?? "") scripts  \(deployment["origin"]?.string ?? "")\(restored)"
    }
}

extension SentScript {
    fileprivate var json: JSONValue {
        var json: JSONObject = [
            "provider_config_key": .string(id.integrationKey),
            "kind": .string(id.kind.rawValue),
            "name": .string(id.name),
            "language": .string(language.rawValue),
            "code": .string(code),
        ]
        json["source_map"] = sourceMap.map(JSONValue.string)
        if !modules.isEmpty { json["modules"] = JSONValue(modules) }
        return .object(json)
    }
}
