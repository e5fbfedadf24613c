import Hummingbird
import TerapiCore

/// What the team's backend was told, and how that went.
struct WebhookEventRoutes: Sendable {
    let webhooks: any WebhookStorage

    func list(_ call: Call) async throws -> Response {
        var query = try call.query()
        let before = query.moment("before")
        let limit = query.integer("limit", in: 1...1000) ?? 100
        try query.finish()

        let events = try await webhooks.events(in: call.scope, before: before, limit: limit)
        return .json(["data": .array(events.map(\.json))])
    }

    func one(_ call: Call) async throws -> Response {
        let id = try call.parameter("eventId", .lettersDigits(and: "_-", 1...64))
        guard let event = try await webhooks.event(id, in: call.scope) else {
            throw TerapiError(.notFound, "The environment has no webhook event with this id.")
        }
        return .json(["data": event.json])
    }
}

extension WebhookHistory {
    fileprivate var json: JSONValue {
        [
            "id": .string(event.id),
            "type": .string(event.kind.rawValue),
            "created_at": JSONValue(event.createdAt),
            "body": .string(String(decoding: event.body, as: UTF8.self)),
            "deliveries": .array(
                deliveries.map { delivery, attempts in
                    [
                        "id": JSONValue(delivery.id),
                        "url": .string(delivery.url),
                        "state": .string(delivery.state.rawValue),
                        "next_attempt_at": JSONValue(delivery.nextAttemptAt),
                        "attempts": .array(attempts.map(\.json)),
                    ]
                }
            ),
        ]
    }
}

extension DeliveryAttempt {
    fileprivate var json: JSONValue {
        [
            "number": JSONValue(number),
            "started_at": JSONValue(startedAt),
            "duration_ms": JSONValue(duration.microseconds / 1000),
            "status": status.map { JSONValue($0) } ?? .null,
            "error": JSONValue(error),
        ]
    }
}
