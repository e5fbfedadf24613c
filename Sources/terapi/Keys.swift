import ArgumentParser
import TerapiCore

/// API keys of a running server.
struct Keys: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List, make and delete API keys of a running server.",
        subcommands: [List.self, Create.self, Delete.self]
    )

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the keys; their secrets are not kept.")

        @OptionGroup var target: LocalOptions

        func run() throws {
            for key in try target.send("GET", "/admin/api-keys")["data"]?.array ?? [] {
                let used = key["last_used_at"]?.string.map { "last used \($0)" } ?? "never used"
                print("\(key["id"]?.text() ?? "")  \(key["display_name"]?.string ?? "")  \(used)")
            }
        }
    }

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a key and print it, once.")

        @OptionGroup var target: LocalOptions

        @Argument(help: "What the key is for.")
        var name: String

        @Option(
            name: .customLong("scope"),
            help: "What the key may do, such as environment:records:read. Several times for more; none: everything.")
        var scopes: [String] = []

        func run() throws {
            var body: JSONObject = ["display_name": .string(name)]
            if !scopes.isEmpty { body["scopes"] = JSONValue(scopes) }
            let answer = try target.send("POST", "/admin/api-keys", body: .object(body))
            print(answer["data"]?["secret"]?.string ?? "")
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete a key; it stops working at once.")

        @OptionGroup var target: LocalOptions

        @Argument(help: "The key's number from terapi keys list.")
        var id: Int

        func run() throws {
            _ = try target.send("DELETE", "/admin/api-keys/\(id)")
        }
    }
}
