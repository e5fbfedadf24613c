import TerapiCore
import Testing

@testable import TerapiScripts

struct ModelGuessTests {
    private static func guess(
        _ model: String, _ item: String, given: [(name: String, expression: String)] = []
    ) throws -> ModelGuess {
        ModelGuess(
            of: try JSONReader.read(Array(item.utf8)), as: try #require(StandardModel.named(model)), given: given)
    }

    private static func expressions(_ guess: ModelGuess) -> [String: String] {
        Dictionary(uniqueKeysWithValues: guess.fields.map { ($0.field, $0.expression) })
    }

    // MARK: Words

    @Test(arguments: [
        ("avgHeartRate", ["avg", "hr"]), ("average-heartrate", ["avg", "hr"]), ("HRAverage", ["hr", "avg"]),
        ("SpO2Avg", ["spo2", "avg"]), ("VO2Max", ["vo2max"]), ("total_sleep_mins", ["total", "sleep", "minute"]),
        ("startTimeInSeconds", ["start", "time", "in", "second"]), ("speed_m_per_s", ["speed", "mps"]),
        ("minHR", ["min", "hr"]), ("glucose_mg_dl", ["glucose", "mg_dl"]), ("", []),
    ])
    func `takes a name apart into words`(name: String, words: [String]) {
        #expect(ExampleField.words(of: name) == words)
    }

    @Test func `reads a nested place like one name`() throws {
        let guess = try Self.guess(
            "sleep",
            #"{"id": 7, "start": "2026-03-01T23:00:00+01:00", "end": "2026-03-02T07:00:00+01:00", "heart_rate": {"avg": 52, "min": 44}}"#
        )

        let found = Self.expressions(guess)
        #expect(found["avg_hr_bpm"] == "item.heart_rate?.avg" && found["min_hr_bpm"] == "item.heart_rate?.min")
        #expect(found["id"] == "String(item.id)" && guess.isComplete)
    }

    // MARK: Units

    /// What the field and its example are, and what becomes of it; `nil` where the unit stays open.
    @Test(
        arguments: [
            // By the name.
            ("sleep", "deep_minutes", "90", "deep_seconds", #"convert(item.deep_minutes, "min", "s")"#),
            ("sleep", "remMillis", "5400000", "rem_seconds", #"convert(item.remMillis, "ms", "s")"#),
            ("sleep", "light_sleep_hours", "4.5", "light_seconds", #"convert(item.light_sleep_hours, "h", "s")"#),
            ("sleep", "awake_s", "900", "awake_seconds", "item.awake_s"),
            ("activity", "distance_km", "10.2", "distance_meters", #"convert(item.distance_km, "km", "m")"#),
            ("activity", "distanceMiles", "6.2", "distance_meters", #"convert(item.distanceMiles, "mi", "m")"#),
            ("activity", "energy_kj", "2000", "energy_kcal", #"convert(item.energy_kj, "kj", "kcal")"#),
            ("activity", "avg_speed_kmh", "28.5", "avg_speed_mps", #"convert(item.avg_speed_kmh, "kmh", "mps")"#),
            ("body", "weight_lbs", "160", "weight_kg", #"convert(item.weight_lbs, "lb", "kg")"#),
            ("body", "glucose_mmol_l", "5.5", "glucose_mg_dl", #"convert(item.glucose_mmol_l, "mmol_l", "mg_dl")"#),
            ("body", "weight_kg", #""72.5""#, "weight_kg", "number(item.weight_kg)"),
            // By the only value that is possible.
            ("sleep", "dur", "28800", "asleep_seconds", "item.dur"),
            ("sleep", "sleep_duration", "480", "asleep_seconds", #"convert(item.sleep_duration, "min", "s")"#),
            ("sleep", "duration", "27720000", "asleep_seconds", #"convert(item.duration, "ms", "s")"#),
            ("sleep", "efficiency", "0.93", "efficiency_percent", #"convert(item.efficiency, "fraction", "percent")"#),
            ("sleep", "efficiency", "93", "efficiency_percent", "item.efficiency"),
            ("daily", "distance", "8210", "distance_meters", "item.distance"),
            ("body", "height", "1.78", "height_cm", #"convert(item.height, "m", "cm")"#),
            ("body", "height", "178", "height_cm", "item.height"),
            (
                "body", "temperature", "98.6", "body_temperature_celsius",
                #"convert(item.temperature, "fahrenheit", "celsius")"#
            ),
            ("body", "glucose", "5.5", "glucose_mg_dl", #"convert(item.glucose, "mmol_l", "mg_dl")"#),
            ("body", "systolic", "121", "systolic_mmhg", "item.systolic"),
            ("daily", "calories", "2310", "energy_total_kcal", "item.calories"),
            // Open: better nothing than something wrong.
            ("sleep", "light", "480", "light_seconds", nil), ("sleep", "awake", "90", "awake_seconds", nil),
            ("sleep", "latency", "12", "latency_seconds", nil), ("body", "weight", "72.5", "weight_kg", nil),
            ("daily", "distance", "8.2", "distance_meters", nil),
            ("activity", "avg_speed", "3.2", "avg_speed_mps", nil),
            ("activity", "elevation_gain", "120", "elevation_gain_meters", nil),
            ("daily", "energy", "8800", "energy_total_kcal", nil), ("body", "height", "70", "height_cm", nil),
            // A name and a value that do not go together.
            ("sleep", "duration_minutes", "28800", "asleep_seconds", nil),
            ("body", "weight_kg", "72500", "weight_kg", nil),
            ("sleep", "duration", #""PT8H""#, "asleep_seconds", nil),
            ("body", "heart_rate", "720", "heart_rate_bpm", nil),
        ] as [(String, String, String, String, String?)])
    func `proposes a unit only when no other one is possible`(
        model: String, name: String, value: String, field: String, expression: String?
    ) throws {
        let guess = try Self.guess(model, #"{"\#(name)": \#(value)}"#)

        #expect(Self.expressions(guess)[field] == expression)
        // Left out is told, with its place.
        if expression == nil { #expect(guess.leftOut.contains { $0.field == field && $0.from == name }) }
    }

    @Test func `lets the time from start to end decide about lengths`() throws {
        let nap = #""start": "2026-03-01T13:00:00Z", "end": "2026-03-01T13:20:00Z""#
        let night = #""start": 1772406000, "end": 1772434800"#

        let short = Self.expressions(try Self.guess("sleep", "{\(nap), \"time_asleep\": 15}"))
        let bed = try Self.guess("sleep", "{\(night), \"dur\": 28800}")
        let asleep = Self.expressions(try Self.guess("sleep", "{\(night), \"dur\": 25000}"))
        let longer = try Self.guess("sleep", "{\(night), \"asleep_minutes\": 700}")

        #expect(short["asleep_seconds"] == #"convert(item.time_asleep, "min", "s")"#)
        // As long as from start to end: that is the time in bed.
        #expect(Self.expressions(bed)["in_bed_seconds"] == "item.dur" && asleep["asleep_seconds"] == "item.dur")
        let field = try #require(bed.fields.first { $0.field == "in_bed_seconds" })
        #expect(field.from == "dur" && field.example == "28800" && field.because.hasPrefix("seconds"))
        #expect(longer.leftOut.map(\.from) == ["asleep_minutes"])
    }

    // MARK: What is not meant

    @Test(arguments: [
        (
            "daily",
            #"{"target_calories": 2500, "goal": {"steps": 10000}, "weekly_distance_km": 40, "calorie_goal_kcal": 2000}"#
        ),
        ("sleep", #"{"contributors": {"deep_sleep": 88, "total_sleep": 75}, "sleep_need_seconds": 28800}"#),
        ("sleep", #"{"hrv": 45, "hr": 50}"#), ("body", #"{"muscle": 40, "fat": 20}"#),
        ("activity", #"{"hr_zones": {"avg_hr": 140}, "max_speed_limit_kmh": 50}"#),
    ])
    func `leaves alone what only sounds alike`(model: String, item: String) throws {
        let guess = try Self.guess(model, item)

        #expect(guess.fields.isEmpty, "\(guess.fields)")
        #expect(!guess.unmapped.isEmpty)
    }

    @Test func `does not choose between two that fit alike`() throws {
        let guess = try Self.guess("activity", #"{"avg_hr": 140, "hr_avg": 150, "max_hr": 170}"#)

        #expect(Self.expressions(guess) == ["max_hr_bpm": "item.max_hr"])
        #expect(guess.leftOut.contains { $0.field == "avg_hr_bpm" && $0.because.contains("fits as well") })
    }

    // MARK: Times and ids

    @Test(arguments: [
        (#""2026-03-01T23:00:00+01:00""#, ModelGuess.Confidence.high), (#""2026-03-01 23:00:00""#, .low),
        ("1772406000", .medium), ("1772406000000", .medium), (#""1772406000""#, .medium),
    ])
    func `knows how a moment is written`(value: String, confidence: ModelGuess.Confidence) throws {
        let guess = try Self.guess("sleep", #"{"bedtime_start": \#(value)}"#)

        let start = try #require(guess.fields.first { $0.field == "start_at" })
        #expect(start.expression == "dateTime(item.bedtime_start)" && start.confidence == confidence)
        #expect(guess.missing == ["end_at"])
    }

    @Test(arguments: [#""2026-03-01""#, #""23:00""#, "230000", #""yesterday""#, "true"])
    func `takes no other text or number for a moment`(value: String) throws {
        let guess = try Self.guess("sleep", #"{"id": "s", "start": \#(value)}"#)

        #expect(guess.missing == ["start_at", "end_at"])
        #expect(guess.leftOut.contains { $0.field == "start_at" })
    }

    @Test func `takes a day for the id of a day, and cuts it out of no moment without saying so`() throws {
        let day = try Self.guess("daily", #"{"id": "d1", "day": "2026-03-02", "steps": 9321}"#)
        let moment = try Self.guess("daily", #"{"date": "2026-03-02T00:00:00", "steps": "9321"}"#)
        let epoch = try Self.guess("daily", #"{"date": 1772406000, "steps": 9321.5}"#)

        #expect(
            Self.expressions(day) == [
                "id": "localDate(item.day)", "local_date": "localDate(item.day)", "steps": "item.steps",
            ])
        #expect(moment.fields.first { $0.field == "local_date" }?.confidence == .low)
        #expect(Self.expressions(moment)["steps"] == "number(item.steps)")
        #expect(epoch.fields.isEmpty && epoch.missing == ["id", "local_date"])
    }

    @Test func `takes what a person said as it is, and guesses nothing beside it`() throws {
        let guess = try Self.guess(
            "sleep", #"{"uuid": "s1", "start": "2026-03-01T23:00:00Z", "end": "2026-03-02T07:00:00Z", "latency": 12}"#,
            given: [("latency_seconds", #"convert(item.latency, "min", "s")"#)])

        let latency = try #require(guess.fields.first { $0.field == "latency_seconds" })
        #expect(latency.from == nil && latency.expression == #"convert(item.latency, "min", "s")"#)
        #expect(guess.leftOut.isEmpty && guess.unmapped.isEmpty && guess.isComplete)
        #expect(Self.expressions(guess)["id"] == "item.uuid")
    }

    @Test func `reads names that are none in JavaScript`() throws {
        let guess = try Self.guess("daily", #"{"calendar-date": "2026-03-02", "daily stats": {"step count": 12}}"#)

        #expect(Self.expressions(guess)["local_date"] == #"localDate(item["calendar-date"])"#)
        #expect(Self.expressions(guess)["steps"] == #"item["daily stats"]?.["step count"]"#)
    }

    @Test func `maps other models too, and marks tables of words`() throws {
        let guess = try Self.guess(
            "ticket",
            #"{"id": 4, "subject": "It is stuck", "state": "OPEN", "url": "https://a.example/4", "updated_at": "2026-03-02T07:00:00Z"}"#
        )

        let found = Self.expressions(guess)
        #expect(found["title"] == "item.subject" && found["url"] == "item.url" && found["status_raw"] == "item.state")
        #expect(found["status"]?.hasPrefix("lookup(item.state, { open: \"open\"") == true)
        #expect(found["source_updated_at"] == "dateTime(item.updated_at)")
    }
}
