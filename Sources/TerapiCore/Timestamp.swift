/// A moment in microseconds since 1970 (UTC), the precision that records and cursors keep.
public struct Timestamp: Sendable, Hashable, Comparable {
    public var microseconds: Int64

    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.microseconds < right.microseconds
    }

    /// Stops at the bounds: a provider may say that its token lives for 10¹⁸ seconds.
    public static func + (left: Timestamp, right: Duration) -> Timestamp {
        let (sum, isBeyond) = left.microseconds.addingReportingOverflow(right.microseconds)
        return Timestamp(microseconds: isBeyond ? (right < .zero ? .min : .max) : sum)
    }

    /// Stops at the bounds.
    public static func - (left: Timestamp, right: Duration) -> Timestamp {
        let (difference, isBeyond) = left.microseconds.subtractingReportingOverflow(right.microseconds)
        return Timestamp(microseconds: isBeyond ? (right < .zero ? .max : .min) : difference)
    }

    /// Stops at the bounds.
    public static func - (left: Timestamp, right: Timestamp) -> Duration {
        let (difference, isBeyond) = left.microseconds.subtractingReportingOverflow(right.microseconds)
        return .microseconds(isBeyond ? (left < right ? .min : .max) : difference)
    }

    /// Whole seconds since 1970, rounded down.
    public var unixSeconds: Int64 {
        microseconds / 1_000_000 - (microseconds % 1_000_000 < 0 ? 1 : 0)
    }
}

extension Duration {
    /// Rounded towards zero. Durations of more than 290,000 years are cut to what fits.
    public var microseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, isBeyond) = seconds.multipliedReportingOverflow(by: 1_000_000)
        let (sum, isSumBeyond) = whole.addingReportingOverflow(attoseconds / 1_000_000_000_000)
        return isBeyond || isSumBeyond ? (seconds < 0 ? .min : .max) : sum
    }

    public var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}

extension Timestamp {
    /// What four digits of a year can say: the first moment of the year 0 and the last of 9999.
    private static let writable = -62_167_219_200_000_000...253_402_300_799_999_999 as ClosedRange<Int64>

    /// `2023-09-18T15:20:35.941305+00:00`, always with microseconds and in UTC. A moment before the year 0 or after 9999
    /// is written as the nearest one inside.
    public var iso8601: String {
        String(decoding: iso8601Bytes, as: UTF8.self)
    }

    /// The 32 bytes of ``iso8601``; written by hand because every record carries two of them.
    public var iso8601Bytes: [UInt8] {
        var bytes = [UInt8](repeating: UInt8(ascii: "0"), count: 32)
        bytes.withUnsafeMutableBufferPointer { write(into: $0) }
        return bytes
    }

    /// Writes the 32 bytes of ``iso8601``.
    public func write(into buffer: UnsafeMutableBufferPointer<UInt8>) {
        precondition(buffer.count >= 32)
        let shown = Timestamp(microseconds: min(max(microseconds, Self.writable.lowerBound), Self.writable.upperBound))
        let fraction = Self.remainder(shown.microseconds, 1_000_000)
        let secondOfEpoch = shown.unixSeconds
        let secondOfDay = Self.remainder(secondOfEpoch, 86_400)
        let (year, month, day) = Self.civil(daysSince1970: (secondOfEpoch - secondOfDay) / 86_400)
        func put(_ value: Int64, at offset: Int, width: Int) {
            var rest = value
            for place in stride(from: offset + width - 1, through: offset, by: -1) {
                buffer[place] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            }
        }
        put(year, at: 0, width: 4)
        put(month, at: 5, width: 2)
        put(day, at: 8, width: 2)
        put(secondOfDay / 3600, at: 11, width: 2)
        put(secondOfDay / 60 % 60, at: 14, width: 2)
        put(secondOfDay % 60, at: 17, width: 2)
        put(fraction, at: 20, width: 6)
        buffer[4] = UInt8(ascii: "-")
        buffer[7] = UInt8(ascii: "-")
        buffer[10] = UInt8(ascii: "T")
        buffer[13] = UInt8(ascii: ":")
        buffer[16] = UInt8(ascii: ":")
        buffer[19] = UInt8(ascii: ".")
        buffer[26] = UInt8(ascii: "+")
        buffer[27] = UInt8(ascii: "0")
        buffer[28] = UInt8(ascii: "0")
        buffer[29] = UInt8(ascii: ":")
        buffer[30] = UInt8(ascii: "0")
        buffer[31] = UInt8(ascii: "0")
    }

    /// Reads an ISO 8601 date and time with an offset (`Z`, `+02:00`), its fraction kept to the microsecond.
    /// - Returns: `nil` when the text is anything else, or a moment that ``iso8601`` could not write.
    public init?(iso8601 text: String) {
        var rest = Substring(text)
        func digits(_ count: Int) -> Int64? {
            let head = rest.prefix(count)
            guard head.utf8.count == count, head.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            rest = rest.dropFirst(count)
            return Int64(head)
        }
        func skip(_ marks: String) -> Bool {
            guard let first = rest.first, marks.contains(first) else { return false }
            rest = rest.dropFirst()
            return true
        }
        guard let year = digits(4), skip("-"), let month = digits(2), skip("-"), let day = digits(2), skip("Tt "),
            let hour = digits(2), skip(":"), let minute = digits(2), skip(":"), let second = digits(2),
            (1...12).contains(month), (1...Self.days(inMonth: month, of: year)).contains(day), hour < 24, minute < 60,
            second < 61
        else { return nil }
        var fraction: Int64 = 0
        if skip(".,") {
            let run = rest.prefix { $0.isASCII && $0.isNumber }
            guard !run.isEmpty else { return nil }
            let padded = (String(run) + "000000").prefix(6)
            guard let value = Int64(padded) else { return nil }
            fraction = value
            rest = rest.dropFirst(run.count)
        }
        var offsetSeconds: Int64 = 0
        if !skip("Zz") {
            let isNegative = rest.first == "-"
            guard skip("+-"), let hours = digits(2), hours < 24 else { return nil }
            _ = skip(":")
            guard let minutes = rest.isEmpty ? 0 : digits(2), minutes < 60 else { return nil }
            offsetSeconds = (hours * 3600 + minutes * 60) * (isNegative ? -1 : 1)
        }
        guard rest.isEmpty else { return nil }
        let days = Self.daysSince1970(year: year, month: month, day: day)
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offsetSeconds
        self.init(microseconds: seconds * 1_000_000 + fraction)
        guard Self.writable.contains(microseconds) else { return nil }
    }

    private static func remainder(_ value: Int64, _ divisor: Int64) -> Int64 {
        let rest = value % divisor
        return rest < 0 ? rest + divisor : rest
    }

    private static func days(inMonth month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    // Days and civil dates in the proleptic Gregorian calendar, by eras of 400 years that begin in March.
    static func civil(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

/// Where the present comes from: the system in a running server, a hand-moved one in tests.
public protocol WallClock: Sendable {
    var now: Timestamp { get }

    /// Returns when `now` has reached the moment, or throws `CancellationError`.
    func sleep(until moment: Timestamp) async throws
}

extension WallClock {
    public func sleep(for duration: Duration) async throws {
        try await sleep(until: now + duration)
    }
}
