import ArgumentParser
import TerapiCore

/// Background reads of connections.
struct Syncs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Watch, run, pause and set syncs and their variants.",
        subcommands: [
            List.self, Run.self, Start.self, Pause.self, Reset.self, SetFrequency.self, History.self, Variant.self,
        ]
    )
}

/// Which syncs of which connections.
struct SyncSelectionOptions: ParsableArguments {
    @Option(help: "The integration.")
    var integration: String

    @Option(name: [.long, .customLong("connection-id")], help: "The connection's id; all of the integration without.")
    var connection: String?

    @Option(help: "This variant of the syncs.")
    var variant: String?

    @Argument(help: "Names of syncs, such as tickets.")
    var names: [String] = []

    @Flag(help: "All syncs, with their variants.")
    var all = false

    /// - Throws: `ValidationError` unless it is clear which syncs are meant.
    func check() throws {
        guard names.isEmpty == all else { throw ValidationError("Name syncs, or give --all.") }
        guard variant == nil || !all else { throw ValidationError("--variant goes with the names of syncs.") }
    }

    private var titles: [String] { names.map { name in variant.map { "\(name)::\($0)" } ?? name } }

    /// The body of a request about them.
    var body: JSONObject {
        var body: JSONObject = ["provider_config_key": .string(integration), "syncs": JSONValue(titles)]
        body["connection_id"] = connection.map(JSONValue.string)
        return body
    }

    func status(_ client: RemoteClient) async throws -> JSONValue {
        try await client.send(
            "GET", "/sync/status",
            query: [
                ("provider_config_key", integration), ("connection_id", connection),
                ("syncs", titles.isEmpty ? "*" : titles.joined(separator: ",")),
            ]
        )
    }
}

/// One sync of one connection.
struct OneSyncOptions: ParsableArguments {
    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The name of the sync.")
    var name: String

    /// The body of a request about its connection.
    var body: JSONObject {
        [
            "provider_config_key": .string(connection.integration),
            "connection_id": .string(connection.connection),
        ]
    }
}
