public import TerapiCore

extension SQLStorage: SyncStorage {
    public func settleSyncs(_ definitions: [SyncDefinition], in scope: EnvironmentScope, now: Timestamp) async throws {
        try await database.write { transaction in
            for definition in definitions {
                let connections = try transaction.query(
                    """
                    select c.id from connection c join integration i on i.id = c.integration_id
                    where i.environment_id = $1 and i.key = $2 and not exists (
                        select 1 from sync s where s.connection_id = c.id and s.name = $3 and s.variant = 'base')
                        and not exists (
                            select 1 from action_run a where a.connection_id = c.id and a.kind = 'event'
                                and a.state in ('waiting', 'running'))
                    """,
                    [SQLValue(scope), .text(definition.integrationKey), .text(definition.name)]
                ) { $0.integer(0) }
                for connectionID in connections {
                    try Self.addSync(
                        definition,
                        connectionID: connectionID,
                        environmentID: scope.environmentID,
                        now: now,
                        in: transaction
                    )
                }
            }
            let defined = Set(definitions.map { [$0.integrationKey, $0.name] })
            let known = try transaction.query(
                """
                select distinct i.key, s.name, i.id
                from sync s join connection c on c.id = s.connection_id join integration i on i.id = c.integration_id
                where s.environment_id = $1
                """,
                [SQLValue(scope)]
            ) { (key: $0.text(0), name: $0.text(1), integrationID: $0.integer(2)) }
            for sync in known {
                let values: [SQLValue] = [.integer(sync.integrationID), .text(sync.name)]
                if defined.contains([sync.key, sync.name]) {
                    // A started sync without a next run is one that was stopped here.
                    try transaction.run(
                        "update sync set next_run_at = $3 where state = 'started' and next_run_at is null and"
                            + Self.isOfIntegration,
                        values + [SQLValue(now)]
                    )
                } else {
                    // A run that is under way ends by itself, and tells what it has changed.
                    try transaction.run(
                        "update sync set next_run_at = null, run_requested_at = null where" + Self.isOfIntegration,
                        values
                    )
                }
            }
        }
    }

    public func reschedule(_ definitions: [SyncDefinition], in scope: EnvironmentScope, now: Timestamp) async throws {
        try await database.write { transaction in
            for definition in definitions {
                let lastStarts = try transaction.query(
                    """
                    select s.id, (select max(r.started_at) from sync_run r where r.sync_id = s.id and r.generation > 0)
                    from sync s join connection c on c.id = s.connection_id join integration i on i.id = c.integration_id
                    where s.environment_id = $1 and i.key = $2 and s.name = $3 and s.state = 'started'
                        and s.next_run_at is not null and s.frequency_override is null
                    """,
                    [SQLValue(scope), .text(definition.integrationKey), .text(definition.name)]
                ) { (id: $0.integer(0), start: $0.timestampIfPresent(1)) }
                try transaction.run(
                    "update sync set next_run_at = $2 where id = $1",
                    count: lastStarts.count
                ) { index, parameters in
                    let due = definition.frequency.due(after: lastStarts[index].start, now: now)
                    parameters.bind(lastStarts[index].id, at: 1)
                    parameters.bind(due.microseconds, at: 2)
                }
            }
        }
    }

    public func addSyncs(_ definitions: [SyncDefinition], to connectionID: Int64, now: Timestamp) async throws {
        try await database.write { transaction in
            let environmentID = try transaction.first(
                "select environment_id from connection where id = $1",
                [.integer(connectionID)]
            ) { $0.integer(0) }
            // Deleted meanwhile.
            guard let environmentID else { return }
            for definition in definitions {
                try Self.addSync(
                    definition,
                    connectionID: connectionID,
                    environmentID: environmentID,
                    now: now,
                    in: transaction
                )
            }
        }
    }

    public func syncs(connectionID: Int64) async throws -> [Sync] {
        try await database.read { snapshot in
            try snapshot.query(
                Self.selectSync + "where s.connection_id = $1 order by s.name, s.variant",
                [.integer(connectionID)],
                row: Self.sync
            )
        }
    }

    public func syncs(integrationKey: String, in scope: EnvironmentScope) async throws -> [Sync] {
        try await database.read { snapshot in
            try snapshot.query(
                Self.selectSync
                    + "where s.environment_id = $1 and i.key = $2 order by s.connection_id, s.name, s.variant",
                [SQLValue(scope), .text(integrationKey)],
                row: Self.sync
            )
        }
    }

    public func latestRun(syncID: Int64) async throws -> SyncRun? {
        try await database.read { snapshot in
            try Self.runs(
                "where sync_id = $1 and generation > 0 order by generation desc limit 1",
                [.integer(syncID)],
                in: snapshot
            ).first
        }
    }

    public func setState(_ state: Sync.State, syncID: Int64, nextRunAt: Timestamp?, now: Timestamp) async throws {
        try await database.write { transaction in
            try transaction.run(
                "update sync set state = $2, next_run_at = coalesce($3, next_run_at) where id = $1",
                [.integer(syncID), SQLValue(state), SQLValue(nextRunAt)]
            )
        }
    }

    public func setFrequencyOverride(_ text: String?, syncID: Int64, nextRunAt: Timestamp?) async throws {
        try await database.write { transaction in
            try transaction.run(
                "update sync set frequency_override = $2, next_run_at = coalesce($3, next_run_at) where id = $1",
                [.integer(syncID), SQLValue(text), SQLValue(nextRunAt)]
            )
        }
    }

    public func requestRun(
        syncID: Int64,
        reset: Bool,
        confirmsMassDeletion: Bool,
        now: Timestamp
    ) async throws {
        try await database.write { transaction in
            if reset {
                try Self.takeBackRun(ofSync: syncID, now: now, in: transaction)
                try transaction.run("delete from full_read where sync_id = $1", [.integer(syncID)])
                try transaction.run("delete from backfill where sync_id = $1", [.integer(syncID)])
                try transaction.run(
                    """
                    update sync set checkpoint = null, last_sync_at = null, failures = 0, requests_mass_deletion = 0
                    where id = $1
                    """,
                    [.integer(syncID)]
                )
            }
            let updated = try transaction.run(
                """
                update sync set run_requested_at = coalesce(run_requested_at, $2),
                    requests_mass_deletion = max(requests_mass_deletion, $3)
                where id = $1
                """,
                [.integer(syncID), SQLValue(now), SQLValue(confirmsMassDeletion)]
            )
            guard updated > 0 else { throw TerapiError(.unknownSync, "There is no such sync.") }
        }
    }

    public func claimRun(
        owner: String,
        leaseUntil: Timestamp,
        operationID: String,
        now: Timestamp
    ) async throws -> (sync: Sync, run: SyncRun)? {
        try await database.write { transaction in
            let id = try transaction.first(
                """
                with busy as (
                    select environment_id, connection_id from sync where running_run_id is not null
                ), due as (
                    select id, environment_id, connection_id, next_run_at as due_at from sync
                    where running_run_id is null and state = 'started' and next_run_at <= $1
                    union all
                    select id, environment_id, connection_id, run_requested_at from sync
                    where running_run_id is null and run_requested_at is not null
                )
                select id from due
                order by (select count(*) from busy where busy.environment_id = due.environment_id),
                    (select count(*) from busy where busy.connection_id = due.connection_id), due_at, id
                limit 1
                """,
                [SQLValue(now)]
            ) { $0.integer(0) }
            guard let id else { return nil }
            // The run's row needs the sync's new generation, and the sync needs the run's number.
            try transaction.run(
                """
                update sync set run_generation = run_generation + 1, run_requested_at = null, owner = $2,
                    lease_until = $3, confirms_mass_deletion = requests_mass_deletion, requests_mass_deletion = 0
                where id = $1
                """,
                [.integer(id), .text(owner), SQLValue(leaseUntil)]
            )
            let runID = try Self.insert(
                """
                insert into sync_run (sync_id, generation, is_initial, status, started_at, checkpoint_before,
                    operation_id)
                select id, run_generation, last_sync_at is null, 'RUNNING', $2, checkpoint, $3 from sync where id = $1
                returning id
                """,
                [.integer(id), SQLValue(now), .text(operationID)],
                in: transaction
            )
            try transaction.run(
                "update sync set running_run_id = $2 where id = $1",
                [.integer(id), .integer(runID)]
            )
            let sync = try transaction.first(Self.selectSync + "where s.id = $1", [.integer(id)], row: Self.sync)
            let run = try Self.runs("where id = $1", [.integer(runID)], in: transaction).first
            guard let sync, let run else {
                throw TerapiError(.serverError, "A run is gone in the transaction that began it.")
            }
            return (sync, run)
        }
    }

    public func nextDueAt() async throws -> Timestamp? {
        try await database.read { snapshot in
            try snapshot.first(
                """
                select min(at) from (
                    select min(next_run_at) as at from sync where running_run_id is null and state = 'started'
                    union all
                    select min(run_requested_at) from sync
                    where running_run_id is null and run_requested_at is not null
                )
                """
            ) { $0.timestampIfPresent(0) } ?? nil
        }
    }

    public func renewLease(_ run: RunFence, until: Timestamp) async throws -> Bool {
        try await database.write { transaction in
            try transaction.run(
                "update sync set lease_until = $4 where id = $1 and running_run_id = $2 and run_generation = $3",
                Self.values(of: run) + [SQLValue(until)]
            ) > 0
        }
    }

    public func checkpoint(syncID: Int64) async throws -> JSONValue? {
        try await database.read { snapshot in
            try snapshot.first(
                "select checkpoint from sync where id = $1 and checkpoint is not null",
                [.integer(syncID)]
            ) { try $0.json(0) }
        }
    }

    public func run(_ id: Int64) async throws -> SyncRun? {
        try await database.read { try Self.runs("where id = $1", [.integer(id)], in: $0).first }
    }

    public func endRun(_ run: RunFence, ending: RunEnding, events: [WebhookEvent], now: Timestamp) async throws {
        #if DEBUG
        if MissingGuard.chosen == .webhookAfterRun, !events.isEmpty {
            return try await endRunBeforeTelling(run, ending: ending, events: events, now: now)
        }
        #endif
        try await database.write { transaction in
            try Self.checkFence(run, in: transaction)
            try transaction.run(
                """
                update sync set running_run_id = null, owner = null, lease_until = null, next_run_at = $4,
                    failures = $5, confirms_mass_deletion = 0,
                    last_sync_at = case when $6 = 'SUCCESS'
                        then (select started_at from sync_run where id = $2) else last_sync_at end
                where id = $1 and run_generation = $3
                """,
                Self.values(of: run) + [
                    SQLValue(ending.nextRunAt), SQLValue(ending.failures), SQLValue(ending.status),
                ]
            )
            try transaction.run(
                "update sync_run set status = $2, ended_at = $3, error = $4 where id = $1",
                [.integer(run.runID), SQLValue(ending.status), SQLValue(now), SQLValue(ending.error)]
            )
            for event in events { try Self.insert(event, in: transaction) }
        }
    }

    public func beginWebhookRun(syncID: Int64, operationID: String, now: Timestamp) async throws -> SyncRun? {
        try await database.write { transaction in
            let known = try Self.runs(
                "where sync_id = $1 and generation < 0 and operation_id = $2",
                [.integer(syncID), .text(operationID)],
                in: transaction
            ).first
            if let known { return known }
            let id = try transaction.first(
                """
                insert into sync_run (sync_id, generation, is_initial, status, started_at, operation_id)
                select id, (select min(0, coalesce(min(generation), 0)) - 1 from sync_run where sync_id = $1), 0,
                    'RUNNING', $2, $3 from sync where id = $1
                returning id
                """,
                [.integer(syncID), SQLValue(now), .text(operationID)]
            ) { $0.integer(0) }
            return try id.flatMap { try Self.runs("where id = $1", [.integer($0)], in: transaction).first }
        }
    }

    public func distrustEvents(syncID: Int64, now: Timestamp) async throws {
        try await database.write { transaction in
            try transaction.run(
                """
                update sync set last_event_at = null,
                    next_run_at = case when state = 'started' and next_run_at > $2 then $2 else next_run_at end
                where id = $1 and last_event_at is not null
                """,
                [.integer(syncID), SQLValue(now)]
            )
        }
    }

    public func endWebhookRun(_ run: RunFence, events: [WebhookEvent]) async throws {
        try await database.write { transaction in
            let ended = try transaction.run(
                "delete from sync_run where id = $1 and generation < 0",
                [.integer(run.runID)]
            )
            // Deleted with its connection, or ended before.
            guard ended > 0 else { return }
            for event in events { try Self.insert(event, in: transaction) }
        }
    }

    public func interruptedRuns(
        notOwnedBy owner: String,
        now: Timestamp
    ) async throws -> [(sync: Sync, run: SyncRun)] {
        try await database.read { snapshot in
            let syncs = try snapshot.query(
                Self.selectSync
                    + """
                    where s.running_run_id is not null and (s.owner <> $1 or s.lease_until < $2) order by s.id
                    """,
                [.text(owner), SQLValue(now)],
                row: Self.sync
            )
            return try syncs.compactMap { sync in
                try Self.runs("where id = $1", [SQLValue(sync.runningRunID)], in: snapshot).first.map { (sync, $0) }
            }
        }
    }
}

extension SQLStorage {
    static func addSync(
        _ definition: SyncDefinition,
        connectionID: Int64,
        environmentID: Int64,
        now: Timestamp,
        in transaction: any Transaction
    ) throws {
        try transaction.run(
            """
            insert into sync (environment_id, connection_id, name, variant, state, next_run_at)
            values ($1, $2, $3, 'base', $4, $5) on conflict (connection_id, name, variant) do nothing
            """,
            [
                .integer(environmentID), .integer(connectionID), .text(definition.name),
                SQLValue(definition.startsAutomatically ? Sync.State.started : .paused),
                SQLValue(definition.startsAutomatically ? now : nil),
            ]
        )
    }

    /// Makes sure that no later run has begun and none begins before this transaction ends.
    static func checkFence(_ run: RunFence, in transaction: any Transaction) throws {
        let isHeld =
            run.isWebhook
            ? try transaction.exists(
                "select 1 from sync_run where sync_id = $1 and id = $2 and generation = $3",
                values(of: run)
            )
            : try transaction.run(
                "update sync set run_generation = $3 where id = $1 and running_run_id = $2 and run_generation = $3",
                values(of: run)
            ) > 0
        guard isHeld else {
            throw TerapiError(.staleRun, "This run was stopped, or another run of the sync has taken its place.")
        }
    }

    static func values(of run: RunFence) -> [SQLValue] {
        [.integer(run.syncID), .integer(run.runID), .integer(run.generation)]
    }

    private static let isOfIntegration: SQL =
        "name = $2 and connection_id in (select id from connection where integration_id = $1)"

    /// Ends the run in progress without asking it: from here on it cannot write.
    private static func takeBackRun(ofSync id: Int64, now: Timestamp, in transaction: any Transaction) throws {
        try transaction.run(
            """
            update sync_run set status = 'STOPPED', ended_at = $2
            where id = (select running_run_id from sync where id = $1)
            """,
            [.integer(id), SQLValue(now)]
        )
        try transaction.run(
            """
            update sync set run_generation = run_generation + 1, running_run_id = null, owner = null,
                lease_until = null, confirms_mass_deletion = 0
            where id = $1 and running_run_id is not null
            """,
            [.integer(id)]
        )
    }

    static let selectSync: SQL = """
        select s.id, s.environment_id, s.connection_id, i.key, s.name, s.variant, s.state, s.frequency_override,
            s.next_run_at, s.run_requested_at is not null, s.confirms_mass_deletion, s.run_generation,
            s.running_run_id, s.last_sync_at, s.checkpoint, s.failures, s.last_event_at
        from sync s join connection c on c.id = s.connection_id join integration i on i.id = c.integration_id
        """

    static func sync(_ row: any Row) throws -> Sync {
        Sync(
            id: row.integer(0),
            scope: EnvironmentScope(environmentID: row.integer(1)),
            connectionID: row.integer(2),
            integrationKey: row.text(3),
            name: row.text(4),
            variant: row.text(5),
            state: try row.value(6),
            frequencyOverride: row.textIfPresent(7),
            nextRunAt: row.timestampIfPresent(8),
            isRunRequested: row.bool(9),
            isMassDeletionConfirmed: row.bool(10),
            runGeneration: row.integer(11),
            runningRunID: row.integerIfPresent(12),
            lastSyncAt: row.timestampIfPresent(13),
            checkpoint: try row.jsonIfPresent(14),
            failures: Int(row.integer(15)),
            lastEventAt: row.timestampIfPresent(16)
        )
    }

    private static func runs(_ condition: SQL, _ values: [SQLValue], in snapshot: any Snapshot) throws -> [SyncRun] {
        var runs = try snapshot.query(
            """
            select id, sync_id, generation, is_initial, status, started_at, ended_at, first_change_at,
                checkpoint_before, error, operation_id
            from sync_run
            """ + condition,
            values
        ) { row in
            SyncRun(
                id: row.integer(0),
                syncID: row.integer(1),
                generation: row.integer(2),
                isInitial: row.bool(3),
                status: try row.value(4),
                startedAt: row.timestamp(5),
                endedAt: row.timestampIfPresent(6),
                counts: [:],
                firstChangeAt: row.timestampIfPresent(7),
                checkpointBefore: try row.jsonIfPresent(8),
                error: row.textIfPresent(9),
                operationID: row.text(10)
            )
        }
        try snapshot.forEach(
            "select model, added, updated, deleted, unchanged from sync_run_count where run_id = $1",
            count: runs.count,
            bind: { index, parameters in parameters.bind(runs[index].id, at: 1) },
            { index, row in
                runs[index].counts[row.text(0)] = ChangeCounts(
                    added: Int(row.integer(1)),
                    updated: Int(row.integer(2)),
                    deleted: Int(row.integer(3)),
                    unchanged: Int(row.integer(4))
                )
            }
        )
        return runs
    }
}
