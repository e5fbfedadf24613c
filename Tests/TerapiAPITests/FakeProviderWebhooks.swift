import Synchronization
import TerapiCore

/// What providers send, as the routes see it. One webhook and one registration of `dev` hold the canary.
final class FakeProviderWebhooks: ProviderWebhookControl {
    struct State {
        var received: [(request: ProviderWebhookRequest, address: ProviderWebhookAddress)] = []
        var replayed: [ProviderWebhookFilter] = []
        var answer = ProviderWebhookAnswer.json(["status": "success"], status: 200)
        var failure: TerapiError?
        var made: [(params: JSONObject, manual: Bool, secret: Secret?)] = []
    }

    private static let now = Timestamp(microseconds: 1_800_000_000_000_000)
    let state = Mutex(State())

    private let webhook = ProviderWebhook(
        id: "pwh_1", scope: EnvironmentScope(environmentID: 1), integrationID: 1, integrationKey: "zendesk",
        request: ProviderWebhookRequest(
            method: "POST", url: "https://t.example/webhook/a/b/the-token",
            headers: [.init("authorization", "Bearer hidden-one"), .init("x-event", "dev-canary")],
            body: Array(#"{"a":"dev-canary"}"#.utf8)
        ),
        state: .unmatched, receivedAt: now, dueAt: nil, types: ["dev-canary"]
    )
    private let subscription = WebhookSubscription(
        id: 3, scope: EnvironmentScope(environmentID: 1), integrationID: 1, integrationKey: "zendesk", connectionID: 1,
        connectionName: "c-dev-canary", secret: Secret("hidden-two"), createdAt: now
    )

    func receive(_ request: ProviderWebhookRequest, at address: ProviderWebhookAddress) async throws
        -> ProviderWebhookAnswer
    {
        try state.withLock { state in
            state.received.append((request, address))
            if let failure = state.failure { throw failure }
            return state.answer
        }
    }

    func webhooks(_ filter: ProviderWebhookFilter, in scope: EnvironmentScope) async throws -> [ProviderWebhook] {
        [webhook].filter { $0.scope == scope && (filter.states.isEmpty || filter.states.contains($0.state)) }
    }

    func webhook(_ id: String, in scope: EnvironmentScope) async throws -> ProviderWebhook? {
        webhook.id == id && webhook.scope == scope ? webhook : nil
    }

    func replay(_ filter: ProviderWebhookFilter, in scope: EnvironmentScope) async throws -> Int {
        state.withLock { $0.replayed.append(filter) }
        return webhook.scope == scope && (filter.ids.isEmpty || filter.ids.contains(webhook.id)) ? 1 : 0
    }

    func subscriptions(in scope: EnvironmentScope) async throws -> [WebhookSubscription] {
        [subscription].filter { $0.scope == scope }
    }

    func subscribe(
        integrationKey: String, connectionID: String?, params: JSONObject, manual: Bool, secret: Secret?,
        in scope: EnvironmentScope
    ) async throws -> WebhookSubscription {
        state.withLock { $0.made.append((params, manual, secret)) }
        var made = subscription
        made.scope = scope
        made.connectionName = connectionID
        return made
    }

    func renew(_ id: Int64, in scope: EnvironmentScope) async throws -> WebhookSubscription {
        try known(id, scope)
    }

    func unsubscribe(_ id: Int64, in scope: EnvironmentScope) async throws {
        _ = try known(id, scope)
    }

    func address(of subscription: WebhookSubscription) async throws -> String { "https://t.example/webhook/a/b/c" }

    private func known(_ id: Int64, _ scope: EnvironmentScope) throws -> WebhookSubscription {
        guard id == subscription.id, scope == subscription.scope else {
            throw TerapiError(.notFound, "There is no such subscription.")
        }
        return subscription
    }
}
