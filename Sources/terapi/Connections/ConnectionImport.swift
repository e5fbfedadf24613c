import ArgumentParser
import TerapiCore

extension Connections {
    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a connection of credentials that you have.",
            discussion: """
                The credentials are JSON as POST /connections takes them, such as {"apiKey": "..."}; their type is the \
                provider's auth mode and need not be named, but where an end user would type them in: for TWO_STEP, JWT, \
                SIGNATURE, AWS_SIGV4 and BILL, with --end-user. They come from a file or from standard input, so that no \
                list of processes shows them. docs/authentication.md has those of each auth mode.
                """
        )

        @OptionGroup var server: RemoteOptions
        @OptionGroup var answer: AnswerOptions

        @Argument(help: "A file with the credentials; \"-\" for standard input.")
        var credentials = "-"

        @Option(help: "The integration.")
        var integration: String

        @Option(name: [.long, .customLong("connection-id")], help: "The id to give it; a random one without.")
        var connection: String?

        @Option(help: "The end user's id.")
        var endUser: String?

        @Option(
            name: .customLong("config"),
            help: "A field that the provider wants, such as subdomain=acme. Several times for more.")
        var config: [String] = []

        @Option(name: .customLong("tag"), help: "NAME=VALUE. Several times for more.")
        var tags: [String] = []

        @Option(help: "What scripts read as the connection's metadata: JSON, or @FILE.")
        var metadata: String?

        func run() async throws {
            var body: JSONObject = ["provider_config_key": .string(integration)]
            body["connection_id"] = connection.map(JSONValue.string)
            body["credentials"] = try GivenText.json(file: credentials, option: "The credentials")
            if !config.isEmpty { body["connection_config"] = .object(try GivenText.members(config)) }
            if !tags.isEmpty { body["tags"] = .object(try GivenText.members(tags)) }
            body["end_user"] = endUser.map { ["id": .string($0)] }
            body["metadata"] = try metadata.map { try GivenText.json($0, option: "--metadata") }
            let made = try await server.ask { [body] client in
                if let typed = TypedConnection(body) { return try await typed.make(client) }
                return try await client.send("POST", "/connections", body: .object(body))
            }
            answer.show(MaskedCredentials.of(made)) { "\(made["connection_id"].cell) is connected by \(integration)." }
        }
    }
}

/// A connection whose secrets do not show.
enum MaskedCredentials {
    /// Of credentials nothing is told but their kind and how long they hold: which further fields are secret, only the
    /// provider knows.
    private static let open: Set = ["type", "expires_at"]

    static func of(_ connection: JSONValue) -> JSONValue {
        guard var object = connection.object, let credentials = object["credentials"] else { return connection }
        object["credentials"] = masked(credentials, keeping: open)
        return .object(object)
    }

    private static func masked(_ value: JSONValue, keeping names: Set<String> = []) -> JSONValue {
        switch value {
        case .null: .null
        case .object(let object):
            .object(
                JSONObject(object.members.map { ($0.name, names.contains($0.name) ? $0.value : masked($0.value)) }))
        case .array(let values): .array(values.map { masked($0) })
        case .string, .number, .bool: "***"
        }
    }
}
