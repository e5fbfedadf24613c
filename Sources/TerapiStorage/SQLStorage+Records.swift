public import TerapiCore

extension SQLStorage: RecordStorage {
    private struct Prepared: PreparedRecordBatch {
        var batch: RecordBatch
        var planners: [RecordPlanner]
        /// `nil` when a plan can only be made under the lock.
        var plans: [RecordPlan]?
    }

    public func prepare(_ batch: RecordBatch) async throws -> any PreparedRecordBatch {
        let hasher = try await changeHash(environmentID: batch.scope.environmentID)
        let box = box
        let planners = batch.changes.filter { !$0.ids.isEmpty }.map {
            RecordPlanner($0, scope: batch.scope, hasher: hasher, box: box)
        }
        // Two changes of one stream: the later one must see what the earlier one wrote. And whose a position is can be
        // told only when every earlier batch of the run is committed.
        guard Set(planners.map(\.change.stream)).count == planners.count,
            !planners.contains(where: { $0.change.mark != nil })
        else {
            return Prepared(batch: batch, planners: planners, plans: nil)
        }
        var known: [(records: [RecordPlanner.Known?], headPosition: Int64)] = []
        if !planners.isEmpty {
            known = try await database.read { snapshot in
                try planners.map { planner in
                    let headID = try Self.headID(of: planner.change.stream, in: snapshot)
                    let position = try headID.map { try Self.headPosition($0, in: snapshot) } ?? 0
                    return (try planner.known(headID: headID, in: snapshot), position)
                }
            }
        }
        let plans = try zip(planners, known).map { planner, known in
            var plan = try planner.plan(known.records)
            plan.headPosition = known.headPosition
            return plan
        }
        return Prepared(batch: batch, planners: planners, plans: plans)
    }

    public func commit(_ prepared: any PreparedRecordBatch) async throws -> [String: ChangeCounts] {
        guard let prepared = prepared as? Prepared else {
            preconditionFailure("a batch is committed by the storage that prepared it")
        }
        #if DEBUG
        let batch = try await spoiled(prepared.batch)
        #else
        let batch = prepared.batch
        #endif
        let now = clock.now
        if let plans = prepared.plans {
            do {
                return try await database.write { transaction in
                    try Self.commit(batch, prepared.planners, plans: plans, now: now, in: transaction)
                }
            } catch is RecordConflict {
                // Another writer came in between. From here the plan is made under the lock.
            } catch let violation as ConstraintViolation where violation.kind == .unique {
                // As above: both saw a record as new.
            }
        }
        return try await database.write { transaction in
            try Self.commit(batch, prepared.planners, plans: nil, now: now, in: transaction)
        }
    }

    public func position(of stream: RecordStream) async throws -> Int64 {
        try await database.read { snapshot in
            try Self.headID(of: stream, in: snapshot).map { try Self.headPosition($0, in: snapshot) } ?? 0
        }
    }

    public func counts(connectionID: Int64) async throws -> [String: Int] {
        try await database.read { snapshot in
            let counts = try snapshot.query(
                "select model, live from head where connection_id = $1",
                [.integer(connectionID)]
            ) { ($0.text(0), Int($0.integer(1))) }
            return Dictionary(counts, uniquingKeysWith: { $1 })
        }
    }

    public func removeRecords(of streams: [RecordStream]) async throws {
        try await database.write { transaction in
            for stream in streams {
                guard let headID = try Self.headID(of: stream, in: transaction) else { continue }
                try Self.removeRecords(ofHead: headID, in: transaction)
            }
        }
    }

    static func removeRecords(ofHead headID: Int64, in transaction: any Transaction) throws {
        try transaction.run("delete from full_read where head_id = $1", [.integer(headID)])
        try transaction.run("delete from record where head_id = $1", [.integer(headID)])
        // The head keeps its position: a cursor that a customer holds stays behind everything that comes.
        try transaction.run("update head set live = 0 where id = $1", [.integer(headID)])
    }

    /// Begins a new history: cursors given out before are taken back to where both histories are the same.
    ///
    /// For a restored backup or an import, before anything is written.
    public func beginEpoch(reason: String, now: Timestamp) async throws {
        try await database.write { transaction in
            let epoch = try Self.insert(
                """
                insert into epoch (number, started_at, reason)
                select max(number) + 1, $1, $2 from epoch returning number
                """,
                [SQLValue(now), .text(reason)],
                in: transaction
            )
            try transaction.run(
                "insert into epoch_floor (epoch, head_id, position) select $1, id, position from head",
                [.integer(epoch)]
            )
        }
    }
}

extension SQLStorage {
    static func headID(of stream: RecordStream, in snapshot: any Snapshot) throws -> Int64? {
        try snapshot.first(
            "select id from head where connection_id = $1 and model = $2",
            [.integer(stream.connectionID), .text(stream.model)]
        ) { $0.integer(0) }
    }

    /// The stream's head, made when it is the stream's first use.
    static func makeHead(of stream: RecordStream, in transaction: any Transaction) throws -> Int64 {
        try transaction.run(
            "insert into head (connection_id, model) values ($1, $2) on conflict (connection_id, model) do nothing",
            [.integer(stream.connectionID), .text(stream.model)]
        )
        guard let id = try headID(of: stream, in: transaction) else {
            throw TerapiError(.serverError, "A stream's head is gone in the transaction that made it.")
        }
        return id
    }

    /// Takes the next positions of a stream and locks it to the end of the transaction: whoever takes later ones
    /// commits later, so no position ever appears below one that can be read.
    static func takePositions(
        _ count: Int,
        live change: Int,
        headID: Int64,
        now: Timestamp,
        in transaction: any Transaction
    ) throws -> (first: Int64, modifiedAt: Timestamp) {
        let head = try transaction.first(
            """
            update head set position = position + $2, live = live + $3,
                modified_at = case when modified_at >= $4 then modified_at + 1 else $4 end
            where id = $1 returning position, modified_at
            """,
            [.integer(headID), SQLValue(count), SQLValue(change), SQLValue(now)]
        ) { (position: $0.integer(0), modifiedAt: $0.timestamp(1)) }
        guard let head else { throw TerapiError(.staleRun, "The connection was deleted.") }
        return (head.position - Int64(count) + 1, head.modifiedAt)
    }

    /// Adds to what a run has done so far.
    static func count(
        _ counts: ChangeCounts,
        model: String,
        run: RunFence,
        now: Timestamp,
        in transaction: any Transaction
    ) throws {
        try transaction.run(
            """
            insert into sync_run_count (run_id, model, added, updated, deleted, unchanged)
            values ($1, $2, $3, $4, $5, $6)
            on conflict (run_id, model) do update set added = sync_run_count.added + excluded.added,
                updated = sync_run_count.updated + excluded.updated,
                deleted = sync_run_count.deleted + excluded.deleted,
                unchanged = sync_run_count.unchanged + excluded.unchanged
            """,
            [
                .integer(run.runID), .text(model), SQLValue(counts.added), SQLValue(counts.updated),
                SQLValue(counts.deleted), SQLValue(counts.unchanged),
            ]
        )
        if counts.changed > 0 {
            try transaction.run(
                "update sync_run set first_change_at = $2 where id = $1 and first_change_at is null",
                [.integer(run.runID), SQLValue(now)]
            )
        }
    }

    private static func commit(
        _ batch: RecordBatch,
        _ planners: [RecordPlanner],
        plans: [RecordPlan]?,
        now: Timestamp,
        in transaction: any Transaction
    ) throws -> [String: ChangeCounts] {
        try checkFence(batch.run, in: transaction)
        var counts: [String: ChangeCounts] = [:]
        for (index, planner) in planners.enumerated() {
            let stream = planner.change.stream
            let headID = try makeHead(of: stream, in: transaction)
            if let plan = plans?[index] { try checkFresh(plan, of: planner, headID: headID, in: transaction) }
            let plan = try plans?[index] ?? planner.plan(planner.known(headID: headID, in: transaction))
            let (rowIDs, positions) = try write(plan, headID: headID, now: now, in: transaction)
            if let positions { planner.change.mark?.note(positions) }
            if let fullRead = try planner.change.seenGeneration ?? fullReadBeside(batch.run, headID, in: transaction) {
                try noteSeen(
                    plan.seen + rowIDs,
                    fullReadID: fullRead,
                    headID: headID,
                    run: batch.run,
                    in: transaction
                )
            }
            counts[stream.model] = (counts[stream.model] ?? ChangeCounts()) + plan.counts
        }
        for (model, counts) in counts { try count(counts, model: model, run: batch.run, now: now, in: transaction) }
        try move(batch.checkpoint, of: batch.run, in: transaction)
        return counts
    }

    /// A full read of the sync that goes on while its webhook function writes: what that writes is there, whether the
    /// read comes to see it or not.
    private static func fullReadBeside(_ run: RunFence, _ headID: Int64, in transaction: any Transaction) throws
        -> Int64?
    {
        run.isWebhook ? try fullReadID(syncID: run.syncID, headID: headID, in: transaction) : nil
    }

    static func move(
        _ checkpoint: RecordBatch.CheckpointChange?,
        of run: RunFence,
        in transaction: any Transaction
    ) throws {
        switch checkpoint {
        case .set(let checkpoint):
            try transaction.run(
                "update sync set checkpoint = $2 where id = $1",
                [.integer(run.syncID), SQLValue(checkpoint)]
            )
        case .clear:
            try transaction.run("update sync set checkpoint = null where id = $1", [.integer(run.syncID)])
        case nil: break
        }
    }

    static func headPosition(_ headID: Int64, in snapshot: any Snapshot) throws -> Int64 {
        try snapshot.first("select position from head where id = $1", [.integer(headID)]) { $0.integer(0) } ?? 0
    }

    /// Beyond this many changes since a plan was made it is cheaper to make it again than to look at each.
    private static let maxChangesToCheck: Int64 = 5_000

    /// A plan is good as long as nobody has touched its records since; others of the stream do not matter.
    /// - Throws: `RecordConflict`.
    private static func checkFresh(
        _ plan: RecordPlan,
        of planner: RecordPlanner,
        headID: Int64,
        in transaction: any Transaction
    ) throws {
        let position = try headPosition(headID, in: transaction)
        guard position != plan.headPosition else { return }
        guard position - plan.headPosition <= maxChangesToCheck else { throw RecordConflict() }
        let ids = planner.ids
        var isTouched = false
        try transaction.forEach(
            "select external_id from record where head_id = $1 and position > $2",
            [.integer(headID), .integer(plan.headPosition)]
        ) { if ids.contains($0.text(0)) { isTouched = true } }
        if isTouched { throw RecordConflict() }
    }

    private static let insertRecord: SQL = """
        insert into record (head_id, position, last_action, external_id, hash, first_seen_at, last_modified_at, payload)
        values ($1, $2, 0, $3, $4, $5, $5, $6)
        """

    private static let updateRecord: SQL = """
        update record set position = $3, last_action = $4, hash = $5, canonical_hash = $6, payload = $7,
            first_seen_at = case when last_action = 2 then $8 else first_seen_at end, last_modified_at = $8,
            deleted_at = null, pruned_at = null
        where id = $1 and position = $2
        """

    static let deleteRecord: SQL = """
        update record set position = $3, last_action = 2, last_modified_at = $4, deleted_at = $4
        where id = $1 and position = $2
        """

    private static let rehashRecord: SQL =
        "update record set hash = $3, canonical_hash = $4 where id = $1 and position = $2"

    /// Writes what a plan found, in its order.
    /// - Returns: the rows of live records that were written, and the positions that were taken.
    /// - Throws: `RecordConflict` when a record is not any more where the plan saw it.
    private static func write(
        _ plan: RecordPlan,
        headID: Int64,
        now: Timestamp,
        in transaction: any Transaction
    ) throws -> (rowIDs: [Int64], positions: Range<Int64>?) {
        var rowIDs: [Int64] = []
        var changed = plan.rehashes.count
        changed -= try transaction.run(rehashRecord, count: plan.rehashes.count) { index, parameters in
            let rehash = plan.rehashes[index]
            parameters.bind(rehash.rowID, at: 1)
            parameters.bind(rehash.position, at: 2)
            parameters.bind(rehash.hash, at: 3)
            parameters.bind(rehash.canonicalHash, at: 4)
        }
        guard changed == 0 else { throw RecordConflict() }
        guard !plan.writes.isEmpty else { return ([], nil) }

        let counts = plan.counts
        let (first, modifiedAt) = try takePositions(
            plan.writes.count,
            live: counts.added - counts.deleted,
            headID: headID,
            now: now,
            in: transaction
        )
        // Statement by statement rather than record by record, so that each is looked up once.
        var inserts: [Int] = []
        var updates: [Int] = []
        var deletes: [Int] = []
        for (index, write) in plan.writes.enumerated() {
            if write.known == nil {
                inserts.append(index)
            } else if write.action == .deleted {
                deletes.append(index)
            } else {
                updates.append(index)
                rowIDs.append(write.known?.rowID ?? 0)
            }
        }
        rowIDs += try transaction.insert(insertRecord, count: inserts.count) { index, parameters in
            let write = plan.writes[inserts[index]]
            parameters.bind(headID, at: 1)
            parameters.bind(first + Int64(inserts[index]), at: 2)
            parameters.bind(write.externalID, at: 3)
            parameters.bind(write.hash, at: 4)
            parameters.bind(modifiedAt.microseconds, at: 5)
            if let sealed = write.sealed { parameters.bind(sealed, at: 6) }
        }
        let updated = try transaction.run(updateRecord, count: updates.count) { index, parameters in
            let write = plan.writes[updates[index]]
            guard let known = write.known else { return }
            parameters.bind(known.rowID, at: 1)
            parameters.bind(known.position, at: 2)
            parameters.bind(first + Int64(updates[index]), at: 3)
            parameters.bind(write.action.number, at: 4)
            parameters.bind(write.hash, at: 5)
            if let canonical = write.canonicalHash { parameters.bind(canonical, at: 6) }
            if let sealed = write.sealed { parameters.bind(sealed, at: 7) }
            parameters.bind(modifiedAt.microseconds, at: 8)
        }
        let deleted = try transaction.run(deleteRecord, count: deletes.count) { index, parameters in
            let write = plan.writes[deletes[index]]
            guard let known = write.known else { return }
            parameters.bind(known.rowID, at: 1)
            parameters.bind(known.position, at: 2)
            parameters.bind(first + Int64(deletes[index]), at: 3)
            parameters.bind(modifiedAt.microseconds, at: 4)
        }
        guard updated == updates.count, deleted == deletes.count else { throw RecordConflict() }
        return (rowIDs, first..<first + Int64(plan.writes.count))
    }
}

extension RecordPlan {
    var counts: ChangeCounts {
        var counts = ChangeCounts(unchanged: unchanged)
        for write in writes {
            switch write.action {
            case .added: counts.added += 1
            case .updated: counts.updated += 1
            case .deleted: counts.deleted += 1
            }
        }
        return counts
    }
}
