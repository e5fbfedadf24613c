/// Moments by the clock and the calendar of a place: `minute hour day-of-month month day-of-week`, and a time zone.
///
/// When the place changes its clock:
/// - Named hours (`30 2 * * *`): a time that the clock leaps over comes at the moment of the leap, and one that it shows
///   twice comes the first time only. So each day has as many runs as any other.
/// - Every hour (`*` or `*/n` in the hour's place): the clock's own course. What is leapt over does not come, and what is
///   shown twice comes twice. So the distance between runs stays the same.
public struct CronSchedule: Sendable, Equatable {
    /// 29 February on a day that comes every eight years around 2100, and no day later than that.
    private static let horizonDays: Int64 = 3000

    private let minutes: Set<Int64>
    private let hours: Set<Int64>
    private let days: Set<Int64>
    private let months: Set<Int64>
    /// 0 is Sunday.
    private let weekdays: Set<Int64>
    private let namesDays: Bool
    private let namesWeekdays: Bool
    private let namesHours: Bool
    private let place: PlaceClock
    /// Of one day, in their order, in seconds.
    private let times: [Int64]

    /// Whether a text can only be meant as cron fields.
    static func isMeant(by text: String) -> Bool {
        let words = text.split(separator: " ")
        guard let first = words.first, words.count > 2 || text.contains("*") else { return false }
        return first.utf8.allSatisfy { "0123456789*/,-".utf8.contains($0) }
    }

    /// - Throws: `TerapiError(.invalidBody)` that names the field.
    init(_ text: String) throws {
        let words = text.split(separator: " ").map(String.init)
        guard words.count == 5 || words.count == 6 else {
            throw TerapiError(
                .invalidBody,
                "\"\(text)\" is not a frequency: five cron fields are expected (minute, hour, day of the month, month, day "
                    + "of the week), and then a time zone such as Europe/Berlin; without one it is UTC."
            )
        }
        func field(_ index: Int, _ name: String, _ range: ClosedRange<Int64>, _ names: [String] = []) throws -> Set<
            Int64
        > {
            guard let values = Self.values(of: words[index], in: range, names: names) else {
                throw TerapiError(
                    .invalidBody,
                    "\"\(text)\" is not a frequency: \"\(words[index])\" is no \(name). Allowed are numbers from "
                        + "\(range.lowerBound) to \(range.upperBound), \"*\", \"1-5\", \"*/15\", \"1-30/2\" and several "
                        + "joined by commas."
                )
            }
            return values
        }
        minutes = try field(0, "minute", 0...59)
        hours = try field(1, "hour", 0...23)
        days = try field(2, "day of the month", 1...31)
        months = try field(3, "month", 1...12, Self.monthNames)
        weekdays = Set(try field(4, "day of the week", 0...7, Self.weekdayNames).map { $0 % 7 })
        namesHours = !words[1].hasPrefix("*")
        namesDays = !words[2].hasPrefix("*")
        namesWeekdays = !words[4].hasPrefix("*")
        times = hours.sorted().flatMap { [minutes] hour in minutes.sorted().map { hour * 3600 + $0 * 60 } }
        let zone = words.count == 6 ? words[5] : "UTC"
        guard let place = PlaceClock(zone) else {
            throw TerapiError(
                .invalidBody,
                "\"\(text)\": there is no time zone \"\(zone)\". Write it as in Europe/Berlin or America/New_York, or UTC."
            )
        }
        self.place = place
        let longest = months.map { $0 == 2 ? 29 : [4, 6, 9, 11].contains($0) ? 30 : 31 }.max() ?? 0
        guard namesWeekdays || (days.min() ?? 0) <= longest else {
            throw TerapiError(.invalidBody, "\"\(text)\" names a day that never comes.")
        }
    }

    /// The first moment behind this one.
    public func next(after moment: Timestamp) -> Timestamp {
        let second = moment.unixSeconds
        // A clock that was set back over midnight shows the day before once more.
        let first = Self.day(of: second + place.offset(at: second)) - 1
        for day in first...(first + Self.horizonDays) where isNamed(day) {
            if let found = moments(of: day).first(where: { $0 > second }) {
                return Timestamp(microseconds: found * 1_000_000)
            }
        }
        return moment + .seconds(Self.horizonDays * 86_400)
    }

    // MARK: Days and times

    private func isNamed(_ day: Int64) -> Bool {
        let date = Timestamp.civil(daysSince1970: day)
        guard months.contains(date.month) else { return false }
        // 1 January 1970 was a Thursday.
        let isWeekday = weekdays.contains(((day % 7) + 11) % 7)
        let isDay = days.contains(date.day)
        // Where both are named, either is enough: what cron has always done.
        return namesDays && namesWeekdays ? isDay || isWeekday : isDay && isWeekday
    }

    /// In seconds since 1970, in their order.
    private func moments(of day: Int64) -> [Int64] {
        let midnight = day * 86_400
        let (before, after) = (place.offset(at: midnight - 86_400), place.offset(at: midnight + 2 * 86_400))
        guard before != after else { return times.map { midnight + $0 - before } }
        return Set(times.flatMap { moments(at: midnight + $0, before, after) }).sorted()
    }

    /// - Parameter local: what the clock shows, in seconds, as if it were UTC's.
    private func moments(at local: Int64, _ before: Int64, _ after: Int64) -> [Int64] {
        let early = local - max(before, after)
        let late = local - min(before, after)
        let found = [early, late].filter { place.offset(at: $0) == local - $0 }
        switch found.count {
        case 0: return namesHours ? [leap(between: early, late)] : []
        case 1: return found
        default: return namesHours ? [early] : [early, late]
        }
    }

    /// The first second after the clock was changed between two moments.
    private func leap(between early: Int64, _ late: Int64) -> Int64 {
        var (early, late) = (early, late)
        let before = place.offset(at: early)
        while late - early > 1 {
            let middle = early + (late - early) / 2
            if place.offset(at: middle) == before { early = middle } else { late = middle }
        }
        return late
    }

    private static func day(of second: Int64) -> Int64 {
        second / 86_400 - (second % 86_400 < 0 ? 1 : 0)
    }

    // MARK: Fields

    private static let monthNames = [
        "", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ]
    private static let weekdayNames = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]

    private static func values(of field: String, in range: ClosedRange<Int64>, names: [String]) -> Set<Int64>? {
        var values: Set<Int64> = []
        for part in field.split(separator: ",", omittingEmptySubsequences: false) {
            let pieces = part.split(separator: "/", omittingEmptySubsequences: false)
            guard (1...2).contains(pieces.count), let bounds = bounds(of: pieces[0], in: range, names: names) else {
                return nil
            }
            var step: Int64 = 1
            if pieces.count == 2 {
                // One value has no steps.
                guard let given = number(pieces[1]), given > 0, pieces[0] == "*" || pieces[0].contains("-") else {
                    return nil
                }
                step = given
            }
            values.formUnion(stride(from: bounds.lowerBound, through: bounds.upperBound, by: Int64.Stride(step)))
        }
        return values
    }

    private static func bounds(
        of text: Substring, in range: ClosedRange<Int64>, names: [String]
    ) -> ClosedRange<Int64>? {
        if text == "*" { return range }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { end in
            names.firstIndex { !$0.isEmpty && $0 == end.uppercased() }.map { Int64($0) } ?? number(end)
        }
        guard let first = ends.first ?? nil, let last = ends.last ?? nil, (1...2).contains(ends.count), first <= last,
            range.contains(first), range.contains(last)
        else { return nil }
        return first...last
    }

    private static func number(_ text: Substring) -> Int64? {
        (1...4).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int64(text) : nil
    }
}
