/// The schema of the file that holds the logs.
extension Migrator {
    static let logs = Migrator(migrations: [
        Migration(
            name: "0001 logs",
            statements: [
                """
                create table log_operation (
                    id text primary key,
                    environment_id integer not null,
                    kind text not null,
                    state text not null,
                    message text not null,
                    integration_key text,
                    connection_id text,
                    subject text,
                    created_at integer not null,
                    ended_at integer
                ) strict
                """,
                "create index log_operation_age on log_operation (environment_id, created_at)",
                // Without a reference to the operation: messages may arrive before it.
                """
                create table log_message (
                    id integer primary key autoincrement,
                    operation_id text not null,
                    level text not null,
                    is_from_script integer not null,
                    message text not null,
                    meta text not null,
                    created_at integer not null
                ) strict
                """,
                "create index log_message_operation on log_message (operation_id, id)",
            ]
        ),
        Migration(
            name: "0002 running operations",
            statements: ["create index log_operation_running on log_operation (kind) where state = 'running'"]
        ),
    ])
}
