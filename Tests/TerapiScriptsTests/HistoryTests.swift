import Foundation
import Synchronization
import TerapiCore
import TerapiScripts
import Testing

/// The first reading of a sync in YAML that has a history to read.
@Suite(.timeLimit(.minutes(1)))
struct HistoryTests {
    private static let windowed = """
        model: event
        frequency: every hour
        request:
          endpoint: /events
          params: { from: "${checkpoint.since}", to: "${backfill.until}" }
          paginate: { type: cursor, cursor_path: next, cursor_name: page }
          response_path: items
        backfill: { days: 10, window: 4 days, as: unix }
        checkpoint: { since: max(item.at) }
        """
    private static let day = 86_400

    /// A provider with one event in each hour of the last twelve days, ten on a page; and a server that keeps a checkpoint.
    private final class World: Sendable {
        struct State: Sendable {
            var checkpoint: JSONValue = .null
            var reports: [JSONValue] = []
            var asked: [(from: Int, to: Int?, page: Int)] = []
            /// Fails at this request, counted from 1.
            var failsAt: Int?
            var status = 500
        }

        let state = Mutex(State())
        let now: Int
        var functions: FakeFunctions { FakeFunctions(respond: respond, change: change, answer: answer) }

        init(now: Int) { self.now = now }

        private func respond(_ request: ScriptRequest) async throws -> ScriptResponse {
            let from = Int(request.parameter("from") ?? "") ?? 0
            let to = request.parameter("to").flatMap { Int($0) }
            let page = Int(request.parameter("page") ?? "") ?? 0
            let failure = state.withLock { state -> Int? in
                state.asked.append((from, to, page))
                return state.failsAt == state.asked.count ? state.status : nil
            }
            if let failure { return .json("{}", status: failure) }
            let hours = (0..<(12 * 24)).map { now - 12 * HistoryTests.day + $0 * 3600 }
            let found = hours.filter { $0 >= from && $0 <= to ?? .max }
            let items = found.dropFirst(page * 10).prefix(10).map { #"{"id":"\#($0)","at":\#($0)}"# }
            let next = found.count > (page + 1) * 10 ? #","next":\#(page + 1)"# : ""
            return .json(#"{"items":[\#(items.joined(separator: ","))]\#(next)}"#)
        }

        private func change(_ change: ScriptRecordChange) async throws {
            if let checkpoint = change.checkpoint { state.withLock { $0.checkpoint = checkpoint } }
        }

        private func answer(_ name: String, _ arguments: [JSONValue]) async throws -> JSONValue {
            state.withLock { state in
                switch name {
                case "getCheckpoint": return state.checkpoint
                case "saveCheckpoint": state.checkpoint = arguments.first ?? .null
                case "reportBackfill": state.reports.append(arguments.first ?? .null)
                default: break
                }
                return .null
            }
        }
    }

    @Test
    func `is read in windows from its beginning, and told when it is done`() async throws {
        let world = world()
        let functions = world.functions

        try await run(Self.windowed, functions)

        let (asked, reports, checkpoint) = world.state.withLock { ($0.asked, $0.reports, $0.checkpoint) }
        let start = world.now - 10 * Self.day
        let bounds = asked.filter { $0.page == 0 }.map { [$0.from, $0.to ?? 0] }
        #expect(bounds.count == 3)
        // The script's clock may be some seconds later than ours.
        for (bound, days) in zip(bounds, [(0, 4), (4, 8), (8, 10)]) {
            #expect(abs(bound[0] - start - days.0 * Self.day) < 30 && abs(bound[1] - start - days.1 * Self.day) < 30)
        }
        #expect(zip(bounds, bounds.dropFirst()).allSatisfy { $0[1] == $1[0] })
        #expect(Set(functions.ids).count >= 10 * 24 - 1)
        #expect(reports.map { $0["windows_done"]?.int } == [0, 1, 2, 3])
        #expect(reports.map { $0["finished"]?.bool ?? false } == [false, false, false, true])
        #expect(reports.allSatisfy { $0["windows"] == 3 })
        // Nothing of the history stays in the place of the incremental reading.
        #expect(checkpoint.object?.names == ["since"])
        #expect(checkpoint["since"]?.int == functions.ids.compactMap { Int($0) }.max())
    }

    @Test
    func `is not read again by the next run, which asks for no end`() async throws {
        let world = world()
        try await run(Self.windowed, world.functions)
        world.state.withLock { $0.asked = [] }

        try await run(Self.windowed, world.functions)

        let (asked, reports) = world.state.withLock { ($0.asked, $0.reports) }
        #expect(asked.count == 1 && asked[0].to == nil && asked[0].from > world.now - 2 * Self.day)
        #expect(reports.count == 4)
    }

    @Test
    func `gives each request an end where the provider insists on one`() async throws {
        let file = Self.windowed.replacing("as: unix }", with: "as: unix, until: always }")
        let world = world()
        try await run(file, world.functions)
        let windows = world.state.withLock { state in
            defer { state.asked = [] }
            return state.asked
        }

        try await run(file, world.functions)

        let asked = world.state.withLock { $0.asked }
        #expect(Set(windows.compactMap(\.to)).count == 3 && asked.count == 1)
        let end = try #require(asked.first?.to)
        #expect(abs(end - Int(Date().timeIntervalSince1970)) < 120)
    }

    @Test
    func `ends where a test has stopped the clock`() async throws {
        let stop = 1_768_478_400
        let world = World(now: stop)

        try await run(Self.windowed, world.functions, stoppedAt: "2026-01-15T12:00:00Z")

        let asked = world.state.withLock { $0.asked }
        #expect(asked.first?.from == stop - 10 * Self.day && asked.compactMap(\.to).max() == stop)
    }

    @Test(arguments: [1, 3, 11, 12, 15, 20, 24])
    func `goes on in its window where it was cut off`(failsAt: Int) async throws {
        let world = world()
        world.state.withLock { $0.failsAt = failsAt }
        let first = world.functions
        await #expect(throws: TerapiError.self) { try await run(Self.windowed, first) }
        let (cut, before) = world.state.withLock { ($0.asked, $0.reports) }
        world.state.withLock { $0.failsAt = nil }

        let second = world.functions
        try await run(Self.windowed, second)

        let (asked, reports, checkpoint) = world.state.withLock { ($0.asked, $0.reports, $0.checkpoint) }
        // From the page that failed, within the same bounds.
        let place = try #require(cut.last)
        let next = asked[cut.count]
        #expect(next.from == place.from && next.to == place.to && next.page == place.page)
        #expect(Set(first.ids + second.ids).count >= 10 * 24 - 1)
        #expect(reports.filter { $0["finished"] == true }.count == 1)
        // Of one and the same history.
        #expect(Set(reports.map { $0["from"] }).count == 1 && Set(reports.map { $0["until"] }).count == 1)
        #expect(reports.count > before.count)
        #expect(checkpoint["since"]?.int == (first.ids + second.ids).compactMap { Int($0) }.max())
    }

    @Test
    func `reads a window anew whose page the provider does not know any more`() async throws {
        let world = world()
        world.state.withLock { $0.failsAt = 12 }
        await #expect(throws: TerapiError.self) { try await run(Self.windowed, world.functions) }
        let cut = world.state.withLock { $0.asked }
        world.state.withLock { state in
            state.failsAt = cut.count + 1
            state.status = 410
        }

        let second = world.functions
        try await run(Self.windowed, second)

        let asked = world.state.withLock { $0.asked }
        try #require(cut.count > 11 && asked.count > cut.count + 1)
        #expect(asked[cut.count].page == cut[11].page)
        #expect(asked[cut.count + 1].page == 0 && asked[cut.count + 1].from == cut[11].from)
        #expect(world.state.withLock { $0.checkpoint["since"]?.int } == second.ids.compactMap { Int($0) }.max())
    }

    @Test
    func `is told once more when the run was cut off before the last trace of it was gone`() async throws {
        let world = world()
        try await run(Self.windowed, world.functions)
        let until = world.now
        world.state.withLock { state in
            state.asked = []
            state.reports = []
            state.checkpoint = [
                "_page.since": JSONValue(until - 3600), "_history.from": JSONValue((until - 10 * Self.day) * 1000),
                "_history.until": JSONValue(until * 1000), "_history.done": 3,
                "_history.size": JSONValue(4 * Self.day * 1000),
            ]
        }

        try await run(Self.windowed, world.functions)

        let (asked, reports, checkpoint) = world.state.withLock { ($0.asked, $0.reports, $0.checkpoint) }
        #expect(asked.isEmpty)
        #expect(reports.last?["finished"] == true)
        #expect(checkpoint == ["since": JSONValue(until - 3600)])
    }

    @Test
    func `without windows is one reading, which goes on by its checkpoint and is told at its end`() async throws {
        let file = """
            model: event
            frequency: every hour
            request:
              endpoint: /events
              params: { from: "${checkpoint.since}" }
              paginate: { type: cursor, cursor_path: next, cursor_name: page }
              response_path: items
            backfill: { days: 3, as: unix }
            checkpoint: { since: max(item.at), order: ascending }
            """
        let world = world()
        world.state.withLock { $0.failsAt = 4 }
        await #expect(throws: TerapiError.self) { try await run(file, world.functions) }
        let reached = world.state.withLock { $0.checkpoint["since"]?.int }
        world.state.withLock { $0.failsAt = nil }

        try await run(file, world.functions)

        let (asked, reports, checkpoint) = world.state.withLock { ($0.asked, $0.reports, $0.checkpoint) }
        try #require(asked.count > 4)
        #expect(asked[4].from == reached && asked[4].page == 0)
        #expect(reports.map { $0["windows"]?.int } == Array(repeating: 1, count: reports.count))
        #expect(reports.last?["finished"] == true)
        #expect(checkpoint.object?.names == ["since"])
    }

    @Test
    func `an empty history has an end too`() async throws {
        let world = World(now: 1_000_000)
        let functions = world.functions

        try await run(Self.windowed, functions)

        let (reports, checkpoint) = world.state.withLock { ($0.reports, $0.checkpoint) }
        #expect(reports.last?["finished"] == true)
        let until = try #require(reports.last?["until"]?.string.flatMap { Timestamp(iso8601: $0) })
        // An hour early: the provider's clock may be behind.
        #expect(checkpoint == ["since": JSONValue(until.unixSeconds - 3600)])
    }

    @Test(arguments: [
        (
            "backfill: { days: 3, window: 1 day }\ncheckpoint: { since: max(item.at) }\nrequest: { endpoint: /x }",
            "expected ${backfill.until} in the request"
        ),
        (
            "checkpoint: { since: max(item.at) }\nrequest: { endpoint: /x, params: { to: \"${backfill.until}\" } }",
            "expected backfill with a window"
        ),
        (
            "backfill: { days: 3, window: often }\ncheckpoint: { since: max(item.at) }\nrequest: { endpoint: /x }",
            "expected backfill.window to be a time"
        ),
        (
            "backfill: { days: 3, until: now }\ncheckpoint: { since: max(item.at) }\nrequest: { endpoint: /x }",
            "expected backfill.until to be one of history, always"
        ),
        ("endpoint: POST /events\nrequest: { endpoint: /x }", "expected an endpoint of a sync to be GET"),
        ("endpoint: events\nrequest: { endpoint: /x }", "expected an endpoint's path"),
        ("frequency: 0 6 * * * Mars/Olympus\nrequest: { endpoint: /x }", "time zone"),
    ])
    func `names what is wrong in a file`(lines: String, expected: String) throws {
        let frequency = lines.contains("frequency:") ? "" : "frequency: every day\n"

        let error = #expect(throws: TerapiError.self) { try file("model: a\n\(frequency)\(lines)") }

        #expect(error?.issues.contains { $0.message.contains(expected) } == true, "\(String(describing: error))")
    }

    @Test
    func `takes a clock and an endpoint from a file`() throws {
        let sync = try file(
            "model: a\nfrequency: 0 6 * * 1-5 Europe/Berlin\nendpoint: GET /crm/as\nrequest: { endpoint: /x }")

        #expect(sync.definition.frequency.interval == nil)
        #expect(sync.definition.frequency.text == "0 6 * * 1-5 Europe/Berlin")
        #expect(sync.definition.endpoints.map(\.text) == ["GET /crm/as"])
    }

    private func world() -> World {
        World(now: Int(Date().timeIntervalSince1970))
    }

    private func file(_ text: String) throws -> SyncFile {
        try SyncFile(text, file: "desk/events.yaml", integrationKey: "desk", name: "events")
    }

    private func run(_ text: String, _ functions: FakeFunctions, stoppedAt now: String? = nil) async throws {
        var invocation = ScriptFixture.sync("")
        invocation.properties["now"] = now.map(JSONValue.string)
        invocation.code = try file(text).definition.code
        let host = ScriptFixture.host()
        defer { host.stop() }
        _ = try await host.run(invocation, functions: functions)
    }
}
