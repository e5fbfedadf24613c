import TerapiCore
import Testing

struct RetryPolicyTests {
    private let webhookGaps: [Double] = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]

    @Test
    func `spreads ten thousand simulated deliveries within a fifth of each wait`() {
        var random = SystemRandomNumberGenerator()
        var spread = [[Double]](repeating: [], count: webhookGaps.count)
        for _ in 0..<10_000 {
            var total = 0.0
            var tries = 1
            while let delay = RetryPolicy.webhooks.delay(afterAttempt: tries, random: &random) {
                let part = delay.seconds / webhookGaps[tries - 1]
                #expect((0.8 - 1e-9...1.2 + 1e-9).contains(part))
                spread[tries - 1].append(part)
                total += delay.seconds
                tries += 1
            }
            #expect(tries == 10)
            // 75 h 35 min 5 s, a fifth more or less.
            #expect(abs(total / 272_105 - 1) <= 0.2)
        }
        // Uniform: the largest distance to the straight line stays under the 0.1 % bound of Kolmogorov and Smirnov.
        for parts in spread {
            var distance = 0.0
            for (index, part) in parts.sorted().enumerated() {
                let expected = (Double(index) + 0.5) / 10_000
                distance = max(distance, abs((part - 0.8) / 0.4 - expected))
            }
            #expect(distance < 0.0195)
        }
    }

    @Test
    func `ends after ten tries, and not before the first`() {
        var random = SystemRandomNumberGenerator()
        #expect(RetryPolicy.webhooks.delay(afterAttempt: 10, random: &random) == nil)
        #expect(RetryPolicy.webhooks.delay(afterAttempt: 0, random: &random) == nil)
        #expect(RetryPolicy.webhooks.delay(afterAttempt: 10, retryAfter: .seconds(5), random: &random) == nil)
        #expect(RetryPolicy(delays: [], repeatsLast: true).delay(afterAttempt: 1, random: &random) == nil)
    }

    @Test(arguments: [(1, 15), (2, 60), (3, 300), (4, 900), (5, 900), (1_000, 900)] as [(Int, Double)])
    func `goes on with a failed sync run for ever`(attempt: Int, seconds: Double) throws {
        var random = SystemRandomNumberGenerator()
        let delay = try #require(RetryPolicy.syncRuns.delay(afterAttempt: attempt, random: &random))
        #expect(abs(delay.seconds / seconds - 1) <= 0.2 + 1e-9)
    }

    @Test
    func `lets the other side lengthen a wait, up to a day, and never shorten it`() throws {
        var random = SystemRandomNumberGenerator()
        let policy = RetryPolicy(delays: [.seconds(100)], jitter: 0)
        func delay(_ retryAfter: Duration) -> Duration? {
            policy.delay(afterAttempt: 1, retryAfter: retryAfter, random: &random)
        }
        #expect(delay(.seconds(1)) == .seconds(100))
        #expect(delay(.zero) == .seconds(100))
        #expect(delay(.seconds(101)) == .seconds(101))
        #expect(delay(.seconds(86_400)) == .seconds(86_400))
        #expect(delay(.seconds(86_401)) == .seconds(86_400))
    }
}

struct RetryAfterTests {
    // 1994-11-06 08:49:00
    private let now = Timestamp(microseconds: 784_111_740_000_000)

    @Test(
        arguments: [
            ("0", 0), ("1", 1), ("120", 120), (" 120 ", 120), ("1.5", 1.5), ("Sun, 06 Nov 1994 08:49:37 GMT", 37),
            ("Sun, 06 Nov 1994 08:48:00 GMT", 0), ("Mon, 07 Nov 1994 08:49:00 GMT", 86_400),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 37), ("Sun Nov  6 08:49:37 1994", 37),
        ] as [(String, Double)])
    func `reads seconds and dates`(text: String, seconds: Double) {
        #expect(RetryAfter.parse(text, now: now) == .seconds(seconds))
    }

    @Test(arguments: [
        "", "soon", "-1", "+1", "1e3", "0x10", "nan", "inf", "infinity", "1,5", "1 2", "999999999999",
        "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 25:49:37 GMT", "06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z", "٣",
    ])
    func `reads nothing else`(text: String) {
        #expect(RetryAfter.parse(text, now: now) == nil)
    }
}
