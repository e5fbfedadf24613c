public import TerapiCore

extension SQLStorage: ProviderWebhookStorage {
    /// For how long a repetition is known by the provider's own id, and by its content alone.
    private static let markLife = Duration.seconds(7 * 86_400)
    private static let contentLife = Duration.seconds(600)

    public func store(_ webhook: ProviderWebhook) async throws {
        // Here and not in the transaction: the writer's time is everybody's.
        let sealed = try box.seal(Self.document(of: webhook), for: .request(of: webhook.id, webhook.scope))
        let values: [SQLValue] = [
            .text(webhook.id), SQLValue(webhook.scope), .integer(webhook.integrationID),
            SQLValue(webhook.subscriptionID), .blob(sealed), SQLValue(webhook.state), SQLValue(webhook.receivedAt),
            SQLValue(webhook.dueAt),
        ]
        try await database.write { transaction in
            try transaction.run(
                """
                insert into provider_webhook (id, environment_id, integration_id, subscription_id, request, state,
                    received_at, due_at)
                values ($1, $2, $3, $4, $5, $6, $7, $8)
                """,
                values
            )
        }
    }

    public func dueProviderWebhooks(limit: Int, now: Timestamp) async throws -> [ProviderWebhook] {
        try await database.read { [box] snapshot in
            try snapshot.query(
                Self.selectWebhook + "where w.due_at <= $1 order by w.due_at limit $2",
                [SQLValue(now), SQLValue(limit)]
            ) { try Self.webhook($0, box: box) }
        }
    }

    public func nextProviderWebhookAt() async throws -> Timestamp? {
        try await database.read { snapshot in
            try snapshot.first("select min(due_at) from provider_webhook where due_at is not null") {
                $0.timestampIfPresent(0)
            } ?? nil
        }
    }

    @discardableResult
    public func settle(_ settlements: [ProviderWebhookSettlement], now: Timestamp) async throws -> [Int] {
        var sealed: [String: [UInt8]] = [:]
        for run in settlements.lazy.flatMap(\.effects).flatMap(\.runs) {
            sealed[run.id] = try run.input.map { try box.seal($0, for: .input(of: run.id, run.scope)) }
        }
        let inputs = sealed
        return try await database.write { transaction in
            try transaction.run(
                "delete from provider_webhook_mark where seen_at < $1",
                [SQLValue(now - Self.markLife)]
            )
            var repetitions: [Int] = []
            for settlement in settlements {
                // Deleted with its integration, and the connections with it.
                guard try Self.note(settlement.webhook, in: transaction) else {
                    repetitions.append(0)
                    continue
                }
                var repeated = 0
                for effect in settlement.effects {
                    if let mark = effect.mark,
                        try !Self.isNew(
                            mark, integrationID: settlement.webhook.integrationID, now: now, in: transaction)
                    {
                        repeated += 1
                        continue
                    }
                    try Self.apply(effect, of: settlement.webhook, inputs: inputs, now: now, in: transaction)
                }
                repetitions.append(repeated)
            }
            return repetitions
        }
    }

    public func connections(
        matching target: WebhookContent.Target,
        integrationID: Int64
    ) async throws -> [Connection] {
        try await database.read { snapshot in
            let place: [SQLValue] = [.integer(integrationID), .text(target.value)]
            switch target.match {
            case .connectionID:
                return try Self.connections(
                    "where c.integration_id = $1 and c.connection_id = $2", place, in: snapshot)
            case .subscription:
                return try Self.connections(
                    """
                    where c.id in (select connection_id from webhook_subscription
                        where integration_id = $1 and external_id = $2)
                    """,
                    place,
                    in: snapshot
                )
            case .field(let name):
                return try Self.connections(
                    """
                    where c.id in (select connection_id from connection_key
                        where integration_id = $1 and value = $2 and name = $3)
                    """,
                    place + [.text(name)],
                    in: snapshot
                )
            }
        }
    }

    public func providerWebhooks(
        _ filter: ProviderWebhookFilter,
        in scope: EnvironmentScope
    ) async throws -> [ProviderWebhook] {
        try await database.read { [box] snapshot in
            try Self.ids(filter, in: scope, snapshot).compactMap { id in
                try snapshot.first(Self.selectWebhook + "where w.id = $1", [.text(id)]) {
                    try Self.webhook($0, box: box)
                }
            }
        }
    }

    public func providerWebhook(_ id: String, in scope: EnvironmentScope) async throws -> ProviderWebhook? {
        try await providerWebhooks(ProviderWebhookFilter(ids: [id], limit: 1), in: scope).first
    }

    public func replayProviderWebhooks(
        _ filter: ProviderWebhookFilter,
        in scope: EnvironmentScope,
        now: Timestamp
    ) async throws -> Int {
        try await database.write { transaction in
            let ids = try Self.ids(filter, in: scope, transaction)
            try transaction.run(
                """
                update provider_webhook set due_at = $2, is_replay = 1, attempts = 0, error = null,
                    handled = case when state = 'done' then '[]' else handled end, state = 'received'
                where id = $1
                """,
                count: ids.count
            ) { index, parameters in
                parameters.bind(ids[index], at: 1)
                parameters.bind(now.microseconds, at: 2)
            }
            return ids.count
        }
    }
}

extension SQLStorage {
    /// - Returns: whether it is still there.
    private static func note(_ webhook: ProviderWebhook, in transaction: any Transaction) throws -> Bool {
        try transaction.run(
            """
            update provider_webhook set state = $2, due_at = $3, attempts = $4, handled = $5, types = $6, error = $7,
                is_replay = $8
            where id = $1
            """,
            [
                .text(webhook.id), SQLValue(webhook.state), SQLValue(webhook.dueAt), SQLValue(webhook.attempts),
                .text(JSONValue.array(webhook.handled.map { JSONValue($0) }).text()),
                .text(JSONValue(webhook.types).text()), SQLValue(webhook.error), SQLValue(webhook.isReplay),
            ]
        ) > 0
    }

    private static func isNew(
        _ mark: ProviderWebhookSettlement.Mark,
        integrationID: Int64,
        now: Timestamp,
        in transaction: any Transaction
    ) throws -> Bool {
        let key: [SQLValue] = [.integer(integrationID), .blob(mark.key)]
        let known = try transaction.first(
            "select content, seen_at from provider_webhook_mark where integration_id = $1 and key = $2", key
        ) { (content: $0.bytes(0), at: $0.timestamp(1)) }
        if let known, known.content == mark.content, mark.content.isEmpty || now - known.at < contentLife {
            return false
        }
        try transaction.run(
            """
            insert into provider_webhook_mark (integration_id, key, content, seen_at) values ($1, $2, $3, $4)
            on conflict (integration_id, key) do update set content = excluded.content, seen_at = excluded.seen_at
            """,
            key + [.blob(mark.content), SQLValue(now)]
        )
        return true
    }

    private static func apply(
        _ effect: ProviderWebhookSettlement.Effect,
        of webhook: ProviderWebhook,
        inputs: [String: [UInt8]],
        now: Timestamp,
        in transaction: any Transaction
    ) throws {
        for run in effect.runs {
            guard try isThere(connection: run.connectionID, in: transaction) else { continue }
            try insert(run, input: inputs[run.id], now: now, in: transaction)
        }
        for event in effect.forwards { try insert(event, in: transaction) }
        if let withdrawal = effect.withdrawal {
            _ = try condemn(
                row: withdrawal.connectionID, generation: withdrawal.generation, operationID: webhook.id,
                event: withdrawal.event, in: transaction
            )
        }
        for pushed in effect.pushed {
            // Not sooner than it would be read anyway, and not before a first reading has succeeded.
            try transaction.run(
                """
                update sync set last_event_at = $3, next_run_at = case
                    when state = 'started' and failures = 0 and last_sync_at is not null
                    then max(next_run_at, last_sync_at + $4) else next_run_at end
                where connection_id = $1 and name = $2
                """,
                [
                    .integer(pushed.connectionID), .text(pushed.sync), SQLValue(now),
                    .integer(pushed.safetyInterval.microseconds),
                ]
            )
        }
        for (connectionID, sync) in effect.triggered {
            try transaction.run(
                """
                update sync set run_requested_at = coalesce(run_requested_at, $3)
                where connection_id = $1 and name = $2 and state = 'started'
                """,
                [.integer(connectionID), .text(sync), SQLValue(now)]
            )
        }
    }

    private static func isThere(connection id: Int64, in snapshot: any Snapshot) throws -> Bool {
        try snapshot.exists("select 1 from connection where id = $1", [.integer(id)])
    }

    private static func ids(
        _ filter: ProviderWebhookFilter,
        in scope: EnvironmentScope,
        _ snapshot: any Snapshot
    ) throws -> [String] {
        let ids = JSONValue(filter.ids).text()
        let states = JSONValue(filter.states.map(\.rawValue)).text()
        return try snapshot.query(
            """
            select w.id from provider_webhook w join integration i on i.id = w.integration_id
            where w.environment_id = $1 and ($2 = '[]' or w.id in (select value from json_each($2)))
                and ($3 = '[]' or w.state in (select value from json_each($3)))
                and ($4 is null or i.key = $4) and w.received_at >= $5 and w.received_at < $6
            order by w.id desc limit $7
            """,
            [
                SQLValue(scope), .text(ids), .text(states), SQLValue(filter.integrationKey),
                .integer(filter.after?.microseconds ?? .min), .integer(filter.before?.microseconds ?? .max),
                SQLValue(filter.limit),
            ]
        ) { $0.text(0) }
    }

    private static let selectWebhook: SQL = """
        select w.id, w.environment_id, w.integration_id, i.key, w.subscription_id, w.request, w.state, w.received_at,
            w.due_at, w.attempts, w.handled, w.is_replay, w.types, w.error
        from provider_webhook w join integration i on i.id = w.integration_id
        """

    private static func webhook(_ row: any Row, box: SecretBox) throws -> ProviderWebhook {
        let id = row.text(0)
        let scope = EnvironmentScope(environmentID: row.integer(1))
        let (request, claims) = try Self.read(try box.open(row.bytes(5), for: .request(of: id, scope)))
        return ProviderWebhook(
            id: id,
            scope: scope,
            integrationID: row.integer(2),
            integrationKey: row.text(3),
            subscriptionID: row.integerIfPresent(4),
            request: request,
            claims: claims,
            state: try row.value(6),
            receivedAt: row.timestamp(7),
            dueAt: row.timestampIfPresent(8),
            attempts: Int(row.integer(9)),
            handled: try row.json(10).array?.compactMap(\.int) ?? [],
            isReplay: row.bool(11),
            types: try row.json(12).stringArray,
            error: row.textIfPresent(13)
        )
    }

    /// The length of the head, the head as JSON, and the body as it came: it may be anything.
    private static func document(of webhook: ProviderWebhook) -> [UInt8] {
        let request = webhook.request
        var head: JSONObject = [
            "method": .string(request.method), "url": .string(request.url),
            "headers": .array(request.headers.map { [.string($0.name), .string($0.value)] }),
        ]
        head["claims"] = webhook.claims
        let bytes = JSONValue.object(head).encoded()
        let length = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: bytes.count >> $0) }
        return length + bytes + request.body
    }

    private static func read(_ document: [UInt8]) throws -> (ProviderWebhookRequest, claims: JSONValue?) {
        let length = document.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        let head = try storedJSON(document.dropFirst(4).prefix(length))
        let headers = (head["headers"]?.array ?? []).compactMap { header -> ProviderWebhookRequest.Header? in
            guard let name = header.array?.first?.string, let value = header.array?.last?.string else { return nil }
            return .init(name, value)
        }
        let request = ProviderWebhookRequest(
            method: head["method"]?.string ?? "",
            url: head["url"]?.string ?? "",
            headers: headers,
            body: Array(document.dropFirst(4 + length))
        )
        return (request, head["claims"])
    }
}

extension SecretBox.Place {
    fileprivate static func request(of id: String, _ scope: EnvironmentScope) -> SecretBox.Place {
        SecretBox.Place(table: "provider_webhook", column: "request", environmentID: scope.environmentID, row: id)
    }
}
