import TerapiCore
import Testing

struct FrequencyTests {
    @Test(
        arguments: [
            ("every 5 minutes", 300), ("5m", 300), ("every 5m", 300), ("30s", 30), ("every 30 seconds", 30),
            ("every minute", 60), ("every hour", 3600), ("1h", 3600), ("every 2 hrs", 7200), ("every day", 86_400),
            ("every half day", 43_200), ("every half hour", 1800), ("every quarter hour", 900), ("every week", 604_800),
            ("every 2 weeks", 1_209_600), ("every 3 w", 1_814_400), ("every month", 2_592_000), ("31 days", 2_678_400),
            ("2 days", 172_800), ("  EVERY   10   Minutes ", 600), ("90 sec", 90), ("every 45 mins", 2700),
        ] as [(String, Int64)])
    func `reads how often a sync runs`(text: String, seconds: Int64) throws {
        let frequency = try Frequency(text)
        #expect(frequency.interval == .seconds(seconds))
        #expect(frequency.text == text)
    }

    @Test(arguments: [
        "", "every", "every 5", "5", "minutes 5", "every five minutes", "every 0 minutes", "every -5 minutes",
        "29s", "every second", "0s", "32 days", "every 5 weeks", "2 months", "every 2 half hours", "every 1.5 hours",
        "*/5 * * *", "every 99999999999999999999 days", "every 1000000 s", "٣٠s", "every 5 minutes ago",
        "every every day",
    ])
    func `refuses what is no frequency or outside 30 seconds to 31 days`(text: String) {
        let error = #expect(throws: TerapiError.self) { try Frequency(text) }
        #expect(error?.code == .invalidBody)
        #expect(error?.message.contains("\"\(text)\"") == true)
    }
}
