import TerapiCore

/// How a time in an example is written.
enum ExampleTime: Equatable {
    /// Day and time of day.
    case instant(hasOffset: Bool)
    case day
    case seconds
    case milliseconds

    private static var dayForm: Regex<Substring> { #/\d{4}-\d\d-\d\d/# }
    private static var instantForm: Regex<(Substring, Substring, Substring, Substring?, Substring?)> {
        #/(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(?:\.\d+)?\s*(Z|UTC|[+-]\d\d(?::?\d\d)?)?/#
    }

    /// - Returns: `nil` for what is no time, or one before 2001 or after 2096, which a number could be by chance.
    init?(_ value: JSONValue) {
        if let text = value.string {
            if text.wholeMatch(of: Self.dayForm) != nil {
                self = .day
                return
            }
            if let match = text.wholeMatch(of: Self.instantForm) {
                self = .instant(hasOffset: match.output.4 != nil)
                return
            }
        }
        guard let number = value.double ?? value.string.flatMap(Double.init) else { return nil }
        switch number {
        case 1e9..<4e9: self = .seconds
        case 1e12..<4e12: self = .milliseconds
        default: return nil
        }
    }

    /// Since 1970; `nil` for a day.
    static func seconds(of value: JSONValue) -> Double? {
        switch ExampleTime(value) {
        case .seconds: return value.double ?? value.string.flatMap(Double.init)
        case .milliseconds: return (value.double ?? value.string.flatMap(Double.init)).map { $0 / 1000 }
        case .instant:
            guard let match = value.string?.wholeMatch(of: instantForm) else { return nil }
            let (_, day, time, seconds, zone) = match.output
            var offset = String(zone ?? "Z")
            if offset == "UTC" { offset = "Z" }
            if offset.count == 3 { offset += ":00" }
            if offset.count == 5, !offset.contains(":") {
                offset.insert(":", at: offset.index(offset.startIndex, offsetBy: 3))
            }
            return Timestamp(iso8601: "\(day)T\(time)\(seconds ?? ":00")\(offset)").map {
                Double($0.microseconds) / 1e6
            }
        case .day, nil: return nil
        }
    }
}
