/// What providers send to us, and what a person may do with it.
public protocol ProviderWebhookControl: Sendable {
    /// Takes one request. What is answered with a success is durable before.
    /// - Throws: `TerapiError`: `.unknownEnvironment` or `.unknownProviderConfig` when the address is nobody's,
    ///   `.storageUnavailable` when nothing can be kept now: the provider sends it again.
    func receive(_ request: ProviderWebhookRequest, at address: ProviderWebhookAddress) async throws
        -> ProviderWebhookAnswer

    func webhooks(_ filter: ProviderWebhookFilter, in scope: EnvironmentScope) async throws -> [ProviderWebhook]
    func webhook(_ id: String, in scope: EnvironmentScope) async throws -> ProviderWebhook?
    func replay(_ filter: ProviderWebhookFilter, in scope: EnvironmentScope) async throws -> Int

    func subscriptions(in scope: EnvironmentScope) async throws -> [WebhookSubscription]
    /// Registers an address at the provider, or, by `manual`, only makes one that a person registers there.
    /// - Parameter secret: what the provider signs with, when it tells the person; `nil` lets us choose one.
    func subscribe(
        integrationKey: String,
        connectionID: String?,
        params: JSONObject,
        manual: Bool,
        secret: Secret?,
        in scope: EnvironmentScope
    ) async throws -> WebhookSubscription
    func renew(_ id: Int64, in scope: EnvironmentScope) async throws -> WebhookSubscription
    /// Takes it back at the provider, if we made it there, and forgets it.
    func unsubscribe(_ id: Int64, in scope: EnvironmentScope) async throws
    /// Where the provider is to send to.
    func address(of subscription: WebhookSubscription) async throws -> String
}

/// Where a provider sent something: `/webhook/{environment}/{integration}` and, behind it, a registration's token.
public struct ProviderWebhookAddress: Sendable, Hashable {
    public var environment: String
    public var integrationKey: String
    public var token: Secret?

    public init(environment: String, integrationKey: String, token: Secret? = nil) {
        self.environment = environment
        self.integrationKey = integrationKey
        self.token = token
    }
}
