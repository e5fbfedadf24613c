/// When deliveries to a webhook endpoint are held back because it has failed many times in a row.
///
/// What is held back is postponed, never dropped, and no try of it is spent. When the pause is over one delivery goes out to
/// find out: if it fails the next pause is twice as long, if it arrives all others follow.
public struct EndpointBreaker: Sendable, Equatable {
    /// Failures in a row.
    public var threshold: Int
    public var firstPause: Duration
    public var longestPause: Duration

    public init(threshold: Int, firstPause: Duration, longestPause: Duration) {
        self.threshold = threshold
        self.firstPause = firstPause
        self.longestPause = longestPause
    }

    /// After ten failures: 30 s, 1 min, 2, 4, 8 and then 10 min each.
    public static let webhooks = EndpointBreaker(
        threshold: 10,
        firstPause: .seconds(30),
        longestPause: .seconds(600)
    )

    /// - Parameter opening: counted from 1.
    func pause(_ opening: Int) -> Duration {
        min(firstPause * (1 << min(opening - 1, 20)), longestPause)
    }
}

/// How an endpoint has done since its last success.
public struct EndpointFailures: Sendable, Equatable {
    /// In a row.
    public var count: Int
    /// How often it was left alone.
    public var openings: Int
    /// Until when it is.
    public var openUntil: Timestamp?

    public init(count: Int = 0, openings: Int = 0, openUntil: Timestamp? = nil) {
        self.count = count
        self.openings = openings
        self.openUntil = openUntil
    }

    /// Notes a try that has failed.
    /// - Returns: whether the endpoint is left alone from now on.
    @discardableResult
    public mutating func fail(at now: Timestamp, _ breaker: EndpointBreaker) -> Bool {
        count += 1
        guard count >= breaker.threshold else { return false }
        // What was under way when the pause began says nothing new.
        if let openUntil, now < openUntil { return false }
        openings += 1
        openUntil = now + breaker.pause(openings)
        return true
    }

    /// How many deliveries may be under way at once.
    /// - Parameter usual: to an endpoint that answers.
    public func quota(at now: Timestamp, usual: Int) -> Int {
        guard let openUntil else { return usual }
        return now < openUntil ? 0 : 1
    }
}
