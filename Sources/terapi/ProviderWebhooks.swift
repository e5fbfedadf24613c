import ArgumentParser
import TerapiCore

/// What providers have sent to a running server, and where they send it.
struct ProviderWebhooks: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "provider-webhooks",
        abstract: "Show and replay what providers have sent, and register for it.",
        subcommands: [
            List.self, Show.self, Replay.self, Subscriptions.self, Subscribe.self, Renew.self, Unsubscribe.self,
        ]
    )

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List what came, the newest first.")

        @OptionGroup var target: LocalOptions

        @Option(help: "Only those in this state: received, done, unmatched or failed.")
        var state: String?

        @Option(help: "Only those of this integration.")
        var integration: String?

        @Option(help: "How many at most.")
        var limit = 100

        func run() throws {
            var query = [(name: "limit", value: String(limit))]
            if let state { query.append(("state", state)) }
            if let integration { query.append(("provider_config_key", integration)) }
            for webhook in try target.send("GET", "/admin/provider-webhooks", query: query)["data"]?.array ?? [] {
                let types = webhook["types"]?.array?.compactMap(\.string).joined(separator: ", ") ?? ""
                let words = ["id", "received_at", "provider_config_key", "state"].compactMap { webhook[$0]?.string }
                print((words + [types, webhook["error"]?.string ?? ""]).filter { !$0.isEmpty }.joined(separator: "  "))
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show one with its headers and its body.")

        @OptionGroup var target: LocalOptions

        @Argument(help: "Its id from terapi provider-webhooks list.")
        var id: String

        func run() throws {
            let answer = try target.send("GET", "/admin/provider-webhooks/\(PercentEncoding.encode(id))")
            print(Facts.text(answer["data"]))
        }
    }

    struct Replay: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Work on them once more, as if they had just come.",
            discussion: "Of one that matched no connection only what was not handed on is worked on."
        )

        @OptionGroup var target: LocalOptions

        @Argument(help: "Ids from terapi provider-webhooks list. Without any: all that the options say.")
        var ids: [String] = []

        @Option(help: "All in this state, such as unmatched.")
        var state: String?

        @Option(help: "All of this integration.")
        var integration: String?

        func run() throws {
            var body: JSONObject = [:]
            if !ids.isEmpty { body["ids"] = JSONValue(ids) }
            body["state"] = state.map(JSONValue.string)
            body["provider_config_key"] = integration.map(JSONValue.string)
            let answer = try target.send("POST", "/admin/provider-webhooks/replay", body: .object(body))
            print("Replayed: \(answer["replayed"]?.text() ?? "0")")
        }
    }

    struct Subscriptions: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List where providers send to.")

        @OptionGroup var target: LocalOptions

        func run() throws {
            for item in try target.send("GET", "/admin/webhook-subscriptions")["data"]?.array ?? [] {
                let names = ["provider_config_key", "connection_id", "external_id", "state", "expires_at", "error"]
                print(([item["id"]?.text() ?? ""] + names.compactMap { item[$0]?.string }).joined(separator: "  "))
            }
        }
    }

    struct Subscribe: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Register for webhooks at a provider, or make an address to register there by hand."
        )

        @OptionGroup var target: LocalOptions

        @Argument(help: "The integration.")
        var integration: String

        @Option(help: "The connection in whose name, and whose events these are.")
        var connection: String?

        @Option(name: .customLong("param"), help: "What the provider needs to know: NAME=VALUE. May be repeated.")
        var params: [String] = []

        @Flag(help: "Only make the address: you register it at the provider.")
        var manual = false

        func run() throws {
            var given: JSONObject = [:]
            for param in params {
                let parts = param.split(separator: "=", maxSplits: 1).map(String.init)
                guard parts.count == 2 else { throw ValidationError("\"\(param)\" is not NAME=VALUE.") }
                given[parts[0]] = .string(parts[1])
            }
            var body: JSONObject = [
                "provider_config_key": .string(integration), "params": .object(given), "manual": .bool(manual),
            ]
            body["connection_id"] = connection.map(JSONValue.string)
            let made = try target.send("POST", "/admin/webhook-subscriptions", body: .object(body))["data"]
            print("\(made?["id"]?.text() ?? "")  \(made?["url"]?.string ?? "")")
            if let secret = made?["secret"]?.string { print("Secret, shown only now: \(secret)") }
        }
    }

    struct Renew: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Renew a registration now.")

        @OptionGroup var target: LocalOptions

        @Argument(help: "Its number from terapi provider-webhooks subscriptions.")
        var id: Int

        func run() throws {
            let answer = try target.send("POST", "/admin/webhook-subscriptions/\(id)/renew")
            print("It lives until \(answer["data"]?["expires_at"]?.string ?? "it is taken back").")
        }
    }

    struct Unsubscribe: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take a registration back.")

        @OptionGroup var target: LocalOptions

        @Argument(help: "Its number from terapi provider-webhooks subscriptions.")
        var id: Int

        func run() throws {
            _ = try target.send("DELETE", "/admin/webhook-subscriptions/\(id)")
        }
    }
}
