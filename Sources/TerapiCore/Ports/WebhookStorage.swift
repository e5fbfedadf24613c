/// The webhooks on their way out.
public protocol WebhookStorage: Sendable {
    /// Takes deliveries that are due, at most `perURL` for one URL counting those already `busy`, and holds them until
    /// `leaseUntil`, so that a crash brings them back.
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

    /// Notes a try and what follows from it.
    func finishAttempt(
        _ attempt: DeliveryAttempt,
        deliveryID: Int64,
        state: WebhookDelivery.State,
        nextAttemptAt: Timestamp?
    ) async throws

    /// Events of an environment with their deliveries and tries, newest first.
    func events(in scope: EnvironmentScope, before: Timestamp?, limit: Int) async throws -> [WebhookHistory]
    func event(_ id: String, in scope: EnvironmentScope) async throws -> WebhookHistory?
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
