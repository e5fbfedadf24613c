import Hummingbird
import TerapiCore

/// What commands on the same machine ask about provider webhooks. They name the environment.
struct AdminProviderWebhookRoutes: Sendable {
    let admin: AdminRoutes
    let webhooks: ProviderWebhookRoutes
    let subscriptions: WebhookSubscriptionRoutes

    var routes: [Route] {
        [
            Route(.get, "/admin/provider-webhooks", .anyone, query: true, list),
            Route(.post, "/admin/provider-webhooks/replay", .anyone, query: true, replay),
            Route(.get, "/admin/provider-webhooks/:webhookId", .anyone, query: true, one),
            Route(.get, "/admin/webhook-subscriptions", .anyone, query: true, subscribed),
            Route(.post, "/admin/webhook-subscriptions", .anyone, query: true, subscribe),
            Route(.post, "/admin/webhook-subscriptions/:subscriptionId/renew", .anyone, query: true, renew),
            Route(.delete, "/admin/webhook-subscriptions/:subscriptionId", .anyone, query: true, unsubscribe),
        ]
    }

    private func list(_ call: Call) async throws -> Response {
        var query = try call.query()
        let name = query.requiredText("environment", .lettersDigits(and: "_-"))
        let filter = ProviderWebhookRoutes.filter(&query)
        try query.finish()
        return try await webhooks.list(filter, in: admin.scope(named: name))
    }

    private func one(_ call: Call) async throws -> Response {
        try await webhooks.one(call.parameter("webhookId"), in: admin.scope(call))
    }

    private func replay(_ call: Call) async throws -> Response {
        try await webhooks.replay(call, in: admin.scope(call))
    }

    private func subscribed(_ call: Call) async throws -> Response {
        try await subscriptions.list(in: admin.scope(call))
    }

    private func subscribe(_ call: Call) async throws -> Response {
        try await subscriptions.create(call, in: admin.scope(call))
    }

    private func renew(_ call: Call) async throws -> Response {
        let renewed = try await subscriptions.webhooks.renew(try subscriptions.number(call), in: admin.scope(call))
        return .json(["data": .object(renewed.json)])
    }

    private func unsubscribe(_ call: Call) async throws -> Response {
        try await subscriptions.webhooks.unsubscribe(try subscriptions.number(call), in: admin.scope(call))
        return .success
    }
}
