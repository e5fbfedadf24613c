public import TerapiCore

/// Registrations of our addresses at providers.
extension SQLStorage {
    public func createSubscription(_ subscription: WebhookSubscription) async throws -> WebhookSubscription {
        let hash = sha256(Array(subscription.token.reveal().utf8))
        return try await database.write { [box] transaction in
            let id = try Self.insert(
                """
                insert into webhook_subscription (environment_id, integration_id, connection_id, token_hash, external_id,
                    document, is_ours, state, error, expires_at, renew_at, failures, created_at)
                values ($1, $2, $3, $4, null, x'', $5, $6, null, null, null, 0, $7)
                returning id
                """,
                [
                    SQLValue(subscription.scope), .integer(subscription.integrationID),
                    SQLValue(subscription.connectionID), .blob(hash), SQLValue(subscription.isOurs),
                    SQLValue(subscription.state), SQLValue(subscription.createdAt),
                ],
                in: transaction
            )
            var stored = subscription
            stored.id = id
            try Self.update(stored, box: box, in: transaction)
            return stored
        }
    }

    public func updateSubscription(_ subscription: WebhookSubscription) async throws {
        try await database.write { [box] in try Self.update(subscription, box: box, in: $0) }
    }

    public func deleteSubscription(_ id: Int64) async throws {
        try await database.write { transaction in
            try transaction.run("delete from webhook_subscription where id = $1", [.integer(id)])
        }
    }

    public func subscription(_ id: Int64) async throws -> WebhookSubscription? {
        try await subscriptions("where s.id = $1", [.integer(id)]).first
    }

    public func subscription(token: Secret) async throws -> WebhookSubscription? {
        try await subscriptions("where s.token_hash = $1", [.blob(sha256(Array(token.reveal().utf8)))]).first
    }

    public func subscriptions(externalID: String, integrationID: Int64) async throws -> [WebhookSubscription] {
        try await subscriptions(
            "where s.integration_id = $1 and s.external_id = $2 order by s.id",
            [.integer(integrationID), .text(externalID)]
        )
    }

    public func subscriptions(integrationID: Int64, connectionID: Int64?) async throws -> [WebhookSubscription] {
        try await subscriptions(
            "where s.integration_id = $1 and s.connection_id is $2 order by s.id",
            [.integer(integrationID), SQLValue(connectionID)]
        )
    }

    public func subscriptions(in scope: EnvironmentScope) async throws -> [WebhookSubscription] {
        try await subscriptions("where s.environment_id = $1 order by s.id", [SQLValue(scope)])
    }

    public func subscriptionsToRenew(before moment: Timestamp, limit: Int) async throws -> [WebhookSubscription] {
        try await subscriptions(
            "where s.renew_at <= $1 order by s.renew_at limit $2", [SQLValue(moment), SQLValue(limit)])
    }

    public func nextRenewalAt() async throws -> Timestamp? {
        try await database.read { snapshot in
            try snapshot.first("select min(renew_at) from webhook_subscription where renew_at is not null") {
                $0.timestampIfPresent(0)
            } ?? nil
        }
    }

    private func subscriptions(_ condition: SQL, _ values: [SQLValue]) async throws -> [WebhookSubscription] {
        try await database.read { [box] snapshot in
            try snapshot.query(Self.selectSubscription + condition, values) { try Self.subscription($0, box: box) }
        }
    }

    private static func update(
        _ subscription: WebhookSubscription,
        box: SecretBox,
        in transaction: any Transaction
    ) throws {
        let document: JSONValue = [
            "token": .string(subscription.token.reveal()),
            "secret": JSONValue(subscription.secret),
            "params": .object(subscription.params),
            "answer": subscription.answer ?? .null,
        ]
        let sealed = try box.seal(document.encoded(), for: .subscription(subscription.id, subscription.scope))
        try transaction.run(
            """
            update webhook_subscription set external_id = $2, document = $3, state = $4, error = $5, expires_at = $6,
                renew_at = $7, failures = $8
            where id = $1
            """,
            [
                .integer(subscription.id), SQLValue(subscription.externalID), .blob(sealed),
                SQLValue(subscription.state), SQLValue(subscription.error), SQLValue(subscription.expiresAt),
                SQLValue(subscription.renewAt), SQLValue(subscription.failures),
            ]
        )
    }

    private static let selectSubscription: SQL = """
        select s.id, s.environment_id, s.integration_id, i.key, s.connection_id, c.connection_id, s.external_id,
            s.document, s.is_ours, s.state, s.error, s.expires_at, s.renew_at, s.failures, s.created_at
        from webhook_subscription s join integration i on i.id = s.integration_id
            left join connection c on c.id = s.connection_id
        """

    private static func subscription(_ row: any Row, box: SecretBox) throws -> WebhookSubscription {
        let id = row.integer(0)
        let scope = EnvironmentScope(environmentID: row.integer(1))
        let document = try storedJSON(try box.open(row.bytes(7), for: .subscription(id, scope)))
        return WebhookSubscription(
            id: id,
            scope: scope,
            integrationID: row.integer(2),
            integrationKey: row.text(3),
            connectionID: row.integerIfPresent(4),
            connectionName: row.textIfPresent(5),
            token: Secret(document["token"]?.string ?? ""),
            externalID: row.textIfPresent(6),
            secret: document["secret"]?.string.map { Secret($0) },
            params: document["params"]?.object ?? [:],
            answer: document["answer"].flatMap { $0.isNull ? nil : $0 },
            isOurs: row.bool(8),
            state: try row.value(9),
            error: row.textIfPresent(10),
            expiresAt: row.timestampIfPresent(11),
            renewAt: row.timestampIfPresent(12),
            failures: Int(row.integer(13)),
            createdAt: row.timestamp(14)
        )
    }
}

extension SecretBox.Place {
    fileprivate static func subscription(_ id: Int64, _ scope: EnvironmentScope) -> SecretBox.Place {
        SecretBox.Place(
            table: "webhook_subscription", column: "document", environmentID: scope.environmentID, row: String(id))
    }
}
