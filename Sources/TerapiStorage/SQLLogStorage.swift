public import TerapiCore

/// The logs, in a database of their own: writing them never waits for records, and they may be flushed more lazily.
public final class SQLLogStorage: LogStorage {
    private let database: any Database

    /// Brings the database to this version's schema.
    /// - Throws: `storage_unavailable` when a newer version has written the data.
    public init(_ database: any Database, now: Timestamp) async throws {
        try await Migrator.logs.run(on: database, now: now)
        self.database = database
    }

    /// Waits for what is running and closes the database.
    public func close() async {
        await database.close()
    }

    public func append(operations: [LogOperation], messages: [LogMessage]) async throws {
        try await database.write { transaction in
            for operation in operations {
                try transaction.run(
                    """
                    insert into log_operation (id, environment_id, kind, state, message, integration_key, connection_id,
                        subject, created_at, ended_at)
                    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                    on conflict (id) do update set environment_id = excluded.environment_id, kind = excluded.kind,
                        state = excluded.state, message = excluded.message, integration_key = excluded.integration_key,
                        connection_id = excluded.connection_id, subject = excluded.subject,
                        created_at = excluded.created_at, ended_at = excluded.ended_at
                    """,
                    [
                        .text(operation.id), SQLValue(operation.scope), SQLValue(operation.kind),
                        SQLValue(operation.state), .text(operation.message), SQLValue(operation.integrationKey),
                        SQLValue(operation.connectionID), SQLValue(operation.subject),
                        SQLValue(operation.createdAt), SQLValue(operation.endedAt),
                    ]
                )
            }
            try transaction.run(
                """
                insert into log_message (operation_id, level, is_from_script, message, meta, created_at)
                values ($1, $2, $3, $4, $5, $6)
                """,
                count: messages.count
            ) { index, parameters in
                let message = messages[index]
                parameters.bind(message.operationID, at: 1)
                parameters.bind(message.level.rawValue, at: 2)
                parameters.bind(message.isFromScript ? 1 : 0, at: 3)
                parameters.bind(message.message, at: 4)
                parameters.bind(JSONValue.object(message.meta).text(), at: 5)
                parameters.bind(message.createdAt.microseconds, at: 6)
            }
        }
    }

    public func endInterrupted(now: Timestamp) async throws {
        try await database.write { transaction in
            try transaction.run(
                """
                insert into log_message (operation_id, level, is_from_script, message, meta, created_at)
                select id, 'error', 0, 'The server ended before this came to its end.', '{}', $1
                from log_operation where state = 'running' and kind <> 'sync:run'
                """,
                [SQLValue(now)]
            )
            try transaction.run(
                """
                update log_operation set state = 'failed', ended_at = $1
                where state = 'running' and kind <> 'sync:run'
                """,
                [SQLValue(now)]
            )
        }
    }

    public func operations(_ filter: LogFilter, in scope: EnvironmentScope) async throws -> [LogOperation] {
        try await database.read { snapshot in
            var found: [LogOperation] = []
            // Kinds and states have no fixed number of placeholders: rows are read in chunks and checked on the way
            // out, until the page is full.
            var offset = 0
            let chunk = max(filter.limit, 200)
            var isAtEnd = false
            while found.count < filter.limit, !isAtEnd {
                var rows = 0
                try snapshot.forEach(
                    Self.selectOperation
                        + """
                        where environment_id = $1
                            and ($2 is null or integration_key = $2) and ($3 is null or connection_id = $3)
                            and ($4 is null or instr(lower(message), lower($4)) > 0)
                            and created_at > $5 and created_at < $6
                        order by created_at desc, id limit $7 offset $8
                        """,
                    [
                        SQLValue(scope), SQLValue(filter.integrationKey), SQLValue(filter.connectionID),
                        SQLValue(filter.search), .integer(filter.after?.microseconds ?? .min),
                        .integer(filter.before?.microseconds ?? .max), SQLValue(chunk), SQLValue(offset),
                    ]
                ) { row in
                    rows += 1
                    let operation = try Self.operation(row)
                    if filter.kinds.isEmpty || filter.kinds.contains(operation.kind),
                        filter.states.isEmpty || filter.states.contains(operation.state)
                    {
                        found.append(operation)
                    }
                }
                offset += rows
                isAtEnd = rows < chunk
            }
            return Array(found.prefix(filter.limit))
        }
    }

    public func operation(_ id: String, in scope: EnvironmentScope) async throws -> LogOperation? {
        try await database.read { snapshot in
            try snapshot.first(
                Self.selectOperation + "where id = $1 and environment_id = $2",
                [.text(id), SQLValue(scope)],
                row: Self.operation
            )
        }
    }

    public func messages(
        operationID: String,
        after: Int64?,
        limit: Int
    ) async throws -> [(id: Int64, message: LogMessage)] {
        try await database.read { snapshot in
            try snapshot.query(
                Self.selectMessage + "where operation_id = $1 and id > $2 order by id limit $3",
                [.text(operationID), .integer(after ?? 0), SQLValue(limit)],
                row: Self.message
            )
        }
    }

    public func messages(after id: Int64, limit: Int) async throws -> [(id: Int64, message: LogMessage)] {
        try await database.read { snapshot in
            try snapshot.query(
                Self.selectMessage + "where id > $1 order by id limit $2",
                [.integer(id), SQLValue(limit)],
                row: Self.message
            )
        }
    }

    private static let selectOperation: SQL = """
        select id, environment_id, kind, state, message, integration_key, connection_id, subject, created_at, ended_at
        from log_operation
        """

    private static func operation(_ row: any Row) throws -> LogOperation {
        LogOperation(
            id: row.text(0),
            scope: EnvironmentScope(environmentID: row.integer(1)),
            kind: try row.value(2),
            state: try row.value(3),
            message: row.text(4),
            integrationKey: row.textIfPresent(5),
            connectionID: row.textIfPresent(6),
            subject: row.textIfPresent(7),
            createdAt: row.timestamp(8),
            endedAt: row.timestampIfPresent(9)
        )
    }

    private static let selectMessage: SQL =
        "select id, operation_id, level, is_from_script, message, meta, created_at from log_message"

    private static func message(_ row: any Row) throws -> (id: Int64, message: LogMessage) {
        (
            row.integer(0),
            LogMessage(
                operationID: row.text(1),
                level: try row.value(2),
                isFromScript: row.bool(3),
                message: row.text(4),
                meta: try row.json(5).object ?? [:],
                createdAt: row.timestamp(6)
            )
        )
    }
}
