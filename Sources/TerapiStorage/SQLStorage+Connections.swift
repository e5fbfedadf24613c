public import TerapiCore

extension SQLStorage: ConnectionStorage {
    public func save(
        _ connection: Connection,
        replacing: ReplaceableConnection,
        credentials: Credentials,
        syncs: [SyncDefinition],
        now: Timestamp,
        event: @escaping @Sendable (_ stored: Connection, _ isNew: Bool) -> WebhookEvent?,
        scripts: @escaping @Sendable (_ stored: Connection) -> ActionRun?
    ) async throws -> Connection {
        try await database.write { [box] transaction in
            let known = try transaction.first(
                "select id, end_user_id from connection where integration_id = $1 and connection_id = $2",
                [.integer(connection.integrationID), .text(connection.connectionID)]
            ) { (row: $0.integer(0), owner: $0.textIfPresent(1)) }
            let row: Int64
            if let known {
                guard replacing.includes(owner: known.owner) else { throw TerapiError.connectionIDTaken }
                row = known.row
                try Self.update(connection, row: row, now: now, in: transaction)
            } else {
                row = try Self.insert(connection, now: now, in: transaction)
            }
            try Self.replaceCredentials(
                credentials,
                row: row,
                environmentID: connection.scope.environmentID,
                box: box,
                now: now,
                in: transaction
            )
            try transaction.run(
                "delete from connection_error where connection_id = $1 and kind = 'auth'",
                [.integer(row)]
            )
            for sync in syncs {
                try Self.addSync(
                    sync,
                    connectionID: row,
                    environmentID: connection.scope.environmentID,
                    now: now,
                    in: transaction
                )
            }
            guard let stored = try Self.connections("where c.id = $1", [.integer(row)], in: transaction).first else {
                throw TerapiError(.serverError, "A connection is gone in the transaction that stored it.")
            }
            if let event = event(stored, known == nil) { try Self.insert(event, in: transaction) }
            if let run = scripts(stored) { try Self.insert(run, now: now, in: transaction) }
            return stored
        }
    }

    public func connection(
        _ connectionID: String,
        integrationKey: String,
        in scope: EnvironmentScope
    ) async throws -> Connection? {
        try await database.read { snapshot in
            try Self.connections(
                "where c.environment_id = $1 and i.key = $2 and c.connection_id = $3",
                [SQLValue(scope), .text(integrationKey), .text(connectionID)],
                in: snapshot
            ).first
        }
    }

    public func connection(row: Int64) async throws -> Connection? {
        try await database.read { try Self.connections("where c.id = $1", [.integer(row)], in: $0).first }
    }

    public func connections(_ filter: ConnectionFilter, in scope: EnvironmentScope) async throws -> [Connection] {
        // Tags and a list of integrations have no fixed number of placeholders: they are checked on the way out.
        let filtersOutside = !filter.tags.isEmpty || !filter.integrationKeys.isEmpty
        let offset = filter.limit * filter.page
        return try await database.read { snapshot in
            let found = try Self.connections(
                """
                where c.environment_id = $1
                    and ($2 is null or c.connection_id = $2)
                    and ($3 is null or c.end_user_id = $3)
                    and ($4 is null or c.end_user_organization_id = $4)
                    and ($5 is null or instr(lower(c.connection_id), lower($5)) > 0
                        or instr(lower(coalesce(c.end_user_id, '')), lower($5)) > 0
                        or instr(lower(coalesce(c.end_user_display_name, '')), lower($5)) > 0
                        or instr(lower(coalesce(c.end_user_email, '')), lower($5)) > 0)
                order by c.created_at desc, c.id desc limit $6 offset $7
                """,
                [
                    SQLValue(scope), SQLValue(filter.connectionID), SQLValue(filter.endUserID),
                    SQLValue(filter.endUserOrganizationID), SQLValue(filter.search),
                    SQLValue(filtersOutside ? Int.max : filter.limit), SQLValue(filtersOutside ? 0 : offset),
                ],
                in: snapshot
            ) { connection in
                (filter.integrationKeys.isEmpty || filter.integrationKeys.contains(connection.integrationKey))
                    && filter.tags.allSatisfy { connection.tags[$0.key] == $0.value }
            }
            return filtersOutside ? Array(found.dropFirst(offset).prefix(filter.limit)) : found
        }
    }

    public func updateSettings(of connection: Connection, now: Timestamp) async throws {
        try await database.write { transaction in
            try transaction.run(
                """
                update connection set tags = $3, webhook_url_override = $4, updated_at = $5, end_user_id = $6,
                    end_user_email = $7, end_user_display_name = $8, end_user_tags = $9,
                    end_user_organization_id = $10, end_user_organization_display_name = $11
                where id = $1 and environment_id = $2
                """,
                [
                    .integer(connection.id), SQLValue(connection.scope), SQLValue(connection.tags),
                    SQLValue(connection.webhookURLOverride), SQLValue(now),
                ] + Self.values(of: connection.endUser)
            )
        }
    }

    public func setMetadata(
        _ metadata: JSONObject,
        merge: Bool,
        connectionIDs: [String],
        integrationKey: String,
        in scope: EnvironmentScope,
        now: Timestamp
    ) async throws {
        try await database.write { transaction in
            for connectionID in connectionIDs {
                let stored = try transaction.first(
                    """
                    select c.id, c.metadata from connection c join integration i on i.id = c.integration_id
                    where c.environment_id = $1 and i.key = $2 and c.connection_id = $3
                    """,
                    [SQLValue(scope), .text(integrationKey), .text(connectionID)]
                ) { row in (id: row.integer(0), metadata: try row.jsonIfPresent(1)?.object ?? [:]) }
                guard let stored else {
                    throw TerapiError(
                        .unknownConnection,
                        "There is no connection \"\(connectionID)\" of the integration \"\(integrationKey)\"."
                    )
                }
                try transaction.run(
                    "update connection set metadata = $2, updated_at = $3 where id = $1",
                    [
                        .integer(stored.id), SQLValue(merge ? stored.metadata.merging(metadata) : metadata),
                        SQLValue(now),
                    ]
                )
            }
        }
    }

    public func setConfig(_ config: JSONObject, row: Int64, now: Timestamp) async throws {
        try await database.write { transaction in
            try transaction.run(
                "update connection set config = $2, updated_at = $3 where id = $1",
                [.integer(row), SQLValue(config), SQLValue(now)]
            )
        }
    }

    public func setError(
        _ kind: ConnectionError.Kind,
        subject: String,
        operationID: String?,
        row: Int64
    ) async throws {
        try await database.write { transaction in
            guard let operationID else {
                try transaction.run(
                    "delete from connection_error where connection_id = $1 and kind = $2 and subject = $3",
                    [.integer(row), SQLValue(kind), .text(subject)]
                )
                return
            }
            try Self.setError(kind, subject: subject, operationID: operationID, row: row, in: transaction)
        }
    }

    public func deleteConnection(
        _ connectionID: String,
        integrationKey: String,
        in scope: EnvironmentScope
    ) async throws -> Bool {
        try await database.write { transaction in
            try transaction.run(
                """
                delete from connection where environment_id = $1 and connection_id = $3
                    and integration_id = (select id from integration where environment_id = $1 and key = $2)
                """,
                [SQLValue(scope), .text(integrationKey), .text(connectionID)]
            ) > 0
        }
    }
}

extension SQLStorage {
    /// Notes a standing problem; one that is known keeps its place and names the newer operation.
    static func setError(
        _ kind: ConnectionError.Kind,
        subject: String,
        operationID: String,
        row: Int64,
        in transaction: any Transaction
    ) throws {
        try transaction.run(
            """
            insert into connection_error (connection_id, kind, subject, operation_id)
            select id, $2, $3, $4 from connection where id = $1
            on conflict (connection_id, kind, subject) do update set operation_id = excluded.operation_id
            """,
            [.integer(row), SQLValue(kind), .text(subject), .text(operationID)]
        )
    }

    private static func insert(
        _ connection: Connection,
        now: Timestamp,
        in transaction: any Transaction
    ) throws -> Int64 {
        try insert(
            """
            insert into connection (environment_id, integration_id, connection_id, config, metadata, tags,
                webhook_url_override, created_at, updated_at, last_fetched_at, end_user_id, end_user_email,
                end_user_display_name, end_user_tags, end_user_organization_id, end_user_organization_display_name)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) returning id
            """,
            [
                SQLValue(connection.scope), .integer(connection.integrationID), .text(connection.connectionID),
                SQLValue(connection.config), SQLValue(connection.metadata), SQLValue(connection.tags),
                SQLValue(connection.webhookURLOverride), SQLValue(now), SQLValue(now),
                SQLValue(connection.lastFetchedAt),
            ] + values(of: connection.endUser),
            in: transaction
        )
    }

    /// Connecting again brings a configuration; what the team has added stays unless it is given anew.
    private static func update(
        _ connection: Connection,
        row: Int64,
        now: Timestamp,
        in transaction: any Transaction
    ) throws {
        try transaction.run(
            """
            update connection set config = $2, metadata = coalesce($3, metadata), updated_at = $4,
                webhook_url_override = coalesce($5, webhook_url_override)
            where id = $1
            """,
            [
                .integer(row), SQLValue(connection.config), SQLValue(connection.metadata), SQLValue(now),
                SQLValue(connection.webhookURLOverride),
            ]
        )
        if !connection.tags.isEmpty {
            try transaction.run(
                "update connection set tags = $2 where id = $1",
                [.integer(row), SQLValue(connection.tags)]
            )
        }
        if connection.endUser != nil {
            try transaction.run(
                """
                update connection set end_user_id = $2, end_user_email = $3, end_user_display_name = $4,
                    end_user_tags = $5, end_user_organization_id = $6, end_user_organization_display_name = $7
                where id = $1
                """,
                [.integer(row)] + values(of: connection.endUser)
            )
        }
    }

    private static func values(of endUser: EndUser?) -> [SQLValue] {
        [
            SQLValue(endUser?.id), SQLValue(endUser?.email), SQLValue(endUser?.displayName),
            endUser.map { SQLValue($0.tags) } ?? .null, SQLValue(endUser?.organizationID),
            SQLValue(endUser?.organizationDisplayName),
        ]
    }

    private static let selectConnection: SQL = """
        select c.id, c.environment_id, c.integration_id, c.connection_id, i.key, i.provider, c.config, c.metadata,
            c.tags, c.webhook_url_override, c.created_at, c.updated_at, c.last_fetched_at, c.end_user_id,
            c.end_user_email, c.end_user_display_name, c.end_user_tags, c.end_user_organization_id,
            c.end_user_organization_display_name
        from connection c join integration i on i.id = c.integration_id
        """

    /// Connections with their standing problems.
    static func connections(
        _ condition: SQL,
        _ values: [SQLValue],
        in snapshot: any Snapshot,
        where isIncluded: (Connection) -> Bool = { _ in true }
    ) throws -> [Connection] {
        var found: [Connection] = []
        try snapshot.forEach(selectConnection + condition, values) { row in
            let connection = try connection(row)
            if isIncluded(connection) { found.append(connection) }
        }
        try snapshot.forEach(
            "select kind, operation_id, subject from connection_error where connection_id = $1 order by kind, subject",
            count: found.count,
            bind: { index, parameters in parameters.bind(found[index].id, at: 1) },
            { index, row in
                let error = ConnectionError(kind: try row.value(0), operationID: row.text(1), subject: row.text(2))
                found[index].errors.append(error)
            }
        )
        return found
    }

    private static func connection(_ row: any Row) throws -> Connection {
        Connection(
            id: row.integer(0),
            scope: EnvironmentScope(environmentID: row.integer(1)),
            integrationID: row.integer(2),
            connectionID: row.text(3),
            integrationKey: row.text(4),
            provider: row.text(5),
            config: try row.json(6).object ?? [:],
            metadata: try row.jsonIfPresent(7)?.object,
            tags: try row.json(8).strings,
            endUser: row.isNull(13)
                ? nil
                : EndUser(
                    id: row.text(13),
                    email: row.textIfPresent(14),
                    displayName: row.textIfPresent(15),
                    tags: try row.jsonIfPresent(16)?.strings ?? [:],
                    organizationID: row.textIfPresent(17),
                    organizationDisplayName: row.textIfPresent(18)
                ),
            webhookURLOverride: row.textIfPresent(9),
            createdAt: row.timestamp(10),
            updatedAt: row.timestamp(11),
            lastFetchedAt: row.timestampIfPresent(12)
        )
    }
}
