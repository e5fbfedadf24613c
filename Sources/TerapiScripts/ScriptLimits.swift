/// What scripts and their host processes may use at most.
public struct ScriptLimits: Sendable {
    /// CPU time without returning to the event loop.
    public var turn: Duration
    /// Resident memory of a host process, all its runs together.
    public var memoryBytes: Int
    /// The longest frame that a host may send: a batch of records, a request's body, an action's output.
    public var maxFrameBytes: Int
    /// What an action may answer.
    public var maxOutputBytes: Int
    /// How long a host without runs is kept.
    public var idle: Duration
    public var maxHosts: Int
    /// From how many runs on an environment gets a second host, as long as there is room for one. Half of the memory
    /// in use has the same effect.
    public var maxRunsPerHost: Int
    /// How long a script runs alone in its host after it has cost one.
    public var quarantine: Duration

    public init(
        turn: Duration = .seconds(5),
        memoryBytes: Int = 256 << 20,
        maxFrameBytes: Int = 100 << 20,
        maxOutputBytes: Int = 2 << 20,
        idle: Duration = .seconds(10),
        maxHosts: Int = 16,
        maxRunsPerHost: Int = 512,
        quarantine: Duration = .seconds(3600)
    ) {
        self.turn = turn
        self.memoryBytes = memoryBytes
        self.maxFrameBytes = maxFrameBytes
        self.maxOutputBytes = maxOutputBytes
        self.idle = idle
        self.maxHosts = maxHosts
        self.maxRunsPerHost = maxRunsPerHost
        self.quarantine = quarantine
    }
}

extension Duration {
    var secondsAsDouble: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
