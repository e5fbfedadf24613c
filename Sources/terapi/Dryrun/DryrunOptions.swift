import ArgumentParser
import TerapiCore
import TerapiScripts

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// What a script begins with when it runs by itself: JSON files of the person.
struct DryrunInput: ParsableArguments {
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

    func facts(integrationKey: String) throws -> DryrunFacts {
        var facts = DryrunFacts()
        facts.integrationKey = integrationKey
        facts.connection = try read(connection, "--connection")
        facts.metadata = try read(metadata, "--metadata")
        facts.checkpoint = try read(checkpoint, "--checkpoint")
        facts.token = try read(token, "--token")
        facts.variables = try read(variables, "--variables")
        facts.paginate = try read(providerPaginate, "--provider-paginate")
        if let now {
            guard Timestamp(iso8601: now) != nil else {
                throw TerapiError(.invalidConfiguration, "--now is \"\(now)\", which is no moment in ISO 8601.")
            }
            facts.now = .string(now)
        }
        return facts
    }

    func scriptInput() throws -> JSONValue? {
        try read(input, "--input")
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

/// Where a script's requests go: to an address, or through a connection of a running server.
struct DryrunTarget: ParsableArguments {
    @Option(
        name: .customLong("base-url"),
        help: "Where requests go, such as http://127.0.0.1:8080. It may be an address of this machine."
    )
    var baseURL: String?

    @Option(
        help: ArgumentHelp(
            "With --base-url: a header of each request, such as 'Authorization: Bearer …'. May be repeated.",
            valueName: "name: value"
        )
    )
    var header: [String] = []

    @Option(
        name: .customLong("connection-id"),
        help: "A connection of the server that runs on --data: requests go out with its credentials."
    )
    var connectionID: String?

    @Option(help: "With --connection-id: the environment's name.")
    var environment = "dev"

    @Option(help: "With --connection-id: the server's data folder.")
    var data = "./terapi-data"

    @Flag(
        help: ArgumentHelp(
            "With --connection-id: send requests other than GET too.",
            discussion: "A dryrun writes nothing to Terapi, but what it sends, the provider gets."
        )
    )
    var allowWrites = false

    /// - Parameter facts: get what the connection is.
    /// - Parameter mayAsk: whether a person is there who can answer.
    func server(_ facts: inout DryrunFacts, mayAsk: Bool) async throws -> any DryrunServer {
        switch (baseURL, connectionID) {
        case (let baseURL?, nil):
            let server = BaseURLServer(baseURL: baseURL, headers: try headers())
            facts.webhookURL = facts.webhookURL ?? .string("\(server.baseURL)/webhook/\(facts.integrationKey)")
            return server
        case (nil, let connectionID?):
            for (fact, flag) in [
                (facts.connection, "--connection"), (facts.token, "--token"), (facts.variables, "--variables"),
                (facts.paginate, "--provider-paginate"),
            ] where fact != nil {
                throw TerapiError(.invalidConfiguration, "\(flag) is for --base-url: --connection-id brings its own.")
            }
            let consent: WriteConsent.Policy = allowWrites ? .allow : mayAsk && isatty(0) == 1 ? .ask : .refuse
            let server = ConnectionServer(
                client: LocalClient(socketPath: "\(data)/terapi.sock"),
                environment: environment,
                integrationKey: facts.integrationKey,
                connectionID: connectionID,
                consent: WriteConsent(consent)
            )
            let (properties, metadata) = try await server.facts()
            facts.metadata = facts.metadata ?? metadata
            facts.paginate = properties["paginate"].flatMap { $0.isNull ? nil : $0 }
            facts.connection = [
                "connection_id": properties["connectionId"] ?? .null,
                "provider_config_key": properties["providerConfigKey"] ?? .null,
                "provider": properties["provider"] ?? .null,
            ]
            return server
        default:
            throw TerapiError(
                .invalidConfiguration,
                "Say where requests go: either --base-url with an address, or --connection-id with a connection of the "
                    + "server that runs on --data."
            )
        }
    }

    /// What the headers hold, and its last word alone: `Bearer` may stand before a token.
    var headerValues: [String] {
        ((try? headers()) ?? []).flatMap { [$0.value, $0.value.split(separator: " ").last.map(String.init) ?? ""] }
    }

    private func headers() throws -> [(name: String, value: String)] {
        try header.map { text in
            let parts = text.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, !parts[0].trimmed.isEmpty else {
                throw TerapiError(.invalidConfiguration, "--header is \"\(text)\". Expected a name, \":\" and a value.")
            }
            return (parts[0].trimmed, parts[1].trimmed)
        }
    }
}
