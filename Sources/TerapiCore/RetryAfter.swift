/// Reads the `Retry-After` header (RFC 9110, section 10.2.3).
public enum RetryAfter {
    /// - Returns: the wait from `now`, never negative, or `nil` when the text is neither seconds nor an HTTP date.
    public static func parse(_ text: String, now: Timestamp) -> Duration? {
        let text = text.split(separator: " ").joined(separator: " ")
        if let seconds = Double(text), seconds.isFinite, seconds >= 0, seconds < 100_000_000 {
            return .seconds(seconds)
        }
        // Sun, 06 Nov 1994 08:49:37 GMT
        let parts = text.split(separator: " ")
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard parts.count == 6, parts[5] == "GMT", let month = months.firstIndex(of: String(parts[2])),
            let moment = Timestamp(
                iso8601: "\(parts[3])-\(month < 9 ? "0" : "")\(month + 1)-\(parts[1])T\(parts[4])Z"
            )
        else { return nil }
        return max(moment - now, .zero)
    }
}
