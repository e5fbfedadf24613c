import ArgumentParser
import TerapiCore

/// End users' connections.
struct Connections: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List, show, import, change and delete connections, and make links for end users to connect.",
        subcommands: [List.self, Show.self, Import.self, Update.self, Delete.self, Link.self]
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the connections.")

        @OptionGroup var server: RemoteOptions
        @OptionGroup var answer: AnswerOptions

        @Option(help: "Only those of this integration.")
        var integration: String?

        @Option(help: "Only those of this end user.")
        var endUser: String?

        @Option(help: "Only those with these words in their id or their end user.")
        var search: String?

        @Option(help: "How many at most, up to 2000.")
        var limit = 100

        @Option(help: "The following ones: 1, 2 and so on.")
        var page = 0

        func run() async throws {
            let found = try await server.ask {
                try await $0.send(
                    "GET", "/connections",
                    query: [
                        ("integrationId", integration), ("endUserId", endUser), ("search", search),
                        ("limit", String(limit)), ("page", String(page)),
                    ]
                )
            }
            answer.show(found) {
                var table = Table(["CONNECTION", "INTEGRATION", "PROVIDER", "END USER", "STATE", "CREATED"])
                for one in found["connections"]?.array ?? [] {
                    table.add([
                        one["connection_id"].cell, one["provider_config_key"].cell, one["provider"].cell,
                        one["end_user"]?["id"].cell ?? "", Connections.state(one), one["created"].momentCell,
                    ])
                }
                return table.text(
                    empty: "There is no such connection. terapi connections link lets an end user make one.")
            }
        }
    }

    /// What is wrong with it: `auth` when its end user has to connect again.
    fileprivate static func state(_ connection: JSONValue) -> String {
        let errors = (connection["errors"]?.array ?? []).map { "\($0["type"].cell) error" }
        return errors.isEmpty ? "ok" : errors.joined(separator: ", ")
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one connection; its secrets as stars.",
            discussion: "Credentials that have expired are renewed first, as by GET /connections."
        )

        @OptionGroup var server: RemoteOptions
        @OptionGroup var answer: AnswerOptions

        @Argument(help: "The connection's id.")
        var connection: String

        @Option(help: "The integration.")
        var integration: String

        @Flag(help: "Show its credentials as they are.")
        var secrets = false

        func run() async throws {
            let found = try await server.ask {
                try await $0.send("GET", Connections.path(connection), query: [("provider_config_key", integration)])
            }
            let shown = secrets ? found : MaskedCredentials.of(found)
            answer.show(shown) { Facts.text(shown) }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete a connection with its records.")

        @OptionGroup var server: RemoteOptions
        @OptionGroup var consent: ConsentOptions

        @Argument(help: "The connection's id.")
        var connection: String

        @Option(help: "The integration.")
        var integration: String

        func run() async throws {
            try consent.ask(to: "delete", "\"\(connection)\" with its records", otherwise: "Nothing was deleted")
            _ = try await server.ask {
                try await $0.send("DELETE", Connections.path(connection), query: [("provider_config_key", integration)])
            }
            print("\(connection) is deleted.")
        }
    }

    static func path(_ id: String) -> String { "/connections/\(PercentEncoding.encode(id))" }
}
