/// When to try again what has failed.
public struct RetryPolicy: Sendable, Equatable {
    /// The waits between tries, in order. There is one try more than there are waits.
    public var delays: [Duration]

    /// The last wait goes on for ever instead of ending the tries.
    public var repeatsLast: Bool

    /// Each wait is lengthened or shortened by at most this part of it, so that many do not come back at once.
    public var jitter: Double

    public init(delays: [Duration], repeatsLast: Bool = false, jitter: Double = 0.2) {
        self.delays = delays
        self.repeatsLast = repeatsLast
        self.jitter = jitter
    }

    /// Ten tries over 75 h 35 min: the example schedule of Standard Webhooks.
    public static let webhooks = RetryPolicy(delays: [
        .seconds(5), .seconds(300), .seconds(1800), .seconds(7200), .seconds(5 * 3600), .seconds(10 * 3600),
        .seconds(14 * 3600), .seconds(20 * 3600), .seconds(24 * 3600),
    ])

    /// A failed sync run: after 15 s, 1 min, 5 min, then every 15 min.
    public static let syncRuns = RetryPolicy(
        delays: [.seconds(15), .seconds(60), .seconds(300), .seconds(900)],
        repeatsLast: true
    )

    /// The wait before the next try, or `nil` when none is left.
    /// - Parameters:
    ///   - attempt: the try that has just failed, counted from 1.
    ///   - retryAfter: what the other side asked for. It can lengthen the wait, up to 24 hours, and never shorten it
    ///     (RFC 9110, section 10.2.3).
    public func delay(
        afterAttempt attempt: Int,
        retryAfter: Duration? = nil,
        random: inout some RandomNumberGenerator
    ) -> Duration? {
        guard attempt >= 1, attempt <= delays.count || (repeatsLast && !delays.isEmpty) else { return nil }
        let planned = delays[min(attempt, delays.count) - 1]
        let jittered = planned * Double.random(in: (1 - jitter)...(1 + jitter), using: &random)
        guard let retryAfter else { return jittered }
        return max(jittered, min(retryAfter, .seconds(24 * 3600)))
    }
}
