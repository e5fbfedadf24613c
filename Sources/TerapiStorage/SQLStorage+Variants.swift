public import TerapiCore

// Variants of syncs. Public in `SyncStorage`'s extension; this file holds what is about variants alone.
extension SQLStorage {
    public func addVariant(
        _ variant: String,
        of definition: SyncDefinition,
        connectionID: Int64,
        limit: Int,
        now: Timestamp
    ) async throws -> Sync {
        try await database.write { transaction in
            let siblings = try transaction.query(
                Self.selectSync + "where s.connection_id = $1 and s.name = $2",
                [.integer(connectionID), .text(definition.name)],
                row: Self.sync
            )
            guard let base = siblings.first(where: { $0.variant == Sync.base }) else {
                throw TerapiError(
                    .unknownSync,
                    "The connection has no sync \"\(definition.name)\". A new connection has its syncs when its scripts of the "
                        + "event post-connection-creation have run."
                )
            }
            guard !siblings.contains(where: { $0.variant == variant }) else {
                throw TerapiError(
                    .syncVariantAlreadyExists,
                    "The sync \"\(definition.name)\" has the variant \"\(variant)\" on this connection already."
                )
            }
            guard siblings.count <= limit else {
                throw TerapiError(.resourceCapped, "A sync has at most \(limit) variants on one connection.")
            }
            let id = try Self.insert(
                """
                insert into sync (environment_id, connection_id, name, variant, state, next_run_at)
                values ($1, $2, $3, $4, $5, $6) returning id
                """,
                [
                    SQLValue(base.scope), .integer(connectionID), .text(definition.name), .text(variant),
                    SQLValue(definition.startsAutomatically ? Sync.State.started : .paused),
                    SQLValue(definition.startsAutomatically ? now : nil),
                ],
                in: transaction
            )
            let sync = try transaction.first(Self.selectSync + "where s.id = $1", [.integer(id)], row: Self.sync)
            guard let sync else { throw TerapiError(.serverError, "A sync is gone in the transaction that made it.") }
            return sync
        }
    }

    public func removeVariant(_ sync: Sync, models: [String]) async throws {
        try await database.write { transaction in
            // Also models that an earlier definition had.
            let saved = try transaction.query(
                """
                select distinct c.model from sync_run_count c join sync_run r on r.id = c.run_id where r.sync_id = $1
                """,
                [.integer(sync.id)]
            ) { $0.text(0) }
            let declared = models.map {
                RecordStream(connectionID: sync.connectionID, model: $0, variant: sync.variant).model
            }
            try transaction.run(
                "delete from sync where id = $1 and variant <> 'base'",
                [.integer(sync.id)]
            )
            for model in Set(saved + declared) {
                let stream = RecordStream(connectionID: sync.connectionID, model: model)
                guard let headID = try Self.headID(of: stream, in: transaction) else { continue }
                try Self.removeRecords(ofHead: headID, in: transaction)
            }
        }
    }
}
