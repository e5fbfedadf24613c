public import TerapiCore

// Full reads: what a complete read of the provider no longer shows is marked as deleted at its end, and only then.

extension SQLStorage {
    /// From how many vanishing records on, and from which part of all, a person has to confirm.
    private static let massDeletion = (count: 100, percent: 30)

    public func beginFullRead(of stream: RecordStream, run: RunFence) async throws -> Int64 {
        let now = clock.now
        return try await database.write { transaction in
            try Self.checkFence(run, in: transaction)
            let headID = try Self.makeHead(of: stream, in: transaction)
            try transaction.run(
                """
                insert into full_read (sync_id, head_id, started_at) values ($1, $2, $3)
                on conflict (sync_id, head_id) do nothing
                """,
                [.integer(run.syncID), .integer(headID), SQLValue(now)]
            )
            guard let id = try Self.fullReadID(syncID: run.syncID, headID: headID, in: transaction) else {
                throw TerapiError(.serverError, "A full read is gone in the transaction that began it.")
            }
            return id
        }
    }

    public func endFullRead(
        of stream: RecordStream,
        run: RunFence,
        scope: EnvironmentScope,
        allowsMassDeletion: Bool
    ) async throws -> DeletionOutcome {
        let now = clock.now
        return try await database.write { transaction in
            try Self.checkFence(run, in: transaction)
            let headID = try Self.headID(of: stream, in: transaction)
            let fullReadID = try headID.flatMap {
                try Self.fullReadID(syncID: run.syncID, headID: $0, in: transaction)
            }
            guard let headID, let fullReadID else {
                throw TerapiError(
                    .scriptError,
                    "trackDeletesEnd(\"\(stream.model)\") was called without trackDeletesStart before it."
                )
            }
            let seen = try Self.seenRows(fullReadID: fullReadID, in: transaction)
            var vanished: [(rowID: Int64, position: Int64)] = []
            var live = 0
            // Answered from the index alone.
            try transaction.forEach(
                "select id, position from record where head_id = $1 and last_action < 2",
                [.integer(headID)]
            ) { row in
                live += 1
                if !seen.containsSorted(row.integer(0)) { vanished.append((row.integer(0), row.integer(1))) }
            }
            vanished.sort { $0.position < $1.position }
            if !allowsMassDeletion, vanished.count >= Self.massDeletion.count,
                vanished.count * 100 > live * Self.massDeletion.percent
            {
                return .refused(vanishing: vanished.count, of: live)
            }
            try transaction.run("delete from full_read where id = $1", [.integer(fullReadID)])
            guard !vanished.isEmpty else { return .deleted([]) }
            let (first, modifiedAt) = try Self.takePositions(
                vanished.count,
                live: -vanished.count,
                headID: headID,
                now: now,
                in: transaction
            )
            try transaction.run(Self.deleteRecord, count: vanished.count) { index, parameters in
                parameters.bind(vanished[index].rowID, at: 1)
                parameters.bind(vanished[index].position, at: 2)
                parameters.bind(first + Int64(index), at: 3)
                parameters.bind(modifiedAt.microseconds, at: 4)
            }
            try Self.count(
                ChangeCounts(deleted: vanished.count),
                model: stream.model,
                run: run,
                now: now,
                in: transaction
            )
            var ids: [String] = []
            ids.reserveCapacity(vanished.count)
            try transaction.forEach(
                "select external_id from record where id = $1",
                count: vanished.count,
                bind: { index, parameters in parameters.bind(vanished[index].rowID, at: 1) },
                { _, row in ids.append(row.text(0)) }
            )
            return .deleted(ids)
        }
    }

    public func abandonFullReads(run: RunFence) async throws {
        try await database.write { transaction in
            try Self.checkFence(run, in: transaction)
            try transaction.run("delete from full_read where sync_id = $1", [.integer(run.syncID)])
        }
    }

    /// Notes the rows of a batch, in its transaction. One small row for the whole batch.
    static func noteSeen(
        _ rowIDs: [Int64],
        fullReadID: Int64,
        headID: Int64,
        run: RunFence,
        in transaction: any Transaction
    ) throws {
        guard !rowIDs.isEmpty else { return }
        guard try self.fullReadID(syncID: run.syncID, headID: headID, in: transaction) == fullReadID else {
            // What this run has seen before is forgotten: its end would delete what it does not know about.
            throw TerapiError(.staleRun, "The full read of this run was abandoned.")
        }
        try transaction.run(
            """
            insert into record_seen (full_read_id, batch, ids)
            select $1, coalesce(max(batch), 0) + 1, $2 from record_seen where full_read_id = $1
            """,
            [.integer(fullReadID), .blob(RowIDSet.encode(rowIDs))]
        )
    }

    static func fullReadID(syncID: Int64, headID: Int64, in snapshot: any Snapshot) throws -> Int64? {
        try snapshot.first(
            "select id from full_read where sync_id = $1 and head_id = $2",
            [.integer(syncID), .integer(headID)]
        ) { $0.integer(0) }
    }

    private static func seenRows(fullReadID: Int64, in snapshot: any Snapshot) throws -> [Int64] {
        var rowIDs: [Int64] = []
        try snapshot.forEach("select ids from record_seen where full_read_id = $1", [.integer(fullReadID)]) { row in
            row.withBytes(0) { RowIDSet.decode($0, into: &rowIDs) }
        }
        rowIDs.sort()
        return rowIDs
    }
}

extension [Int64] {
    /// Whether the element is in this array, whose elements are in order.
    fileprivate func containsSorted(_ element: Int64) -> Bool {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < element { low = middle + 1 } else { high = middle }
        }
        return low < count && self[low] == element
    }
}
