import Hummingbird
import TerapiCore

/// Webhook events for commands on the same machine.
struct AdminWebhookRoutes: Sendable {
    private static let listed = 100

    let webhooks: any WebhookStorage
    let deliveries: any DeliveryControl
    let admin: AdminRoutes

    /// The latest ones.
    func list(_ call: Call) async throws -> Response {
        let scope = try await admin.scope(call)
        let events = try await webhooks.events(in: scope, before: nil, limit: Self.listed)
        return .json(["data": .array(events.map(\.json))])
    }

    /// Named events, or a range of time.
    func replay(_ call: Call) async throws -> Response {
        let scope = try await admin.scope(call)
        var body = try await call.body()
        let selection: ReplaySelection
        if let ids = body.texts("ids", .lettersDigits(and: "_-", 1...64), maxCount: 1000) {
            selection = .events(ids)
        } else {
            selection = body.replayRange(now: call.now)
        }
        try body.finish()
        return try await WebhookEventRoutes.replay(selection, in: scope, deliveries)
    }
}
