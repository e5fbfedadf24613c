/// How often a sync runs: by an interval (`every 5 minutes`, `30s`, `every half hour`), or by the clock of a place
/// (`0 6 * * 1-5 Europe/Berlin`).
public struct Frequency: Sendable, Equatable {
    public enum Rhythm: Sendable, Equatable {
        case interval(Duration)
        case clock(CronSchedule)
    }

    public static let shortest = Duration.seconds(30)
    public static let longest = Duration.seconds(31 * 86_400)

    public static let daily = Frequency(text: "every day", rhythm: .interval(.seconds(86_400)))

    /// Of a sync whose provider pushes.
    public static let safety = Frequency(text: "every 6 hours", rhythm: .interval(.seconds(6 * 3600)))

    /// As it was written.
    public let text: String
    public let rhythm: Rhythm

    /// `nil` when it goes by the clock.
    public var interval: Duration? {
        if case .interval(let interval) = rhythm { interval } else { nil }
    }

    private init(text: String, rhythm: Rhythm) {
        self.text = text
        self.rhythm = rhythm
    }

    /// - Throws: `TerapiError(.invalidBody)` that says what is allowed.
    public init(_ text: String) throws {
        self.text = text
        if CronSchedule.isMeant(by: text) {
            rhythm = .clock(try CronSchedule(text))
            return
        }
        var rest = text.lowercased().split(separator: " ").joined(separator: " ")[...]
        if rest.hasPrefix("every ") { rest = rest.dropFirst(6) }
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        let unit = rest.dropFirst(digits.count).drop { $0 == " " }
        guard let count = digits.isEmpty ? 1 : Int64(digits), count < 1_000_000,
            let seconds = Self.seconds(in: String(unit), counted: !digits.isEmpty)
        else {
            throw TerapiError(
                .invalidBody,
                "\"\(text)\" is not a frequency. Write for example \"every 5 minutes\", \"every hour\", \"every day\" or "
                    + "\"every half hour\"; or five cron fields and a time zone, such as \"0 6 * * 1-5 Europe/Berlin\"."
            )
        }
        let interval = Duration.seconds(count * seconds)
        guard interval >= Self.shortest, interval <= Self.longest else {
            throw TerapiError(
                .invalidBody, "\"\(text)\": a sync runs at most every 30 seconds and at least every 31 days.")
        }
        rhythm = .interval(interval)
    }

    /// When a sync is due that has taken this frequency now.
    /// - Parameter start: when it began to run last.
    public func due(after start: Timestamp?, now: Timestamp) -> Timestamp {
        switch rhythm {
        case .interval(let interval): max(start.map { $0 + interval } ?? now, now)
        case .clock(let schedule): schedule.next(after: now)
        }
    }

    /// When a sync is due again whose run began at `start` and has just ended. Ticks that the run has missed are gone.
    ///
    /// Intervals keep to the raster that began with the run, so that slow runs do not drift, a twentieth earlier or later,
    /// so that syncs which began together do not stay together. A clock's moments are what a person has named: exactly.
    public func nextTick(
        ofRunBegunAt start: Timestamp,
        now: Timestamp,
        random: inout some RandomNumberGenerator
    ) -> Timestamp {
        switch rhythm {
        case .clock(let schedule): return schedule.next(after: now)
        case .interval(let interval):
            let elapsed = max(0, (now - start).microseconds)
            let ticks = elapsed / interval.microseconds + 1
            let jitter = Double(interval.microseconds) * Double.random(in: -0.05...0.05, using: &random)
            return max(start + .microseconds(ticks * interval.microseconds + Int64(jitter)), now)
        }
    }

    private static func seconds(in unit: String, counted: Bool) -> Int64? {
        switch unit {
        case "s", "sec", "secs", "second", "seconds": counted ? 1 : nil
        case "m", "min", "mins", "minute", "minutes": 60
        case "h", "hr", "hrs", "hour", "hours": 3600
        case "d", "day", "days": 86_400
        case "w", "week", "weeks": 7 * 86_400
        case "month": counted ? nil : 30 * 86_400
        case "half day": counted ? nil : 12 * 3600
        case "half hour": counted ? nil : 1800
        case "quarter hour": counted ? nil : 900
        default: nil
        }
    }
}
