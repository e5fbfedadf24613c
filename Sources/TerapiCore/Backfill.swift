/// How far a sync has come in reading what was there before its connection.
public struct Backfill: Sendable, Equatable {
    /// The time that it reads.
    public var from: Timestamp
    public var until: Timestamp
    /// Everything before this has been read.
    public var reached: Timestamp
    /// Parts of that time; 1 when the provider is not asked for parts.
    public var windows: Int
    public var windowsDone: Int
    public var startedAt: Timestamp
    public var finishedAt: Timestamp?

    public init(
        from: Timestamp,
        until: Timestamp,
        reached: Timestamp,
        windows: Int,
        windowsDone: Int,
        startedAt: Timestamp,
        finishedAt: Timestamp? = nil
    ) {
        self.from = from
        self.until = until
        self.reached = reached
        self.windows = windows
        self.windowsDone = windowsDone
        self.startedAt = startedAt
        self.finishedAt = finishedAt
    }

    /// From 0 to 100, in whole steps; 100 only when all has been read.
    public var percent: Int {
        guard finishedAt == nil else { return 100 }
        let whole = (until - from).seconds
        guard whole > 0 else { return 0 }
        return min(99, max(0, Int((reached - from).seconds / whole * 100)))
    }
}
