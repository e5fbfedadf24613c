import ArgumentParser
import TerapiCore

extension Connections {
    struct Update: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change what you keep with a connection; what no option names stays as it is."
        )

        @OptionGroup var server: RemoteOptions

        @Argument(help: "The connection's id.")
        var connection: String

        @Option(help: "The integration.")
        var integration: String

        @Option(
            help:
                "What scripts read as its metadata: JSON, or @FILE. Members that there are stay, unless it names them.")
        var metadata: String?

        @Flag(help: "With --metadata: nothing of what there is stays.")
        var replaceMetadata = false

        @Option(name: .customLong("tag"), help: "NAME=VALUE: all the tags that it will have. Several times for more.")
        var tags: [String] = []

        @Option(help: "Where webhooks about it go instead of the environment's address.")
        var webhookURL: String?

        func validate() throws {
            guard metadata != nil || !tags.isEmpty || webhookURL != nil else {
                throw ValidationError("Say what to change, such as --metadata.")
            }
            guard metadata != nil || !replaceMetadata else {
                throw ValidationError("--replace-metadata goes with --metadata.")
            }
        }

        func run() async throws {
            var settings: JSONObject = [:]
            if !tags.isEmpty { settings["tags"] = .object(try GivenText.members(tags)) }
            settings["webhook_url_override"] = webhookURL.map(JSONValue.string)
            let metadata = try metadata.map { try GivenText.json($0, option: "--metadata") }
            try await server.ask { [settings] client in
                if let metadata {
                    let body: JSONObject = [
                        "provider_config_key": .string(integration), "connection_id": .string(connection),
                        "metadata": metadata,
                    ]
                    let method = replaceMetadata ? "POST" : "PATCH"
                    _ = try await client.send(method, "/connections/metadata", body: .object(body))
                }
                if !settings.isEmpty {
                    _ = try await client.send(
                        "PATCH", Connections.path(connection), query: [("provider_config_key", integration)],
                        body: .object(settings)
                    )
                }
            }
            print("\(connection) is changed.")
        }
    }
}
