import ArgumentParser
import TerapiCore

extension Providers {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the providers that a server knows, its own files among them."
        )

        @OptionGroup var server: RemoteOptions
        @OptionGroup var answer: AnswerOptions

        @Argument(help: "A word in their names or categories, such as crm.")
        var search: String?

        func run() async throws {
            let found = try await server.ask { try await $0.send("GET", "/providers", query: [("search", search)]) }
            answer.show(found) {
                var table = Table(["PROVIDER", "NAME", "AUTH MODE", "CATEGORIES"])
                for one in found["data"]?.array ?? [] {
                    let categories = one["categories"]?.array?.compactMap(\.string).joined(separator: ", ")
                    table.add([
                        one["name"].cell, one["display_name"].cell, one["auth_mode"].cell, categories ?? "",
                    ])
                }
                return table.text(empty: "No provider is called so. terapi serve --providers adds yours.")
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show all that a server knows of one provider."
        )

        @OptionGroup var server: RemoteOptions
        @OptionGroup var answer: AnswerOptions

        @Argument(help: "The provider.")
        var name: String

        func run() async throws {
            let found = try await server.ask { try await $0.send("GET", "/providers/\(PercentEncoding.encode(name))") }
            answer.show(found) { Facts.text(found["data"]) }
        }
    }
}
