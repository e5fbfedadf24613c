/// Reads the `Retry-After` header (RFC 9110, section 10.2.3).
public enum RetryAfter {
    private static let months: [Substring] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// - Returns: the wait from `now`, never negative, or `nil` when the text is neither seconds nor an HTTP date.
    public static func parse(_ text: String, now: Timestamp) -> Duration? {
        let parts = text.split(separator: " ")
        // Some send parts of a second, which the RFC does not know.
        if parts.count == 1, let number = parts.first, number.utf8.allSatisfy({ (0x2E...0x39).contains($0) }) {
            guard let seconds = Double(number), seconds < 100_000_000 else { return nil }
            return .seconds(seconds)
        }
        return moment(parts, now: now).map { max($0 - now, .zero) }
    }

    /// The date in any of the three forms that a recipient must understand (RFC 9110, section 5.6.7).
    private static func moment(_ parts: [Substring], now: Timestamp) -> Timestamp? {
        switch parts.count {
        case 6 where parts[5] == "GMT":
            // Sun, 06 Nov 1994 08:49:37 GMT
            return moment(year: parts[3], month: parts[2], day: parts[1], time: parts[4])
        case 4 where parts[3] == "GMT":
            // Sunday, 06-Nov-94 08:49:37 GMT
            let date = parts[1].split(separator: "-")
            guard date.count == 3, date[2].utf8.count == 2 else { return nil }
            // A year that seems more than 50 years ahead is the most recent one with these digits.
            let recent = moment(year: "20" + date[2], month: date[1], day: date[0], time: parts[2])
            guard let recent, recent - now > .seconds(50 * 365.25 * 86_400) else { return recent }
            return moment(year: "19" + date[2], month: date[1], day: date[0], time: parts[2])
        case 5:
            // Sun Nov  6 08:49:37 1994
            return moment(year: parts[4], month: parts[1], day: parts[2], time: parts[3])
        default:
            return nil
        }
    }

    private static func moment(
        year: some StringProtocol,
        month: Substring,
        day: some StringProtocol,
        time: Substring
    ) -> Timestamp? {
        guard let number = months.firstIndex(of: month).map({ $0 + 1 }) else { return nil }
        return Timestamp(
            iso8601: "\(year)-\(number < 10 ? "0" : "")\(number)-\(day.count == 1 ? "0" : "")\(day)T\(time)Z"
        )
    }
}
