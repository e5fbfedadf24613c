/// The webhooks on their way out.
public protocol WebhookStorage: Sendable {
    /// Takes deliveries that are due, at most `perURL` for one URL counting those already `busy`, and holds them until
    /// `leaseUntil`, so that a crash brings them back.
    func claimDeliveries(
        limit: Int,
        perURL: Int,
        busy: [String: Int],
        leaseUntil: Timestamp,
        now: Timestamp
    ) async throws -> [WebhookDelivery]

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
