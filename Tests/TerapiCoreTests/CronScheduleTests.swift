import TerapiCore
import Testing

struct CronScheduleTests {
    /// The moments of a schedule behind one another, in UTC to the minute.
    private func moments(_ text: String, after start: String, count: Int) throws -> [String] {
        guard case .clock(let schedule) = try Frequency(text).rhythm else {
            Issue.record("\(text) is no clock")
            return []
        }
        var moment = try #require(Timestamp(iso8601: start))
        return (0..<count).map { _ in
            moment = schedule.next(after: moment)
            return String(moment.iso8601.prefix(16))
        }
    }

    @Test(
        arguments: [
            ("*/15 * * * *", "2026-03-01T10:07:00Z", ["2026-03-01T10:15", "2026-03-01T10:30", "2026-03-01T10:45"]),
            ("0 6 * * 1-5", "2026-03-06T06:00:00Z", ["2026-03-09T06:00", "2026-03-10T06:00"]),
            ("0 6 * * MON-FRI UTC", "2026-03-06T05:59:59.999999Z", ["2026-03-06T06:00", "2026-03-09T06:00"]),
            ("30 8,17 1 * *", "2026-01-15T00:00:00Z", ["2026-02-01T08:30", "2026-02-01T17:30", "2026-03-01T08:30"]),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", ["2028-02-29T00:00", "2032-02-29T00:00"]),
            ("0 0 29 2 *", "2096-03-01T00:00:00Z", ["2104-02-29T00:00"]),
            ("0 12 13 * FRI", "2026-02-01T00:00:00Z", ["2026-02-06T12:00", "2026-02-13T12:00", "2026-02-20T12:00"]),
            ("0 0 * JAN,jul 7", "2026-01-01T00:00:00Z", ["2026-01-04T00:00", "2026-01-11T00:00"]),
            ("0 9 * * * Asia/Kolkata", "2026-05-01T00:00:00Z", ["2026-05-01T03:30", "2026-05-02T03:30"]),
            ("59 23 31 12 *", "2025-12-31T23:59:00Z", ["2026-12-31T23:59"]),
        ] as [(String, String, [String])])
    func `comes at the moments that its fields name`(text: String, start: String, expected: [String]) throws {
        #expect(try moments(text, after: start, count: expected.count) == expected)
    }

    // In Berlin the clock leaps from 2:00 to 3:00 on 29 March 2026 (1:00 UTC), and shows 2:00 to 3:00 twice on 25 October.
    @Test(
        arguments: [
            // A named time that is leapt over comes at the leap, once.
            ("30 2 * * *", "2026-03-28T00:00:00Z", ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]),
            ("10,50 2 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00", "2026-03-30T00:10", "2026-03-30T00:50"]),
            ("0 3 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00", "2026-03-30T01:00"]),
            // A named time that is shown twice comes the first time.
            ("30 2 * * *", "2026-10-24T12:00:00Z", ["2026-10-25T00:30", "2026-10-26T01:30"]),
            // Every hour follows the clock: an hour that is not there does not come, one that is there twice does.
            ("30 * * * *", "2026-03-29T00:00:00Z", ["2026-03-29T00:30", "2026-03-29T01:30", "2026-03-29T02:30"]),
            (
                "30 * * * *", "2026-10-24T23:45:00Z",
                ["2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30"]
            ),
            ("0 */6 * * *", "2026-03-28T22:00:00Z", ["2026-03-28T23:00", "2026-03-29T04:00", "2026-03-29T10:00"]),
        ] as [(String, String, [String])])
    func `keeps to its rules when the clock is changed`(text: String, start: String, expected: [String]) throws {
        #expect(try moments("\(text) Europe/Berlin", after: start, count: expected.count) == expected)
    }

    @Test func `leaps by half an hour where the place does`() throws {
        // Lord Howe Island: 2:00 becomes 2:30 on 4 October 2026 (15:30 UTC the day before).
        #expect(
            try moments("15 2 * * * Australia/Lord_Howe", after: "2026-10-03T00:00:00Z", count: 2)
                == ["2026-10-03T15:30", "2026-10-04T15:15"])
    }

    @Test func `has as many moments in a year as days, wherever named hours are`() throws {
        for zone in ["Europe/Berlin", "America/New_York", "Africa/Cairo", "Asia/Tokyo", "America/Santiago"] {
            for hour in [0, 1, 2, 3, 23] {
                let all = try moments("30 \(hour) * * * \(zone)", after: "2026-01-01T12:00:00Z", count: 365)
                #expect(Set(all).count == 365)
                #expect(
                    all.last?.hasPrefix("2027-01-01") == true || all.last?.hasPrefix("2026-12-31") == true, "\(zone)")
            }
        }
    }

    @Test(arguments: [
        ("*/5 * * * * *", "time zone"), ("60 * * * *", "minute"), ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of the month"), ("* * * 13 *", "month"), ("* * * * 8", "day of the week"),
        ("5-1 * * * *", "minute"), ("*/0 * * * *", "minute"), ("5/10 * * * *", "minute"), ("1,,2 * * * *", "minute"),
        ("0 0 31 2 *", "never comes"), ("0 0 30 FEB *", "never comes"), ("0 0 31 4,6 *", "never comes"),
        ("0 6 * * * Mars/Olympus", "time zone"), ("0 6 * * * EST", "time zone"), ("0 6 * *", "five cron fields"),
        ("0 6 * * * UTC UTC", "five cron fields"), ("0 6 * * MONDAY", "day of the week"), ("-1 * * * *", "minute"),
    ])
    func `says which field it does not understand`(text: String, word: String) throws {
        let error = #expect(throws: TerapiError.self) { try Frequency(text) }

        #expect(error?.code == .invalidBody)
        #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
    }
}
