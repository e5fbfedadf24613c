/// What providers have sent, and where our addresses are registered. Requests and secrets are sealed.
public protocol ProviderWebhookStorage: Sendable {
    /// Durable when it returns: only then may the provider be told that it was taken.
    func store(_ webhook: ProviderWebhook) async throws

    /// What is to be worked on, the longest waiting first.
    func dueProviderWebhooks(limit: Int, now: Timestamp) async throws -> [ProviderWebhook]
    func nextProviderWebhookAt() async throws -> Timestamp?

    /// Writes what becomes of webhooks, all in one transaction. Effects whose mark was seen before are left out.
    /// - Returns: for each webhook how many of its effects were repetitions.
    @discardableResult
    func settle(_ settlements: [ProviderWebhookSettlement], now: Timestamp) async throws -> [Int]

    /// The connections of an integration that a target means.
    func connections(matching target: WebhookContent.Target, integrationID: Int64) async throws -> [Connection]

    /// Newest first.
    func providerWebhooks(_ filter: ProviderWebhookFilter, in scope: EnvironmentScope) async throws -> [ProviderWebhook]
    func providerWebhook(_ id: String, in scope: EnvironmentScope) async throws -> ProviderWebhook?

    /// Makes them due at once; those that are done are worked on as if they had never been.
    /// - Returns: how many there were.
    func replayProviderWebhooks(_ filter: ProviderWebhookFilter, in scope: EnvironmentScope, now: Timestamp)
        async throws
        -> Int

    // Registrations

    func createSubscription(_ subscription: WebhookSubscription) async throws -> WebhookSubscription
    /// Stores everything but whose it is.
    func updateSubscription(_ subscription: WebhookSubscription) async throws
    func deleteSubscription(_ id: Int64) async throws
    func subscription(_ id: Int64) async throws -> WebhookSubscription?
    func subscription(token: Secret) async throws -> WebhookSubscription?
    func subscriptions(externalID: String, integrationID: Int64) async throws -> [WebhookSubscription]
    /// - Parameter connectionID: `nil` for those of the whole integration.
    func subscriptions(integrationID: Int64, connectionID: Int64?) async throws -> [WebhookSubscription]
    func subscriptions(in scope: EnvironmentScope) async throws -> [WebhookSubscription]
    func subscriptionsToRenew(before moment: Timestamp, limit: Int) async throws -> [WebhookSubscription]
    func nextRenewalAt() async throws -> Timestamp?
}

public struct ProviderWebhookFilter: Sendable {
    public var ids: [String]
    public var states: [ProviderWebhook.State]
    public var integrationKey: String?
    public var after: Timestamp?
    public var before: Timestamp?
    public var limit: Int

    public init(
        ids: [String] = [],
        states: [ProviderWebhook.State] = [],
        integrationKey: String? = nil,
        after: Timestamp? = nil,
        before: Timestamp? = nil,
        limit: Int = 100
    ) {
        self.ids = ids
        self.states = states
        self.integrationKey = integrationKey
        self.after = after
        self.before = before
        self.limit = limit
    }
}
