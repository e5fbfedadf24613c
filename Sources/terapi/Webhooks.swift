import ArgumentParser
import TerapiCore

/// What a running server tells the team's backend.
struct Webhooks: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the webhook events of a running server, and send them once more.",
        subcommands: [List.self, Replay.self]
    )

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the last 100 events with their deliveries.")

        @OptionGroup var target: LocalOptions

        func run() throws {
            for event in try target.send("GET", "/admin/webhook-events")["data"]?.array ?? [] {
                let facts = ["created_at", "id", "type"].map { event[$0]?.string ?? "" }
                print(facts.joined(separator: "  "))
                for delivery in event["deliveries"]?.array ?? [] { print("    \(Self.line(delivery))") }
            }
        }

        private static func line(_ delivery: JSONValue) -> String {
            let tries = delivery["attempts"]?.array ?? []
            var line = "\(delivery["state"]?.string ?? "")  \(delivery["url"]?.string ?? "")  \(tries.count) tries"
            if let error = tries.last?["error"]?.string { line += "  \(error)" }
            if let moment = delivery["held_until"]?.string { line += "  nothing is sent there until \(moment)" }
            return line
        }
    }

    struct Replay: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send events once more, to the URLs that are set today.",
            discussion: """
                terapi webhooks replay msg_0123             these events
                terapi webhooks replay --from 2026-01-31T12:00:00Z
                                                            what has not arrived since then
                terapi webhooks replay --from 2026-01-31T12:00:00Z --until 2026-01-31T13:00:00Z --all
                                                            everything of that hour
                """
        )

        @OptionGroup var target: LocalOptions

        @Argument(help: "Ids of events from terapi webhooks list.")
        var events: [String] = []

        @Option(help: "The begin of a range of time.")
        var from: String?

        @Option(help: "Its end, not included; now without it.")
        var until: String?

        @Flag(help: "Also what has arrived.")
        var all = false

        func validate() throws {
            guard events.isEmpty != (from == nil) else {
                throw ValidationError("Name events, or a range of time with --from.")
            }
            guard events.isEmpty || (until == nil && !all) else {
                throw ValidationError("--until and --all go with --from.")
            }
        }

        func run() throws {
            var body: JSONObject = [:]
            if events.isEmpty {
                body["from"] = from.map(JSONValue.string)
                body["until"] = until.map(JSONValue.string)
                body["events"] = all ? "all" : "undelivered"
            } else {
                body["ids"] = JSONValue(events)
            }
            let answer = try target.send("POST", "/admin/webhook-events/replay", body: .object(body))
            print("\(answer["events"]?.int ?? 0) events, \(answer["deliveries"]?.int ?? 0) deliveries")
        }
    }
}
