public import TerapiCore

extension SQLStorage: ActionStorage {
    public func beginAction(
        _ run: ActionRun,
        key: IdempotencyKey?,
        owner: String,
        now: Timestamp
    ) async throws -> ActionBeginning {
        let input = try run.input.map { try box.seal($0, for: .input(of: run.id, run.scope)) }
        var hash: [UInt8]?
        if let key { hash = try await changeHash(environmentID: run.scope.environmentID).hash(key.request) }
        return try await database.write { [box, hash] transaction in
            let keyHash = key.map { sha256(Array($0.text.utf8)) }
            if let keyHash {
                let known = try transaction.first(
                    Self.selectAction + "where environment_id = $1 and idempotency_key = $2",
                    [SQLValue(run.scope), .blob(keyHash)]
                ) { row in
                    (
                        run: try Self.action(row, box: box), hash: row.bytes(11),
                        expiresAt: row.timestampIfPresent(12)
                    )
                }
                if let known, known.expiresAt.map({ $0 > now }) ?? true {
                    return known.hash == hash ? .known(known.run) : .otherRequest
                }
                if let known { try transaction.run("delete from action_run where id = $1", [.text(known.run.id)]) }
            }
            try Self.insert(
                run,
                input: input,
                keyHash: keyHash,
                requestHash: hash,
                owner: owner,
                now: now,
                in: transaction
            )
            return .begun
        }
    }

    public func claimActions(
        limit: Int,
        busy: [Int64: Int],
        owner: String,
        now: Timestamp
    ) async throws -> [ActionRun] {
        try await database.write { [box] transaction in
            var due: [(place: Int, at: Int64, id: String)] = []
            var environment = try Self.environmentWaiting(after: .min, in: transaction)
            while let current = environment {
                // Who has much at work comes after those who have little.
                var place = busy[current, default: 0]
                try transaction.forEach(
                    """
                    select next_attempt_at, id from action_run
                    where environment_id = $1 and state = 'waiting' and next_attempt_at <= $2
                    order by next_attempt_at, rowid limit $3
                    """,
                    [.integer(current), SQLValue(now), SQLValue(limit)]
                ) { row in
                    due.append((place, row.integer(0), row.text(1)))
                    place += 1
                }
                environment = try Self.environmentWaiting(after: current, in: transaction)
            }
            let order = due.enumerated().sorted { left, right in
                (left.element.place, left.element.at, left.offset)
                    < (right.element.place, right.element.at, right.offset)
            }
            let taken = order.prefix(limit).map(\.element.id)
            try transaction.run(
                """
                update action_run set state = 'running', owner = $2, attempts = attempts + 1, next_attempt_at = null
                where id = $1
                """,
                count: taken.count
            ) { index, parameters in
                parameters.bind(taken[index], at: 1)
                parameters.bind(owner, at: 2)
            }
            var runs: [ActionRun] = []
            try transaction.forEach(
                Self.selectAction + "where id = $1",
                count: taken.count,
                bind: { index, parameters in parameters.bind(taken[index], at: 1) },
                { _, row in runs.append(try Self.action(row, box: box)) }
            )
            return runs
        }
    }

    public func nextActionAt() async throws -> Timestamp? {
        try await database.read { snapshot in
            var earliest: Timestamp?
            var environment = try Self.environmentWaiting(after: .min, in: snapshot)
            while let current = environment {
                let next =
                    try snapshot.first(
                        "select min(next_attempt_at) from action_run where environment_id = $1 and state = 'waiting'",
                        [.integer(current)]
                    ) { $0.timestampIfPresent(0) } ?? nil
                earliest = [earliest, next].compactMap(\.self).min()
                environment = try Self.environmentWaiting(after: current, in: snapshot)
            }
            return earliest
        }
    }

    public func noteActionSends(_ id: String) async throws {
        try await database.write { transaction in
            let noted = try transaction.run(
                "update action_run set has_sent = 1 where id = $1 and state = 'running'",
                [.text(id)]
            )
            guard noted > 0 else { throw TerapiError(.staleRun, "The run has ended, or its connection was deleted.") }
        }
    }

    public func keepSendingAction(_ run: ActionRun, owner: String) async throws {
        try await database.write { transaction in
            if try transaction.exists("select 1 from action_run where id = $1", [.text(run.id)]) { return }
            guard try transaction.exists("select 1 from connection where id = $1", [.integer(run.connectionID)]) else {
                throw TerapiError(.staleRun, "The connection was deleted.")
            }
            var run = run
            run.hasSent = true
            try Self.insert(run, owner: owner, now: run.createdAt, in: transaction)
        }
    }

    public func forgetAction(_ id: String) async throws {
        try await database.write { transaction in
            try transaction.run("delete from action_run where id = $1", [.text(id)])
        }
    }

    public func endAction(
        _ id: String,
        _ state: ActionRun.State,
        answer: [UInt8]?,
        event: WebhookEvent?,
        now: Timestamp
    ) async throws {
        try await database.write { [box] transaction in
            let scope = try transaction.first(
                "select environment_id from action_run where id = $1 and state = 'running'",
                [.text(id)]
            ) { EnvironmentScope(environmentID: $0.integer(0)) }
            guard let scope else { return }
            let sealed = try answer.map { try box.seal($0, for: .answer(of: id, scope)) }
            // What was asked is not needed any more.
            try transaction.run(
                """
                update action_run set state = $2, answer = $3, input = null, owner = null, ended_at = $4,
                    expires_at = $5
                where id = $1
                """,
                [
                    .text(id), SQLValue(state), SQLValue(sealed), SQLValue(now),
                    SQLValue(now + ActionRun.retention),
                ]
            )
            if let event { try Self.insert(event, in: transaction) }
        }
    }

    public func postponeAction(_ id: String, until moment: Timestamp) async throws {
        try await database.write { transaction in
            try transaction.run(
                """
                update action_run set state = 'waiting', owner = null, has_sent = 0, next_attempt_at = $2
                where id = $1 and state = 'running'
                """,
                [.text(id), SQLValue(moment)]
            )
        }
    }

    public func removeAction(_ id: String) async throws {
        try await database.write { transaction in
            try transaction.run("delete from action_run where id = $1 and has_sent = 0", [.text(id)])
        }
    }

    public func action(_ id: String, in scope: EnvironmentScope, now: Timestamp) async throws -> ActionRun? {
        try await database.read { [box] snapshot in
            try snapshot.first(
                Self.selectAction
                    + "where environment_id = $1 and id = $2 and kind not in ('event', 'webhook')"
                    + "and coalesce(expires_at > $3, 1)",
                [SQLValue(scope), .text(id), SQLValue(now)]
            ) { try Self.action($0, box: box) }
        }
    }

    public func interruptedActions(notOwnedBy owner: String) async throws -> [ActionRun] {
        try await database.read { [box] snapshot in
            try snapshot.query(
                Self.selectAction + "where state = 'running' and owner <> $1 order by created_at, id",
                [.text(owner)]
            ) { try Self.action($0, box: box) }
        }
    }

    public func removeExpiredActions(now: Timestamp) async throws {
        try await database.write { transaction in
            try transaction.run("delete from action_run where expires_at <= $1", [SQLValue(now)])
        }
    }

    public func scriptCheckpoint(_ script: ScriptPlace) async throws -> (value: JSONValue?, version: Int64) {
        try await database.read { snapshot in
            try snapshot.first(
                """
                select value, version from script_checkpoint where connection_id = $1 and kind = $2 and name = $3
                """,
                [.integer(script.connectionID), SQLValue(script.kind), .text(script.name)]
            ) { row in (value: try row.jsonIfPresent(0), version: row.integer(1)) } ?? (value: nil, version: 0)
        }
    }

    public func setScriptCheckpoint(
        _ value: JSONValue?,
        of script: ScriptPlace,
        over version: Int64
    ) async throws -> Int64? {
        try await database.write { transaction in
            let written = try transaction.run(
                """
                insert into script_checkpoint (connection_id, kind, name, value, version)
                select id, $2, $3, $4, $5 + 1 from connection where id = $1
                on conflict (connection_id, kind, name) do update set value = excluded.value, version = excluded.version
                    where script_checkpoint.version = $5
                """,
                [
                    .integer(script.connectionID), SQLValue(script.kind), .text(script.name), SQLValue(value),
                    .integer(version),
                ]
            )
            return written > 0 ? version + 1 : nil
        }
    }
}

extension SQLStorage {
    /// Keeps a run: one that waits is due at once.
    /// - Parameters:
    ///   - input: sealed.
    ///   - owner: of a run that is at work from the beginning.
    static func insert(
        _ run: ActionRun,
        input: [UInt8]? = nil,
        keyHash: [UInt8]? = nil,
        requestHash: [UInt8]? = nil,
        owner: String? = nil,
        now: Timestamp,
        in transaction: any Transaction
    ) throws {
        try transaction.run(
            """
            insert into action_run (id, environment_id, connection_id, kind, name, state, input, attempts,
                max_retries, has_sent, next_attempt_at, owner, idempotency_key, request_hash, created_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
            """,
            [
                .text(run.id), SQLValue(run.scope), .integer(run.connectionID), SQLValue(run.kind),
                .text(run.name), SQLValue(run.state), SQLValue(input), SQLValue(run.attempts),
                SQLValue(run.maxRetries), SQLValue(run.hasSent), SQLValue(run.state == .waiting ? now : nil),
                SQLValue(run.state == .running ? owner : nil), SQLValue(keyHash), SQLValue(requestHash),
                SQLValue(run.createdAt),
            ]
        )
    }

    /// The environment after this one in which something waits: by the index, however much waits in each.
    private static func environmentWaiting(after id: Int64, in snapshot: any Snapshot) throws -> Int64? {
        try snapshot.first(
            "select min(environment_id) from action_run where state = 'waiting' and environment_id > $1",
            [.integer(id)]
        ) { $0.integerIfPresent(0) } ?? nil
    }

    private static let selectAction: SQL = """
        select id, environment_id, connection_id, kind, name, state, input, answer, attempts, max_retries, has_sent,
            request_hash, expires_at, created_at
        from action_run
        """

    private static func action(_ row: any Row, box: SecretBox) throws -> ActionRun {
        let id = row.text(0)
        let scope = EnvironmentScope(environmentID: row.integer(1))
        return ActionRun(
            id: id,
            scope: scope,
            connectionID: row.integer(2),
            kind: try row.value(3),
            name: row.text(4),
            state: try row.value(5),
            input: try row.bytesIfPresent(6).map { try box.open($0, for: .input(of: id, scope)) },
            answer: try row.bytesIfPresent(7).map { try box.open($0, for: .answer(of: id, scope)) },
            attempts: Int(row.integer(8)),
            maxRetries: Int(row.integer(9)),
            hasSent: row.bool(10),
            createdAt: row.timestamp(13)
        )
    }
}

extension SecretBox.Place {
    static func input(of id: String, _ scope: EnvironmentScope) -> SecretBox.Place {
        SecretBox.Place(table: "action_run", column: "input", environmentID: scope.environmentID, row: id)
    }

    fileprivate static func answer(of id: String, _ scope: EnvironmentScope) -> SecretBox.Place {
        SecretBox.Place(table: "action_run", column: "answer", environmentID: scope.environmentID, row: id)
    }
}
