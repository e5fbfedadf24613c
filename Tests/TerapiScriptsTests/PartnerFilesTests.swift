import TerapiCore
import Testing

@testable import TerapiScripts

struct PartnerFilesTests {
    static let answers = """
        name: ring
        display_name: Ring's
        base_url: https://api.ring.example
        auth: { authorization_url: "https://ring.example/authorize", token_url: "https://ring.example/token", scopes: [daily] }
        user_id: { endpoint: /me, path: data.id }
        user: query:user
        range: { start: query:from, end: query:to, format: date }
        paging: { type: cursor, cursor_path: next, cursor_name: page }
        backfill: { days: 90, window_days: 30 }
        data_types:
          sleep:
            endpoint: /v1/sleep
            example:
              next: more
              nights:
                - { id: s1, start: "2026-03-01T23:00:00+01:00", end: "2026-03-02T07:00:00+01:00", dur: 28800, latency: 12 }
          daily:
            endpoint: /v1/users/{user}/days
            user: path
            range: { start: header:X-From, format: seconds }
            paging: null
            items: data.days
            example: { data: { days: [{ day: "2026-03-02", steps: 9321 }] } }
        push:
          signature: { scheme: hmac-sha256, header: X-Ring-Signature, prefix: "sha256=", time_header: X-Ring-Time }
          user: user.id
          type: kind
          id: event_id
          events:
            sleep:
              example:
                kind: sleep.updated
                event_id: e1
                user: { id: 7 }
                data: { id: s1, start: "2026-03-01T23:00:00+01:00", end: "2026-03-02T07:00:00+01:00", dur: 28800, latency: 12 }
            daily: { name: "daily.*", example: { kind: daily.updated, event_id: e2, user: { id: 7 }, day: "2026-03-02" } }
        """

    private static func read(_ text: String) throws -> PartnerAnswers {
        try PartnerAnswers(try PartnerAnswers.json(text, file: "answers.yaml")) { name in
            throw TerapiError(.invalidConfiguration, "no file \(name)")
        }
    }

    private static func issues(_ text: String) -> [String] {
        do {
            _ = try read(text)
            return []
        } catch {
            return (error as? TerapiError)?.issues.map { "\($0.path.joined(separator: ".")): \($0.message)" } ?? [
                "\(error)"
            ]
        }
    }

    private func file(_ path: String, of files: PartnerFiles) throws -> String {
        try #require(files.files.first { $0.path == path }?.text)
    }

    @Test func `writes syncs that can be read, with every guess marked`() throws {
        let files = try PartnerFiles(try Self.read(Self.answers))

        let text = try file("integrations/ring/syncs/sleep.yaml", of: files)
        let sync = try SyncFile(text, file: "sleep.yaml", integrationKey: "ring", name: "sleep")
        #expect(sync.definition.models == ["sleep"] && sync.definition.webhookSubscriptions == ["sleep.updated"])
        #expect(sync.definition.safetyInterval == .seconds(6 * 3600))
        #expect(sync.fields == ["id", "start_at", "end_at", "in_bed_seconds"])
        #expect(text.contains("# guess: from \"dur\" (example 28800), seconds"))
        #expect(text.contains("# left out: latency_seconds from \"latency\" (example 12)"))
        #expect(text.contains("backfill: { days: 90, window: 30 days, as: date, until: always }"))
        #expect(text.contains("since: max(localDate(item.start))") && text.contains("apply: event.data"))
        #expect(text.contains("paginate: { type: \"cursor\", cursor_path: \"next\", cursor_name: \"page\" }"))
        // Each line of the mapping has its mark above it.
        let lines = text.split(separator: "\n").drop { $0 != "map:" }.dropFirst().prefix { $0 != "webhook:" }
        var isMarked = false
        for line in lines {
            if !line.hasPrefix("  #") { #expect(isMarked, "\(line)") }
            isMarked = line.hasPrefix("  #")
        }
    }

    @Test func `puts user and range where the partner wants them`() throws {
        let files = try PartnerFiles(try Self.read(Self.answers))

        let text = try file("integrations/ring/syncs/daily.yaml", of: files)
        let sync = try SyncFile(text, file: "daily.yaml", integrationKey: "ring", name: "daily")
        #expect(sync.endpoint == "/v1/users/${metadata.user_id}/days")
        #expect(
            text.contains("X-From: \"${checkpoint.since}\"") && !text.contains("paginate") && !text.contains("until"))
        #expect(text.contains("since: 'max(item.day ? Math.floor(Date.parse(dateTime(item.day)) / 1000) : undefined)'"))
        // Its event does not bring the record, so it lets the sync read.
        #expect(!text.contains("webhook:") && files.readAtEvents == ["daily"])
        let provider = try file("providers/ring.yaml", of: files)
        #expect(provider.contains("- { event: \"daily.*\", sync: daily }"))
        #expect(provider.contains("msg: [\"header:x-ring-time\", \"lit:.\", \"body\"]"))
        #expect(provider.contains("route: { value: \"body:user.id\", match: user_id }"))
        let script = try file("integrations/ring/on-events/user-id.js", of: files)
        #expect(script.contains("const id = data?.data?.id;") && script.contains("endpoint: \"/me\""))
    }

    @Test func `applies no event that lacks a part of the record`() throws {
        let part = Self.answers
            .replacing(", dur: 28800, latency: 12 }\n    daily", with: " }\n    daily")
        let named = part.replacing(
            "    sleep:\n      example:\n        kind",
            with: "    sleep:\n      record: data\n      example:\n        kind")
        #expect(named != part && part != Self.answers)

        #expect(try PartnerFiles(try Self.read(part)).readAtEvents == ["sleep", "daily"])
        #expect(try PartnerFiles(try Self.read(named)).readAtEvents == ["sleep", "daily"])
    }

    @Test func `applies no event that lacks what a person's own expression reads`() throws {
        let own = Self.answers.replacing(
            "    endpoint: /v1/sleep",
            with: "    map: { latency_seconds: 'item.latency * 60' }\n    endpoint: /v1/sleep")
        let lacking = own.replacing(", latency: 12 }\n    daily", with: " }\n    daily")
        #expect(lacking != own)

        #expect(try PartnerFiles(try Self.read(own)).readAtEvents == ["daily"], "the control")
        #expect(try PartnerFiles(try Self.read(lacking)).readAtEvents == ["sleep", "daily"])
    }

    @Test func `makes trials that begin behind the history`() throws {
        let trials = try PartnerFiles(try Self.read(Self.answers)).trials

        #expect(trials.map(\.file.name) == ["sleep", "daily", "user-id"])
        #expect(trials[0].facts["checkpoint"] == ["since": "2020-01-01"])
        #expect(trials[0].end == ["next": .null, "nights": []])
        #expect(trials[1].facts["checkpoint"] == ["since": 1_577_836_800])
        #expect(trials[2].answer == ["data": ["id": "user-1"]])
    }

    @Test func `takes an API key and a token's user`() throws {
        let key = try PartnerFiles(
            try Self.read(
                """
                name: key
                base_url: https://a.example
                auth: { api_key: "header:X-Key" }
                data_types: { steps: { endpoint: /d, example: [{ date: "2026-03-02", steps: 3 }] } }
                """))
        let token = try PartnerFiles(
            try Self.read(
                Self.answers.replacing("{ endpoint: /me, path: data.id }", with: "{ token: user.id }")))

        #expect(key.files.count == 2 && key.files[0].text.contains("x-key: \"${apiKey}\""))
        #expect(key.guesses[0].guess.model == "daily")
        #expect(token.files[0].text.contains("token_response_metadata: [\"user.id\"]"))
        #expect(try file("integrations/ring/on-events/user-id.js", of: token).contains("config[\"user.id\"]"))
    }

    @Test(arguments: [
        ("name: ring", "name: Ring", "name: \"Ring\" cannot be a name"),
        ("https://api.ring.example", "ring.example", "base_url: \"ring.example\" is no address"),
        ("token_url: \"https://ring.example/token\"", "x: 1", "auth.token_url: Expected where tokens are got"),
        ("scopes: [daily]", "scope: daily", "auth.scope: There is no such answer"),
        ("format: date", "format: epoch", "range.format: Expected date, iso, seconds or milliseconds"),
        ("start: query:from", "start: body:from", "range.start: Expected query:NAME"),
        ("cursor_path: next,", "", "paging.cursor_path: Paging by cursor needs cursor_path"),
        ("window_days: 30", "window_days: 0", "backfill.window_days: Expected a whole number from 1 to 3650"),
        ("endpoint: /v1/sleep", "endpoint: v1/sleep", "data_types.sleep.endpoint: Expected a path that begins"),
        ("/v1/users/{user}/days", "/v1/users/{who}/days", "data_types.daily.endpoint: {who} stands for nothing"),
        ("/v1/users/{user}/days", "/v1/days", "data_types.daily.endpoint: Put {user} where it belongs"),
        ("items: data.days", "items: days", "data_types.daily.items: The example has no list of objects at \"days\""),
        ("  daily:\n    endpoint", "  other:\n    endpoint", "data_types.other.model: Name the standard model"),
        ("scheme: hmac-sha256", "scheme: md5", "push.signature.scheme: Expected hmac-sha256"),
        ("header: X-Ring-Signature", "header: a b", "push.signature.header: Expected the name of the header"),
        ("user: user.id", "user: account.id", "push.user: The event of sleep has nothing at \"account.id\""),
        ("user_id: { endpoint: /me, path: data.id }", "", "user_id: Events are routed by the user's id"),
        ("    daily: { name", "    dayly: { name", "push.events.dayly: There is no kind of data with this name"),
    ])
    func `says what is wrong with an answer and where`(good: String, bad: String, message: String) {
        let text = Self.answers.replacing(good, with: bad)
        #expect(text != Self.answers && Self.issues(Self.answers).isEmpty, "the control")

        let issues = Self.issues(text)

        #expect(issues.contains { $0.hasPrefix(message) }, "\(issues)")
    }

    @Test func `asks for an id that an example does not show`() throws {
        let answers = try Self.read(
            """
            name: key
            base_url: https://a.example
            auth: { api_key: bearer }
            data_types: { tickets: { endpoint: /t, example: [{ title: One }] } }
            """)

        let error = #expect(throws: TerapiError.self) { try PartnerFiles(answers) }

        #expect(error?.issues.first?.path == ["data_types", "tickets", "map", "id"])
    }

    @Test(arguments: [
        "a: b", "#x", "it's", "yes", "\"quoted\"", "{x}", "- a", "two\nlines", " lead", "plain words", "",
    ])
    func `writes texts that YAML gives back`(text: String) throws {
        let found = try PartnerAnswers.json(
            "a: \(YAMLText.value(text))\nb: \(YAMLText.expression(text))", file: "a.yaml")

        #expect(found["a"] == .string(text))
        if !text.contains("\n") { #expect(found["b"] == .string(text)) }
    }
}
