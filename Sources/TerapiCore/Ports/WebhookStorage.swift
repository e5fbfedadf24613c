/// The webhooks on their way out.
public protocol WebhookStorage: Sendable {
    /// Takes deliveries that are due, at most `perURL` for one URL counting those already `busy`, and holds them until
    /// `leaseUntil`, so that a crash brings them back. Of an endpoint that has failed too often it takes none while it is
    /// left alone, and then one at a time until one arrives.
    /// - Parameter owner: the boot id of the process that takes them.
    func claimDeliveries(
        limit: Int,
        perURL: Int,
        busy: [String: Int],
        owner: String,
        leaseUntil: Timestamp,
        now: Timestamp
    ) async throws -> [WebhookDelivery]

    /// Makes due at once what other owners had taken: they are gone, and their claims need not run out first.
    func releaseDeliveries(notOwnedBy owner: String, now: Timestamp) async throws

    /// When the next delivery falls due.
    func nextDeliveryAt() async throws -> Timestamp?

    /// Notes a try and what follows from it, also for the endpoint.
    /// - Parameter now: when the try ended.
    /// - Returns: until when the endpoint is left alone, if that begins with this try.
    @discardableResult
    func finishAttempt(
        _ attempt: DeliveryAttempt,
        deliveryID: Int64,
        state: WebhookDelivery.State,
        nextAttemptAt: Timestamp?,
        breaker: EndpointBreaker,
        now: Timestamp
    ) async throws -> Timestamp?

    /// Events of an environment with their deliveries and tries, newest first.
    func events(in scope: EnvironmentScope, before: Timestamp?, limit: Int) async throws -> [WebhookHistory]
    func event(_ id: String, in scope: EnvironmentScope) async throws -> WebhookHistory?

    /// Makes events due once more, at their connection's URL or else at the environment's. One that is still on its way
    /// to a URL is hurried and not sent twice; an endpoint that is left alone is tried again.
    /// - Parameters:
    ///   - urls: the environment's.
    ///   - place: where the last call ended; `nil` for the first.
    ///   - limit: how many events at most.
    /// - Returns: what was done, and where to go on; `nil` when that was all.
    func replay(
        _ selection: ReplaySelection,
        urls: [String],
        after place: ReplayPlace?,
        limit: Int,
        in scope: EnvironmentScope,
        now: Timestamp
    ) async throws -> (outcome: ReplayOutcome, next: ReplayPlace?)
}

/// How far a replay has come through an environment's events.
public struct ReplayPlace: Sendable, Equatable {
    public var createdAt: Timestamp
    public var id: String

    public init(createdAt: Timestamp, id: String) {
        self.createdAt = createdAt
        self.id = id
    }
}

/// An event and what became of it.
public struct WebhookHistory: Sendable {
    public var event: WebhookEvent
    public var deliveries: [(delivery: WebhookDelivery, attempts: [DeliveryAttempt])]

    public init(event: WebhookEvent, deliveries: [(delivery: WebhookDelivery, attempts: [DeliveryAttempt])]) {
        self.event = event
        self.deliveries = deliveries
    }
}
