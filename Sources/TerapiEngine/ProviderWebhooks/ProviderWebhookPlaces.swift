import Synchronization
import TerapiCore

/// Whose an address is, and with what keys its requests are checked.
struct ProviderWebhookPlace: Sendable {
    var scope: EnvironmentScope
    var integration: Integration
    var rule: ProviderWebhookRule?
    /// The registration whose token the address holds.
    var subscription: WebhookSubscription?
}

/// Finds places, and remembers them for a moment: thousands of requests a second come to few addresses.
final class ProviderWebhookPlaces: Sendable {
    /// How long a secret that was changed still counts. A new one counts at once: what does not fit is looked up again.
    private static let memory = Duration.seconds(1)
    private static let capacity = 10_000

    private let services: EngineServices
    private let remembered = Mutex<[ProviderWebhookAddress: (place: ProviderWebhookPlace, until: Timestamp)]>([:])

    init(services: EngineServices) {
        self.services = services
    }

    /// - Parameter fresh: as it is in the storage now.
    /// - Throws: `TerapiError` with `.unknownEnvironment` or `.unknownProviderConfig`.
    func place(_ address: ProviderWebhookAddress, fresh: Bool = false) async throws -> ProviderWebhookPlace {
        let now = services.clock.now
        if !fresh, let known = remembered.withLock({ $0[address] }), known.until > now { return known.place }
        let place = try await find(address)
        remembered.withLock { remembered in
            if remembered.count >= Self.capacity { remembered.removeAll() }
            remembered[address] = (place, now + Self.memory)
        }
        return place
    }

    /// An address that was given up is gone at once.
    func forget() {
        remembered.withLock { $0.removeAll() }
    }

    private func find(_ address: ProviderWebhookAddress) async throws -> ProviderWebhookPlace {
        let environments = try await services.settings.environments()
        guard let environment = environments.first(where: { $0.uuid == address.environment }) else {
            throw TerapiError(.unknownEnvironment, "There is no environment at this address.")
        }
        guard
            let integration = try await services.settings.integration(
                key: address.integrationKey, in: environment.scope)
        else { throw TerapiError(.unknownProviderConfig, "There is no integration at this address.") }
        var subscription: WebhookSubscription?
        if let token = address.token {
            subscription = try await services.incoming.subscription(token: token)
            guard subscription?.integrationID == integration.id else {
                throw TerapiError(.unknownProviderConfig, "There is no registration at this address.")
            }
        }
        return ProviderWebhookPlace(
            scope: environment.scope,
            integration: integration,
            rule: services.providers.provider(integration.provider)?.webhook,
            subscription: subscription
        )
    }

    /// The values of each key of the rule, the most particular first.
    func keys(_ place: ProviderWebhookPlace, _ rule: ProviderWebhookRule, _ content: WebhookContent) async throws
        -> [String: [Secret]]
    {
        var registered: [Secret] = []
        if rule.keepsKeysWithSubscriptions {
            registered = try await registrations(place, rule, content).compactMap(\.secret)
        }
        return rule.values(of: place.integration, registered: registered)
    }

    /// The registrations that a request can belong to.
    func registrations(_ place: ProviderWebhookPlace, _ rule: ProviderWebhookRule, _ content: WebhookContent)
        async throws -> [WebhookSubscription]
    {
        if let subscription = place.subscription { return [subscription] }
        if let id = content.subscription(rule) {
            return try await services.incoming.subscriptions(externalID: id, integrationID: place.integration.id)
        }
        return try await services.incoming.subscriptions(integrationID: place.integration.id, connectionID: nil)
    }
}
