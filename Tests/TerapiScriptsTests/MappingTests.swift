import TerapiCore
import TerapiScripts
import Testing

/// The functions that mappings use, from scripts and from expressions in YAML.
@Suite(.timeLimit(.minutes(1)))
struct MappingTests {
    private static let names =
        "convert, dateTime, later, localDate, lookup, number, offsetMinutes, person, plainText, secondsBetween, sport"

    @Test(arguments: [
        ("convert(26.2, 'mi', 'm')", "42164.8128"), ("convert('150', 'lb', 'kg')", "68.0388555"),
        ("convert(800, 'kj', 'kcal')", "191.20458891"), ("convert(7, 'min', 's')", "420"),
        ("convert(0.85, 'fraction', 'percent')", "85"), ("convert(5.5, 'mmol_l', 'mg_dl')", "99.0858"),
        ("convert(98.6, 'fahrenheit', 'celsius')", "37"), ("convert(37, 'celsius', 'fahrenheit')", "98.6"),
        ("convert(0, 'celsius', 'kelvin')", "273.15"), ("convert(5000, 'mmps', 'mps')", "5"),
        ("convert(null, 'm', 'km')", "null"), ("convert('', 'm', 'km')", "null"), ("convert('x', 'm', 'km')", "null"),
        ("convert(0.1 + 0.2, 'm', 'm')", "0.3"),
        ("number('12')", "12"), ("number('12 km')", "null"), ("number(false)", "null"), ("number(0)", "0"),
        ("dateTime('2024-05-01T10:00:00.000+0200')", #""2024-05-01T10:00:00+02:00""#),
        ("dateTime('2025-01-01T09:00:00.1230000')", #""2025-01-01T09:00:00.123Z""#),
        ("dateTime('2026-01-05 10:00:00 UTC')", #""2026-01-05T10:00:00Z""#),
        ("dateTime(1767607200)", #""2026-01-05T10:00:00Z""#), ("dateTime(1767607200000)", #""2026-01-05T10:00:00Z""#),
        ("dateTime('1767607200')", #""2026-01-05T10:00:00Z""#), ("dateTime('soon')", "null"),
        ("dateTime('2026-01-05T10:00:00Z', '-14400s')", #""2026-01-05T06:00:00-04:00""#),
        ("dateTime('2026-01-05T10:00:00Z', 330)", #""2026-01-05T15:30:00+05:30""#), ("dateTime(null)", "null"),
        // Cut, and not moved: in UTC it is still the day before.
        ("localDate('2026-01-05T00:30:00+05:30')", #""2026-01-05""#), ("localDate('2026-01-05')", #""2026-01-05""#),
        ("localDate('2026-01-05T22:30:00Z', '+05:30')", #""2026-01-06""#), ("localDate(undefined)", "null"),
        ("offsetMinutes('-14400s')", "-240"), ("offsetMinutes('2026-01-05T22:30:00-03:30')", "-210"),
        ("offsetMinutes('2026-01-05T22:30:00Z')", "0"), ("offsetMinutes('2026-01-05')", "null"),
        ("secondsBetween('2026-01-05T10:00:00Z', '2026-01-05T12:00:01+01:00')", "3601"),
        ("later('2026-01-05T22:30:00+05:30', 3600)", #""2026-01-05T23:30:00+05:30""#),
        ("lookup('Opened', { opened: 'open' })", #""open""#), ("lookup('Parked', { opened: 'open' })", #""unknown""#),
        ("lookup('Parked', { opened: 'open' }, 'other')", #""other""#), ("lookup(null, { a: 1 })", "null"),
        ("lookup('constructor', {})", #""unknown""#),
        ("sport('TrailRun')", #""trail_running""#), ("sport('AEROBIC_WORKOUT')", #""cardio""#),
        ("sport('hiking/rucking')", #""hiking""#), ("sport('Quidditch')", #""unknown""#), ("sport('')", "null"),
        ("person(7, null, 'a@b.example')", #"{"id":"7","email":"a@b.example"}"#), ("person(null)", "null"),
        ("plainText('<p>Hi &amp; you<br>there&#33;</p><script>x()</script>')", #""Hi & you\nthere!""#),
    ])
    func `do what they say, in scripts and in YAML`(expression: String, expected: String) async throws {
        let script = try await ScriptFixture.result(
            "const { \(Self.names) } = require('terapi'); return \(expression);")
        #expect(script == expected)

        let functions = FakeFunctions(respond: { _ in .json(#"[{"id":"1"}]"#) })
        let text = JSONValue.string("(\(expression)) ?? null").text()
        try await run(
            "model: a\nfrequency: every day\nrequest: { endpoint: /x }\nmap: { id: item.id, v: \(text) }", functions)
        #expect(functions.documents == [#"{"id":"1","v":\#(expected)}"#])
    }

    @Test(arguments: [
        ("convert(1, 'furlong', 'm')", #"convert: "furlong" is no unit that is known"#),
        ("convert(1, 'kg', 'm')", "convert: kg measures mass and m measures length."),
    ])
    func `a wrong unit is a mistake, whatever the value`(expression: String, expected: String) async throws {
        for value in [expression, expression.replacing("(1,", with: "(null,")] {
            let error = await #expect(throws: TerapiError.self) {
                try await ScriptFixture.result("return require('terapi').\(value);")
            }
            #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
        }
    }

    @Test func `every sport that the function knows is one of the model`() async throws {
        let model = try #require(StandardModel.named("activity")?.document.value(at: "properties.sport.enum")?.array)
        let words = [
            "Run", "TrailRun", "VirtualRide", "WeightTraining", "StandUpPaddling", "EMountainBikeRide", "Workout",
            "BIKING",
            "WEIGHTS", "functional-fitness", "Pickleball", "rowing_machine", "weightlifting", "spin", "powerlifting",
        ]
        let list = JSONValue(words).text()

        let found = try await ScriptFixture.result(
            "const { sport } = require('terapi'); return \(list).map((one) => sport(one));")

        for sport in try JSONReader.read(found).array ?? [] { #expect(model.contains(sport) && sport != "unknown") }
    }

    @Test func `an expression keeps its own names`() async throws {
        let functions = FakeFunctions(respond: { _ in .json(#"[{"id":"1","people":[{"number":5}]}]"#) })
        let file = """
            model: a
            frequency: every day
            request: { endpoint: /x }
            map: { id: item.id, all: 'item.people.map(person => person.number)' }
            """

        try await run(file, functions)

        #expect(functions.documents == [#"{"id":"1","all":[5]}"#])
    }

    @Test func `scripts name the standard models that the server knows`() async throws {
        let names = try await ScriptFixture.result("return Object.keys(require('terapi').models);")
        #expect(try JSONReader.read(names) == JSONValue(StandardModel.all.map(\.name)))

        let all = try await ScriptFixture.result(
            """
            const terapi = require('terapi');
            return Object.keys(terapi).filter((name) => typeof terapi[name] === 'undefined');
            """)
        #expect(all == "[]", "each of the names stands for something")
    }

    private func run(_ text: String, _ functions: FakeFunctions) async throws {
        let file = try SyncFile(text, file: "github/issues.yaml", integrationKey: "github", name: "issues")
        var invocation = ScriptFixture.sync("")
        invocation.code = file.definition.code
        let host = Self.host
        _ = try await host.run(invocation, functions: functions)
    }

    private static let host = ScriptFixture.host()
}
