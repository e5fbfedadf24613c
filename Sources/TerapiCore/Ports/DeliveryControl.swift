/// Sending webhook events once more.
public protocol DeliveryControl: Sendable {
    /// Puts events on their way again, at once, to the URLs that are set today. A receiver can tell by the `webhook-id`, which
    /// stays the same, what it has seen before.
    /// - Throws: `TerapiError(.notFound)` when one of the named events is not the environment's.
    func replay(_ selection: ReplaySelection, in scope: EnvironmentScope) async throws -> ReplayOutcome
}

/// Which events are sent once more.
public enum ReplaySelection: Sendable, Equatable {
    case events([String])
    /// Everything that happened in a range of time.
    /// - `until`: not included.
    /// - `undelivered`: only what has not arrived anywhere.
    case range(from: Timestamp, until: Timestamp, undelivered: Bool)
}

public struct ReplayOutcome: Sendable, Equatable {
    public var events: Int
    /// On their way now. Fewer than events where no URL is set.
    public var deliveries: Int

    public init(events: Int = 0, deliveries: Int = 0) {
        self.events = events
        self.deliveries = deliveries
    }
}
