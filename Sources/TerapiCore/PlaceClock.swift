// The rules of the world's clocks come with it.
import Foundation

/// What the clocks of a time zone show.
struct PlaceClock: Sendable, Equatable {
    private let zone: TimeZone

    /// - Parameter name: of the IANA database, such as `Europe/Berlin`; or `UTC`. Abbreviations such as `EST` stand for
    ///   different clocks in different places and are not known.
    init?(_ name: String) {
        guard name == "UTC" || name.contains("/"), let zone = TimeZone(identifier: name) else { return nil }
        self.zone = zone
    }

    /// How far the clock is ahead of UTC, in seconds.
    /// - Parameter second: since 1970.
    func offset(at second: Int64) -> Int64 {
        Int64(zone.secondsFromGMT(for: Date(timeIntervalSince1970: TimeInterval(second))))
    }
}
