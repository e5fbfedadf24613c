import ArgumentParser
import TerapiCore

/// Providers as they are set up in an environment.
struct Integrations: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List, set up, change and delete the integrations of an environment.",
        subcommands: [List.self, Show.self, Create.self, Update.self, Delete.self]
    )

    static func path(_ key: String) -> String { "/integrations/\(PercentEncoding.encode(key))" }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the integrations.")

        @OptionGroup var server: RemoteOptions
        @OptionGroup var answer: AnswerOptions

        func run() async throws {
            let found = try await server.ask { try await $0.send("GET", "/integrations") }
            answer.show(found) {
                var table = Table(["INTEGRATION", "PROVIDER", "NAME", "FORWARDS WEBHOOKS", "CREATED"])
                for one in found["data"]?.array ?? [] {
                    table.add([
                        one["unique_key"].cell, one["provider"].cell, one["display_name"].cell,
                        one["forward_webhooks"]?.bool == true ? "yes" : "no", one["created_at"].momentCell,
                    ])
                }
                return table.text(empty: "There is no integration yet. terapi integrations create makes one.")
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one integration, and where its provider sends webhooks to."
        )

        @OptionGroup var server: RemoteOptions
        @OptionGroup var answer: AnswerOptions

        @Argument(help: "The integration.")
        var key: String

        func run() async throws {
            let found = try await server.ask {
                try await $0.send("GET", Integrations.path(key), query: [("include", "webhook")])
            }
            answer.show(found) { Facts.text(found["data"]) }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete an integration with its connections and their records."
        )

        @OptionGroup var server: RemoteOptions
        @OptionGroup var consent: ConsentOptions

        @Argument(help: "The integration.")
        var key: String

        func run() async throws {
            try await server.ask { client in
                // Before the question, so that nobody agrees to what cannot be.
                _ = try await client.send("GET", Integrations.path(key))
                try consent.ask(
                    to: "delete", "\"\(key)\" with all its connections and records", otherwise: "Nothing was deleted")
                _ = try await client.send("DELETE", Integrations.path(key))
            }
            print("\(key) is deleted.")
        }
    }
}
