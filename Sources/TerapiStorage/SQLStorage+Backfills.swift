public import TerapiCore

extension SQLStorage {
    public func backfill(syncID: Int64) async throws -> Backfill? {
        try await database.read { try Self.backfill(syncID: syncID, in: $0) }
    }

    public func note(_ backfill: Backfill, run: RunFence, event: WebhookEvent?) async throws -> Bool {
        try await database.write { transaction in
            try Self.checkFence(run, in: transaction)
            let known = try Self.backfill(syncID: run.syncID, in: transaction)
            // Told once; a run that is repeated finds it done.
            guard known?.finishedAt == nil else { return false }
            try transaction.run(
                """
                insert into backfill (sync_id, from_at, until_at, reached_at, windows, windows_done, started_at,
                    finished_at)
                values ($1, $2, $3, $4, $5, $6, $7, $8)
                on conflict (sync_id) do update set from_at = excluded.from_at, until_at = excluded.until_at,
                    reached_at = excluded.reached_at, windows = excluded.windows,
                    windows_done = excluded.windows_done, finished_at = excluded.finished_at
                """,
                [
                    .integer(run.syncID), SQLValue(backfill.from), SQLValue(backfill.until), SQLValue(backfill.reached),
                    SQLValue(backfill.windows), SQLValue(backfill.windowsDone), SQLValue(backfill.startedAt),
                    SQLValue(backfill.finishedAt),
                ]
            )
            guard backfill.finishedAt != nil else { return false }
            if let event { try Self.insert(event, in: transaction) }
            return true
        }
    }

    private static func backfill(syncID: Int64, in snapshot: any Snapshot) throws -> Backfill? {
        try snapshot.first(
            """
            select from_at, until_at, reached_at, windows, windows_done, started_at, finished_at
            from backfill where sync_id = $1
            """,
            [.integer(syncID)]
        ) { row in
            Backfill(
                from: row.timestamp(0),
                until: row.timestamp(1),
                reached: row.timestamp(2),
                windows: Int(row.integer(3)),
                windowsDone: Int(row.integer(4)),
                startedAt: row.timestamp(5),
                finishedAt: row.timestampIfPresent(6)
            )
        }
    }
}
