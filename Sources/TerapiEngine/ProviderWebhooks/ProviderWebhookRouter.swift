import Logging
import TerapiCore

/// Says what is to become of webhooks; remembers for one batch what it has looked up.
struct ProviderWebhookRouter {
    /// What of a provider's headers is not passed on: it belongs to the way between the two of us.
    private static let ownHeaders = [
        "host", "authorization", "connection", "keep-alive", "content-length", "content-type", "content-encoding",
        "cookie", "set-cookie", "referer", "user-agent", "sec-", "proxy-", "www-authenticate", "server",
        "transfer-encoding", "accept", "expect", "te", "trailer", "upgrade",
    ]

    private struct Search: Hashable {
        var target: WebhookContent.Target
        var integrationID: Int64
    }

    let services: EngineServices
    private var integrations: [Int64: Integration] = [:]
    private var settings: [EnvironmentScope: EnvironmentSettings] = [:]
    private var found: [Search: [Connection]] = [:]

    init(services: EngineServices) {
        self.services = services
    }

    mutating func settlement(of received: ProviderWebhook) async throws -> ProviderWebhookSettlement {
        var webhook = received
        webhook.attempts += 1
        guard let integration = try await integration(of: webhook),
            let rule = services.providers.provider(integration.provider)?.webhook
        else {
            webhook.state = .failed
            webhook.dueAt = nil
            webhook.error = "The integration's provider has no webhook rule any more."
            return ProviderWebhookSettlement(webhook: webhook, effects: [])
        }
        let content = WebhookContent(webhook.request, rule: rule)
        let events = content.events(rule, claims: webhook.claims)
        webhook.types = Array(Set(events.map(\.type))).filter { !$0.isEmpty }.sorted()
        let headers = Self.passedOn(webhook.request.headers)
        var effects: [ProviderWebhookSettlement.Effect] = []
        var lost: [WebhookContent.Event] = []
        for (place, event) in events.enumerated() where !webhook.handled.contains(place) {
            let connections = try await connections(of: event, webhook)
            guard !connections.isEmpty else {
                lost.append(event)
                continue
            }
            webhook.handled.append(place)
            for connection in connections {
                effects.append(try await effect(event, rule, webhook, connection, integration, headers))
            }
        }
        if lost.isEmpty {
            webhook.state = .done
            webhook.dueAt = nil
            webhook.error = nil
        } else {
            effects += try await settleLost(lost, &webhook, integration, headers)
        }
        return ProviderWebhookSettlement(webhook: webhook, effects: effects)
    }

    // MARK: What nobody is known for

    private mutating func settleLost(
        _ lost: [WebhookContent.Event],
        _ webhook: inout ProviderWebhook,
        _ integration: Integration,
        _ headers: [String: String]
    ) async throws -> [ProviderWebhookSettlement.Effect] {
        let names = lost.flatMap(\.targets).prefix(3).map { "\($0.match.words) \($0.value)" }
        let why =
            names.isEmpty
            ? "It names no account: give the provider the address of a connection's own registration."
            : "No connection has the \(names.joined(separator: " or the "))."
        // An event without any name will not be found later either.
        let isOver = names.isEmpty || webhook.attempts > ProviderWebhookWorker.retries.count
        guard isOver else {
            webhook.dueAt = services.clock.now + ProviderWebhookWorker.retries[webhook.attempts - 1]
            webhook.error = "\(why) It is looked at again."
            return []
        }
        webhook.state = .unmatched
        webhook.dueAt = nil
        webhook.error = "\(why) It is kept, and can be replayed."
        guard integration.forwardsWebhooks, !webhook.isReplay else { return [] }
        let settings = try await settings(of: webhook.scope)
        let forward = services.webhooks.forward(webhook, headers: headers, settings: settings, now: services.clock.now)
        guard let forward else { return [] }
        var effect = ProviderWebhookSettlement.Effect()
        effect.forwards = [forward]
        return [effect]
    }

    // MARK: What somebody is known for

    private mutating func effect(
        _ event: WebhookContent.Event,
        _ rule: ProviderWebhookRule,
        _ webhook: ProviderWebhook,
        _ connection: Connection,
        _ integration: Integration,
        _ headers: [String: String]
    ) async throws -> ProviderWebhookSettlement.Effect {
        if event.isRenewal { try await askForRenewal(webhook, connection) }
        var effect = ProviderWebhookSettlement.Effect(mark: Self.mark(event, rule, webhook, connection))
        if event.isDeauthorization { effect.withdrawal = try await withdrawal(connection, integration, webhook) }
        effect.runs = services.webhookRuns(
            event.type, payload: event.payload, facts: event.facts, for: connection)
        let syncs = services.catalog.syncs(integrationKey: integration.key, in: webhook.scope)
        for sync in syncs where sync.subscribes(to: event.type) {
            guard let interval = sync.safetyInterval else { continue }
            effect.pushed.append(
                .init(connectionID: connection.id, sync: sync.name, safetyInterval: interval))
        }
        for trigger in rule.triggers where ProviderWebhookRule.matches(trigger.event, event.type) {
            effect.triggered.append((connection.id, trigger.sync))
        }
        if integration.forwardsWebhooks {
            let settings = try await settings(of: webhook.scope)
            let forward = services.webhooks.forward(
                event.payload, headers: headers, connection: connection, settings: settings, now: services.clock.now)
            effect.forwards = [forward].compactMap(\.self)
        }
        return effect
    }

    /// By the provider's id, or else by the content: then only the last one of a place is remembered, because the same
    /// content may come again with a good reason after another.
    private static func mark(
        _ event: WebhookContent.Event,
        _ rule: ProviderWebhookRule,
        _ webhook: ProviderWebhook,
        _ connection: Connection
    ) -> ProviderWebhookSettlement.Mark? {
        if webhook.isReplay { return nil }
        if let id = event.id, !id.isEmpty {
            return .init(key: sha256(Array("id\u{0}\(connection.id)\u{0}\(event.type)\u{0}\(id)".utf8)))
        }
        // A ping says nothing but that something has changed: two are two.
        if rule.isPing { return nil }
        if case .empty = rule.unpacking { return nil }
        return .init(
            key: sha256(Array("last\u{0}\(connection.id)\u{0}\(event.type)".utf8)),
            content: sha256(event.payload.encoded(sortedKeys: true))
        )
    }

    /// - Returns: `nil` when the connection is newer than the word of its end: that was about another authorization.
    private func withdrawal(_ connection: Connection, _ integration: Integration, _ webhook: ProviderWebhook)
        async throws -> ProviderWebhookSettlement.Withdrawal?
    {
        guard connection.updatedAt <= webhook.receivedAt,
            let stored = try await services.connections.credentials(row: connection.id)
        else { return nil }
        let environment = try await services.settings.environment(webhook.scope)
        let message = "The end user has withdrawn the authorization at the provider. They have to connect again."
        let event = services.webhooks.authEvent(
            .refresh,
            connection: connection,
            authMode: services.providers.provider(integration.provider)?.authMode ?? .oauth2,
            environment: environment,
            error: (type: "authorization_withdrawn", description: message),
            now: services.clock.now
        )
        return .init(connectionID: connection.id, generation: stored.generation, event: event)
    }

    private func askForRenewal(_ webhook: ProviderWebhook, _ connection: Connection) async throws {
        let subscriptions = try await services.incoming.subscriptions(
            integrationID: webhook.integrationID, connectionID: connection.id)
        for var subscription in subscriptions where subscription.isOurs {
            guard webhook.subscriptionID.map({ $0 == subscription.id }) ?? true else { continue }
            subscription.renewAt = services.clock.now
            try await services.incoming.updateSubscription(subscription)
        }
        services.renewalWakeUp.ring()
    }

    // MARK: Looking up

    private mutating func connections(of event: WebhookContent.Event, _ webhook: ProviderWebhook) async throws
        -> [Connection]
    {
        if let id = webhook.subscriptionID, let subscription = try await services.incoming.subscription(id),
            let row = subscription.connectionID
        {
            return [try await services.connections.connection(row: row)].compactMap(\.self)
        }
        var all: [Connection] = []
        for target in event.targets {
            let search = Search(target: target, integrationID: webhook.integrationID)
            let connections: [Connection]
            if let known = found[search] {
                connections = known
            } else {
                connections = try await services.incoming.connections(
                    matching: target, integrationID: webhook.integrationID)
                found[search] = connections
            }
            for connection in connections where !all.contains(where: { $0.id == connection.id }) {
                all.append(connection)
            }
        }
        return all
    }

    private mutating func integration(of webhook: ProviderWebhook) async throws -> Integration? {
        if let known = integrations[webhook.integrationID] { return known }
        let found = try await services.settings.integration(key: webhook.integrationKey, in: webhook.scope)
        integrations[webhook.integrationID] = found
        return found
    }

    private mutating func settings(of scope: EnvironmentScope) async throws -> EnvironmentSettings {
        if let known = settings[scope] { return known }
        let found = try await services.settings.environment(scope).settings
        settings[scope] = found
        return found
    }

    private static func passedOn(_ headers: [ProviderWebhookRequest.Header]) -> [String: String] {
        let kept = headers.filter { header in !ownHeaders.contains { header.name.hasPrefix($0) } }
        return Dictionary(kept.map { ($0.name, $0.value) }, uniquingKeysWith: { "\($0), \($1)" })
    }
}

extension ProviderWebhookRule.Match {
    fileprivate var words: String {
        switch self {
        case .connectionID: "id"
        case .field(let name): name
        case .subscription: "subscription"
        }
    }
}
