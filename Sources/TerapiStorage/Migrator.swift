import TerapiCore

/// A step of the schema. It is known by its name and never edited once it was released.
struct Migration: Sendable {
    var name: String
    var statements: [SQL]
}

/// Brings a database to the schema of this version.
struct Migrator: Sendable {
    var migrations: [Migration]

    /// Runs what is missing, all in one transaction: a process that dies in the middle leaves the old schema.
    /// - Throws: `storage_unavailable` when a newer version of Terapi has been here.
    func run(on database: any Database, now: Timestamp) async throws {
        let migrations = migrations
        try await database.write { transaction in
            try transaction.run(
                """
                create table if not exists schema_migration (
                    name text primary key,
                    number integer not null unique,
                    applied_at integer not null
                ) strict
                """
            )
            let applied = try transaction.query("select name from schema_migration order by number") { $0.text(0) }
            let known = migrations.map(\.name)
            guard Array(known.prefix(applied.count)) == applied else {
                let unknown = applied.first { !known.contains($0) } ?? applied.last ?? ""
                throw TerapiError(
                    .storageUnavailable,
                    "The data was written by a newer version of Terapi (it has the schema \"\(unknown)\"). "
                        + "Start that version, or restore a backup that this one has made."
                )
            }
            for (number, migration) in migrations.enumerated().dropFirst(applied.count) {
                for statement in migration.statements { try transaction.run(statement) }
                try transaction.run(
                    "insert into schema_migration (name, number, applied_at) values ($1, $2, $3)",
                    [.text(migration.name), SQLValue(number), SQLValue(now)]
                )
            }
        }
    }
}
