public import TerapiCore

extension SQLStorage {
    public func replay(
        _ selection: ReplaySelection,
        urls: [String],
        after place: ReplayPlace?,
        limit: Int,
        in scope: EnvironmentScope,
        now: Timestamp
    ) async throws -> (outcome: ReplayOutcome, next: ReplayPlace?) {
        try await database.write { transaction in
            let events = try Self.events(selection, after: place, limit: limit, in: scope, transaction)
            var outcome = ReplayOutcome(events: events.count)
            for event in events {
                for url in event.url.map({ [$0] }) ?? urls {
                    try Self.sendAgain(event.place.id, to: url, now: now, in: transaction)
                    outcome.deliveries += 1
                }
            }
            return (outcome, events.count == limit ? events.last?.place : nil)
        }
    }

    /// The events with the URL of their connection, where it has its own.
    private static func events(
        _ selection: ReplaySelection,
        after place: ReplayPlace?,
        limit: Int,
        in scope: EnvironmentScope,
        _ snapshot: any Snapshot
    ) throws -> [(place: ReplayPlace, url: String?)] {
        func event(_ row: any Row) -> (place: ReplayPlace, url: String?) {
            (ReplayPlace(createdAt: row.timestamp(0), id: row.text(1)), row.textIfPresent(2))
        }
        switch selection {
        case .events(let ids):
            return try ids.map { id in
                let found = try snapshot.first(
                    selectReplayed + "where e.environment_id = $1 and e.id = $2",
                    [SQLValue(scope), .text(id)],
                    row: event
                )
                guard let found else {
                    throw TerapiError(.notFound, "The environment has no webhook event with this id.")
                }
                return found
            }
        case .range(let from, let until, let undelivered):
            return try snapshot.query(
                selectReplayed + """
                    where e.environment_id = $1 and e.created_at >= $2 and e.created_at < $3
                        and (e.created_at, e.id) > ($4, $5)
                        and ($6 = 0 or not exists (
                            select 1 from webhook_delivery d where d.event_id = e.id and d.state = 'delivered'))
                    order by e.created_at, e.id limit $7
                    """,
                [
                    SQLValue(scope), SQLValue(from), SQLValue(until), .integer(place?.createdAt.microseconds ?? .min),
                    .text(place?.id ?? ""), SQLValue(undelivered), SQLValue(limit),
                ],
                row: event
            )
        }
    }

    private static let selectReplayed: SQL = """
        select e.created_at, e.id, c.webhook_url_override
        from webhook_event e left join connection c
            on c.id = e.connection_id and c.environment_id = e.environment_id
        """

    private static func sendAgain(
        _ eventID: String,
        to url: String,
        now: Timestamp,
        in transaction: any Transaction
    ) throws {
        let values: [SQLValue] = [.text(eventID), .text(url), SQLValue(now)]
        let isWaiting = try transaction.exists(
            "select 1 from webhook_delivery where event_id = $1 and url = $2 and state = 'pending'",
            [.text(eventID), .text(url)]
        )
        if isWaiting {
            // What somebody has in his hands is on its way already.
            try transaction.run(
                """
                update webhook_delivery set next_attempt_at = min(next_attempt_at, $3)
                where event_id = $1 and url = $2 and state = 'pending' and owner is null
                """,
                values
            )
        } else {
            try transaction.run(
                "insert into webhook_delivery (event_id, url, state, next_attempt_at) values ($1, $2, 'pending', $3)",
                values
            )
        }
        // Who asks for it believes that the endpoint is well again. One delivery finds out.
        try transaction.run(
            "update webhook_endpoint set open_until = $2 where url = $1 and open_until > $2",
            [.text(url), SQLValue(now)]
        )
    }
}
