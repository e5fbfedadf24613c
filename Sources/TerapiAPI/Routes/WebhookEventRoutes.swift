import Hummingbird
import TerapiCore

/// What the team's backend was told, and how that went.
struct WebhookEventRoutes: Sendable {
    let webhooks: any WebhookStorage
    let deliveries: any DeliveryControl

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

    func replayOne(_ call: Call) async throws -> Response {
        let id = try call.parameter("eventId", .lettersDigits(and: "_-", 1...64))
        return try await Self.replay(.events([id]), in: call.scope, deliveries)
    }

    func replay(_ call: Call) async throws -> Response {
        var body = try await call.body()
        let selection = body.replayRange(now: call.now)
        try body.finish()
        return try await Self.replay(selection, in: call.scope, deliveries)
    }

    static func replay(
        _ selection: ReplaySelection,
        in scope: EnvironmentScope,
        _ deliveries: any DeliveryControl
    ) async throws -> Response {
        let outcome = try await deliveries.replay(selection, in: scope)
        return .json(
            ["events": JSONValue(outcome.events), "deliveries": JSONValue(outcome.deliveries)], status: .accepted
        )
    }
}

private enum ReplayedEvents: String, CaseIterable {
    case undelivered, all
}

extension BodyReader {
    /// `from`, `until` (now) and `events` (`undelivered`).
    mutating func replayRange(now: Timestamp) -> ReplaySelection {
        let from = moment("from")
        let until = moment("until") ?? now
        let events = choice("events", of: ReplayedEvents.allCases) ?? .undelivered
        if !has("from") { refuse("from", code: "invalid_type", "Required.") }
        return .range(from: from ?? now, until: until, undelivered: events == .undelivered)
    }

    private mutating func moment(_ field: String) -> Timestamp? {
        guard let text = text(field) else { return nil }
        let moment = Timestamp(iso8601: text)
        if moment == nil {
            refuse(field, code: "invalid_format", "Expected a date and time such as 2026-01-31T12:00:00.000Z.")
        }
        return moment
    }
}

extension WebhookHistory {
    var json: JSONValue {
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
                        "held_until": JSONValue(delivery.state == .pending ? delivery.heldUntil : nil),
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
