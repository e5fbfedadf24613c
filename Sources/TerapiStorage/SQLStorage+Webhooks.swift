public import TerapiCore

extension SQLStorage: WebhookStorage {
    public func claimDeliveries(
        limit: Int,
        perURL: Int,
        busy: [String: Int],
        owner: String,
        leaseUntil: Timestamp,
        now: Timestamp
    ) async throws -> [WebhookDelivery] {
        try await database.write { transaction in
            let failing = try Self.failingEndpoints(in: transaction)
            // URL by URL, so that the thousands that wait for a dead endpoint are not even looked at.
            var due: [(place: Int, at: Int64, id: Int64)] = []
            var url =
                try transaction.first(
                    "select min(url) from webhook_delivery where state = 'pending'"
                ) { $0.textIfPresent(0) } ?? nil
            while let current = url {
                let allowed = failing[current]?.quota(at: now, usual: perURL) ?? perURL
                let quota = min(allowed - busy[current, default: 0], limit)
                if quota > 0 {
                    var place = 0
                    try transaction.forEach(
                        """
                        select next_attempt_at, id from webhook_delivery
                        where state = 'pending' and url = $1 and next_attempt_at <= $2
                        order by next_attempt_at, id limit $3
                        """,
                        [.text(current), SQLValue(now), SQLValue(quota)]
                    ) { row in
                        due.append((place, row.integer(0), row.integer(1)))
                        place += 1
                    }
                }
                url =
                    try transaction.first(
                        "select min(url) from webhook_delivery where state = 'pending' and url > $1",
                        [.text(current)]
                    ) { $0.textIfPresent(0) } ?? nil
            }
            // Everyone's first before anyone's second.
            let taken = due.sorted { ($0.place, $0.at, $0.id) < ($1.place, $1.at, $1.id) }.prefix(limit).map(\.id)
            try transaction.run(
                "update webhook_delivery set next_attempt_at = $2, owner = $3 where id = $1",
                count: taken.count
            ) { index, parameters in
                parameters.bind(taken[index], at: 1)
                parameters.bind(leaseUntil.microseconds, at: 2)
                parameters.bind(owner, at: 3)
            }
            var deliveries: [WebhookDelivery] = []
            try transaction.forEach(
                Self.selectDelivery + "where d.id = $1",
                count: taken.count,
                bind: { index, parameters in parameters.bind(taken[index], at: 1) },
                { _, row in deliveries.append(try Self.delivery(row)) }
            )
            return deliveries
        }
    }

    public func releaseDeliveries(notOwnedBy owner: String, now: Timestamp) async throws {
        try await database.write { transaction in
            try transaction.run(
                """
                update webhook_delivery set next_attempt_at = $2, owner = null
                where state = 'pending' and owner is not null and owner <> $1
                """,
                [.text(owner), SQLValue(now)]
            )
        }
    }

    public func nextDeliveryAt() async throws -> Timestamp? {
        try await database.read { snapshot in
            let next =
                try snapshot.first(
                    """
                    select next_attempt_at from webhook_delivery d
                    where state = 'pending' and not exists (
                        select 1 from webhook_endpoint e where e.url = d.url and e.open_until is not null)
                    order by next_attempt_at limit 1
                    """
                ) { $0.timestampIfPresent(0) } ?? nil
            let held =
                try snapshot.first(
                    """
                    select min(max(e.open_until, (
                        select min(d.next_attempt_at) from webhook_delivery d where d.state = 'pending' and d.url = e.url)))
                    from webhook_endpoint e where e.open_until is not null
                    """
                ) { $0.timestampIfPresent(0) } ?? nil
            return [next, held].compactMap(\.self).min()
        }
    }

    @discardableResult
    public func finishAttempt(
        _ attempt: DeliveryAttempt,
        deliveryID: Int64,
        state: WebhookDelivery.State,
        nextAttemptAt: Timestamp?,
        breaker: EndpointBreaker,
        now: Timestamp
    ) async throws -> Timestamp? {
        try await database.write { transaction in
            let updated = try transaction.run(
                """
                update webhook_delivery set state = $2, attempts = max(attempts, $3), next_attempt_at = $4, owner = null
                where id = $1
                """,
                [.integer(deliveryID), SQLValue(state), SQLValue(attempt.number), SQLValue(nextAttemptAt)]
            )
            // The environment may be gone, and its deliveries with it.
            guard updated > 0 else { return nil }
            // The same number comes twice when a claim ran out before its try had ended: the later one counts.
            try transaction.run(
                """
                insert into webhook_attempt (delivery_id, number, started_at, duration_us, status, error)
                values ($1, $2, $3, $4, $5, $6)
                on conflict (delivery_id, number) do update set started_at = excluded.started_at,
                    duration_us = excluded.duration_us, status = excluded.status, error = excluded.error
                """,
                [
                    .integer(deliveryID), SQLValue(attempt.number), SQLValue(attempt.startedAt),
                    .integer(attempt.duration.microseconds), SQLValue(attempt.status), SQLValue(attempt.error),
                ]
            )
            return try Self.noteOutcome(
                ofDelivery: deliveryID, hasFailed: attempt.error != nil, breaker, now: now, in: transaction
            )
        }
    }

    public func events(in scope: EnvironmentScope, before: Timestamp?, limit: Int) async throws -> [WebhookHistory] {
        try await database.read { snapshot in
            let events = try snapshot.query(
                Self.selectEvent
                    + "where environment_id = $1 and created_at < $2 order by created_at desc, id limit $3",
                [SQLValue(scope), .integer(before?.microseconds ?? .max), SQLValue(limit)],
                row: Self.event
            )
            return try events.map { try Self.history(of: $0, in: snapshot) }
        }
    }

    public func event(_ id: String, in scope: EnvironmentScope) async throws -> WebhookHistory? {
        try await database.read { snapshot in
            try snapshot.first(
                Self.selectEvent + "where environment_id = $1 and id = $2",
                [SQLValue(scope), .text(id)],
                row: Self.event
            ).map { try Self.history(of: $0, in: snapshot) }
        }
    }
}

extension SQLStorage {
    /// Stores an event with a delivery for each of its URLs, in the transaction of what it tells about.
    static func insert(_ event: WebhookEvent, in transaction: any Transaction) throws {
        try transaction.run(
            """
            insert into webhook_event (id, environment_id, connection_id, kind, body, created_at, headers)
            values ($1, $2, $3, $4, $5, $6, $7)
            """,
            [
                .text(event.id), SQLValue(event.scope), SQLValue(event.connectionID), SQLValue(event.kind),
                .blob(event.body), SQLValue(event.createdAt),
                event.headers.isEmpty ? .null : SQLValue(event.headers),
            ]
        )
        for url in event.urls {
            try transaction.run(
                """
                insert into webhook_delivery (event_id, url, state, next_attempt_at) values ($1, $2, 'pending', $3)
                """,
                [.text(event.id), .text(url), SQLValue(event.createdAt)]
            )
        }
    }

    /// - Returns: until when the endpoint is left alone, if that begins now.
    private static func noteOutcome(
        ofDelivery id: Int64,
        hasFailed: Bool,
        _ breaker: EndpointBreaker,
        now: Timestamp,
        in transaction: any Transaction
    ) throws -> Timestamp? {
        let url = try transaction.first("select url from webhook_delivery where id = $1", [.integer(id)]) { $0.text(0) }
        guard let url else { return nil }
        guard hasFailed else {
            try transaction.run("delete from webhook_endpoint where url = $1", [.text(url)])
            return nil
        }
        var failures =
            try transaction.first(
                "select url, failures, openings, open_until from webhook_endpoint where url = $1",
                [.text(url)],
                row: endpointFailures
            ) ?? EndpointFailures()
        let opens = failures.fail(at: now, breaker)
        try transaction.run(
            """
            insert into webhook_endpoint (url, failures, openings, open_until) values ($1, $2, $3, $4)
            on conflict (url) do update set failures = excluded.failures, openings = excluded.openings,
                open_until = excluded.open_until
            """,
            [.text(url), SQLValue(failures.count), SQLValue(failures.openings), SQLValue(failures.openUntil)]
        )
        return opens ? failures.openUntil : nil
    }

    /// By URL; few in a world where most endpoints answer.
    private static func failingEndpoints(in snapshot: any Snapshot) throws -> [String: EndpointFailures] {
        var failing: [String: EndpointFailures] = [:]
        try snapshot.forEach("select url, failures, openings, open_until from webhook_endpoint", []) { row in
            failing[row.text(0)] = endpointFailures(row)
        }
        return failing
    }

    private static func endpointFailures(_ row: any Row) -> EndpointFailures {
        EndpointFailures(
            count: Int(row.integer(1)), openings: Int(row.integer(2)), openUntil: row.timestampIfPresent(3)
        )
    }

    private static let selectEvent: SQL =
        "select id, environment_id, connection_id, kind, body, created_at, headers from webhook_event"

    /// Reads an event whose columns begin the row. Its URLs are those of its deliveries.
    private static func event(_ row: any Row) throws -> WebhookEvent {
        WebhookEvent(
            id: row.text(0),
            scope: EnvironmentScope(environmentID: row.integer(1)),
            connectionID: row.integerIfPresent(2),
            kind: try row.value(3),
            body: row.bytes(4),
            urls: [],
            headers: try row.jsonIfPresent(6)?.strings ?? [:],
            createdAt: row.timestamp(5)
        )
    }

    private static let selectDelivery: SQL = """
        select e.id, e.environment_id, e.connection_id, e.kind, e.body, e.created_at, e.headers, d.id, d.url, d.state,
            d.attempts, d.next_attempt_at, p.open_until
        from webhook_delivery d join webhook_event e on e.id = d.event_id left join webhook_endpoint p on p.url = d.url
        """

    private static func delivery(_ row: any Row) throws -> WebhookDelivery {
        var event = try event(row)
        event.urls = [row.text(8)]
        return WebhookDelivery(
            id: row.integer(7),
            event: event,
            url: row.text(8),
            state: try row.value(9),
            attempts: Int(row.integer(10)),
            nextAttemptAt: row.timestampIfPresent(11),
            heldUntil: row.timestampIfPresent(12)
        )
    }

    private static func history(of event: WebhookEvent, in snapshot: any Snapshot) throws -> WebhookHistory {
        let deliveries = try snapshot.query(
            selectDelivery + "where d.event_id = $1 order by d.id",
            [.text(event.id)],
            row: delivery
        )
        var event = event
        event.urls = deliveries.map(\.url)
        return WebhookHistory(
            event: event,
            deliveries: try deliveries.map { delivery in
                var delivery = delivery
                delivery.event = event
                let attempts = try snapshot.query(
                    """
                    select number, started_at, duration_us, status, error from webhook_attempt
                    where delivery_id = $1 order by number
                    """,
                    [.integer(delivery.id)]
                ) { row in
                    DeliveryAttempt(
                        number: Int(row.integer(0)),
                        startedAt: row.timestamp(1),
                        duration: .microseconds(row.integer(2)),
                        status: row.intIfPresent(3),
                        error: row.textIfPresent(4)
                    )
                }
                return (delivery, attempts)
            }
        )
    }
}
