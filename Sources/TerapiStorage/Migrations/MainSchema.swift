/// The schema of the file that holds settings, connections, syncs, records and webhooks.
///
/// Rows that customers' cursors or other places remember by number have `autoincrement`: a number is never used again.
extension Migrator {
    static let main = Migrator(migrations: [
        Migration(name: "0001 settings", statements: settings),
        Migration(name: "0002 connections", statements: connections),
        Migration(name: "0003 syncs", statements: syncs),
        Migration(name: "0004 records", statements: records),
        Migration(name: "0005 webhooks", statements: webhooks),
        Migration(name: "0006 actions", statements: actions),
        Migration(name: "0007 deployments", statements: deployments),
        Migration(name: "0008 variables", statements: variables),
        Migration(name: "0010 verification", statements: verification),
        Migration(name: "0011 provider webhooks", statements: providerWebhooks),
        Migration(name: "0012 endpoints and backfills", statements: endpointsAndBackfills),
    ])

    private static let settings: [SQL] = [
        """
        create table installation_key (
            name text primary key,
            sealed blob not null
        ) strict
        """,
        """
        create table environment (
            id integer primary key autoincrement,
            uuid text not null unique,
            name text not null unique,
            settings text not null,
            change_key blob not null,
            created_at integer not null
        ) strict
        """,
        """
        create table signing_key (
            id integer primary key autoincrement,
            environment_id integer not null references environment on delete cascade,
            secret blob not null,
            created_at integer not null,
            expires_at integer
        ) strict
        """,
        "create index signing_key_environment on signing_key (environment_id)",
        """
        create table api_key (
            id integer primary key autoincrement,
            environment_id integer not null references environment on delete cascade,
            display_name text not null,
            scopes text not null,
            token_hash blob not null unique,
            created_at integer not null,
            last_used_at integer
        ) strict
        """,
        "create index api_key_environment on api_key (environment_id)",
        """
        create table integration (
            id integer primary key autoincrement,
            environment_id integer not null references environment on delete cascade,
            key text not null,
            provider text not null,
            display_name text not null,
            forwards_webhooks integer not null,
            secrets blob not null,
            created_at integer not null,
            updated_at integer not null,
            unique (environment_id, key)
        ) strict
        """,
    ]

    private static let connections: [SQL] = [
        """
        create table connection (
            id integer primary key autoincrement,
            environment_id integer not null references environment on delete cascade,
            integration_id integer not null references integration on delete cascade,
            connection_id text not null,
            config text not null,
            metadata text,
            tags text not null,
            end_user_id text,
            end_user_email text,
            end_user_display_name text,
            end_user_tags text,
            end_user_organization_id text,
            end_user_organization_display_name text,
            webhook_url_override text,
            created_at integer not null,
            updated_at integer not null,
            last_fetched_at integer,
            unique (integration_id, connection_id)
        ) strict
        """,
        "create index connection_environment on connection (environment_id, created_at)",
        """
        create table connection_error (
            connection_id integer not null references connection on delete cascade,
            kind text not null,
            subject text not null,
            operation_id text not null,
            primary key (connection_id, kind, subject)
        ) strict
        """,
        """
        create table connection_credential (
            connection_id integer primary key references connection on delete cascade,
            generation integer not null,
            credentials blob not null,
            previous blob,
            orphans blob,
            orphaned_in_generation integer,
            expires_at integer,
            can_refresh integer not null,
            claim_attempt text,
            claim_owner text,
            claim_deadline integer,
            refused_at integer,
            needs_reconnect integer not null default 0,
            retry_after integer,
            failed_attempts integer not null default 0
        ) strict
        """,
        """
        create index connection_credential_expiry on connection_credential (expires_at)
        where can_refresh = 1 and needs_reconnect = 0
        """,
        """
        create table connect_session (
            id integer primary key autoincrement,
            environment_id integer not null references environment on delete cascade,
            token_hash blob not null unique,
            document blob not null,
            expires_at integer not null
        ) strict
        """,
        "create index connect_session_expiry on connect_session (expires_at)",
        // Without a reference to the session: the outcome can be asked for when the session has been used up.
        """
        create table connect_attempt (
            id text primary key,
            environment_id integer not null references environment on delete cascade,
            session_id integer not null,
            integration_key text not null,
            state text not null,
            connection_id text,
            error_type text,
            error_message text,
            created_at integer not null
        ) strict
        """,
        "create index connect_attempt_age on connect_attempt (created_at)",
        """
        create table oauth_session (
            state text primary key,
            environment_id integer not null references environment on delete cascade,
            document blob not null,
            expires_at integer not null
        ) strict
        """,
        "create index oauth_session_expiry on oauth_session (expires_at)",
    ]

    private static let syncs: [SQL] = [
        """
        create table sync (
            id integer primary key autoincrement,
            environment_id integer not null references environment on delete cascade,
            connection_id integer not null references connection on delete cascade,
            name text not null,
            variant text not null,
            state text not null,
            frequency_override text,
            next_run_at integer,
            run_requested_at integer,
            requests_mass_deletion integer not null default 0,
            confirms_mass_deletion integer not null default 0,
            run_generation integer not null default 0,
            running_run_id integer,
            owner text,
            lease_until integer,
            last_sync_at integer,
            checkpoint text,
            failures integer not null default 0,
            unique (connection_id, name, variant)
        ) strict
        """,
        "create index sync_due on sync (next_run_at) where running_run_id is null and state = 'started'",
        """
        create index sync_requested on sync (run_requested_at)
        where running_run_id is null and run_requested_at is not null
        """,
        "create index sync_running on sync (environment_id) where running_run_id is not null",
        """
        create table sync_run (
            id integer primary key autoincrement,
            sync_id integer not null references sync on delete cascade,
            generation integer not null,
            is_initial integer not null,
            status text not null,
            started_at integer not null,
            ended_at integer,
            first_change_at integer,
            checkpoint_before text,
            error text,
            operation_id text not null,
            unique (sync_id, generation)
        ) strict
        """,
        """
        create table sync_run_count (
            run_id integer not null references sync_run on delete cascade,
            model text not null,
            added integer not null,
            updated integer not null,
            deleted integer not null,
            unchanged integer not null,
            primary key (run_id, model)
        ) strict
        """,
    ]

    private static let records: [SQL] = [
        // One row for each stream. `position` is the last one given out: the update that takes the next ones also locks
        // the stream to the end of its transaction, so positions become visible in their order.
        """
        create table head (
            id integer primary key autoincrement,
            connection_id integer not null references connection on delete cascade,
            model text not null,
            position integer not null default 0,
            pruned_position integer not null default 0,
            modified_at integer not null default 0,
            live integer not null default 0,
            unique (connection_id, model)
        ) strict
        """,
        // `last_action`: 0 added, 1 updated, 2 deleted.
        """
        create table record (
            id integer primary key,
            head_id integer not null references head on delete cascade,
            position integer not null,
            last_action integer not null,
            external_id text not null,
            hash blob not null,
            canonical_hash blob,
            first_seen_at integer not null,
            last_modified_at integer not null,
            deleted_at integer,
            pruned_at integer,
            payload blob,
            unique (head_id, external_id)
        ) strict
        """,
        "create unique index record_position on record (head_id, position)",
        // A filter goes straight to its records, and the end of a full read to the live ones.
        "create index record_action on record (head_id, last_action, position)",
        """
        create table epoch (
            number integer primary key,
            started_at integer not null,
            reason text not null
        ) strict
        """,
        "insert into epoch (number, started_at, reason) values (1, 0, 'installation')",
        """
        create table epoch_floor (
            epoch integer not null references epoch,
            head_id integer not null references head on delete cascade,
            position integer not null,
            primary key (head_id, epoch)
        ) strict
        """,
        """
        create table full_read (
            id integer primary key autoincrement,
            sync_id integer not null references sync on delete cascade,
            head_id integer not null references head on delete cascade,
            started_at integer not null,
            unique (sync_id, head_id)
        ) strict
        """,
        "create index full_read_head on full_read (head_id)",
        """
        create table record_seen (
            full_read_id integer not null references full_read on delete cascade,
            batch integer not null,
            ids blob not null,
            primary key (full_read_id, batch)
        ) strict
        """,
    ]

    private static let webhooks: [SQL] = [
        """
        create table webhook_event (
            id text primary key,
            environment_id integer not null references environment on delete cascade,
            connection_id integer,
            kind text not null,
            body blob not null,
            created_at integer not null
        ) strict
        """,
        "create index webhook_event_age on webhook_event (environment_id, created_at)",
        """
        create table webhook_delivery (
            id integer primary key autoincrement,
            event_id text not null references webhook_event on delete cascade,
            url text not null,
            state text not null,
            attempts integer not null default 0,
            next_attempt_at integer,
            owner text
        ) strict
        """,
        "create index webhook_delivery_event on webhook_delivery (event_id)",
        "create index webhook_delivery_due on webhook_delivery (next_attempt_at) where state = 'pending'",
        "create index webhook_delivery_url on webhook_delivery (url, next_attempt_at) where state = 'pending'",
        """
        create table webhook_attempt (
            delivery_id integer not null references webhook_delivery on delete cascade,
            number integer not null,
            started_at integer not null,
            duration_us integer not null,
            status integer,
            error text,
            primary key (delivery_id, number)
        ) strict
        """,
    ]

    private static let actions: [SQL] = [
        """
        create table action_run (
            id text primary key,
            environment_id integer not null references environment on delete cascade,
            connection_id integer not null references connection on delete cascade,
            kind text not null,
            name text not null,
            state text not null,
            input blob,
            answer blob,
            attempts integer not null,
            max_retries integer not null,
            has_sent integer not null default 0,
            next_attempt_at integer,
            owner text,
            idempotency_key blob,
            request_hash blob,
            created_at integer not null,
            ended_at integer,
            expires_at integer
        ) strict
        """,
        """
        create unique index action_run_key on action_run (environment_id, idempotency_key)
        where idempotency_key is not null
        """,
        "create index action_run_due on action_run (environment_id, next_attempt_at) where state = 'waiting'",
        "create index action_run_at_work on action_run (owner) where state = 'running'",
        "create index action_run_expiry on action_run (expires_at) where expires_at is not null",
        "create index action_run_connection on action_run (connection_id)",
        // Without a row per version: the number alone tells a writer that another was faster.
        """
        create table script_checkpoint (
            connection_id integer not null references connection on delete cascade,
            kind text not null,
            name text not null,
            value text,
            version integer not null,
            primary key (connection_id, kind, name)
        ) strict
        """,
    ]

    private static let deployments: [SQL] = [
        """
        create table deployment (
            id integer primary key autoincrement,
            environment_id integer not null references environment on delete cascade,
            version integer not null,
            origin text not null,
            restored_version integer,
            created_at integer not null,
            unique (environment_id, version)
        ) strict
        """,
        // By what they are: most of a deployment is the same as in the one before.
        """
        create table script_text (
            hash text primary key,
            text text not null
        ) strict
        """,
        """
        create table deployed_script (
            deployment_id integer not null references deployment on delete cascade,
            integration_key text not null,
            kind text not null,
            name text not null,
            language text not null,
            source text not null,
            declared text not null,
            modules text not null,
            code_hash text not null references script_text,
            map_hash text references script_text,
            deployed_at integer not null,
            primary key (deployment_id, integration_key, kind, name)
        ) strict
        """,
        // What keeps a text: shared modules too.
        """
        create table deployed_text (
            deployment_id integer not null references deployment on delete cascade,
            hash text not null references script_text,
            is_module integer not null,
            primary key (deployment_id, hash)
        ) strict
        """,
        "create index deployed_text_hash on deployed_text (hash)",
        "create index deployed_script_code on deployed_script (code_hash)",
        "create index deployed_script_map on deployed_script (map_hash)",
    ]

    private static let variables: [SQL] = [
        """
        create table environment_variable (
            environment_id integer not null references environment on delete cascade,
            name text not null,
            value blob not null,
            primary key (environment_id, name)
        ) strict
        """
    ]

    private static let endpointsAndBackfills: [SQL] = [
        // Only for endpoints that have failed since their last success.
        """
        create table webhook_endpoint (
            url text primary key,
            failures integer not null,
            openings integer not null,
            open_until integer
        ) strict
        """,
        """
        create table backfill (
            sync_id integer primary key references sync on delete cascade,
            from_at integer not null,
            until_at integer not null,
            reached_at integer not null,
            windows integer not null,
            windows_done integer not null,
            started_at integer not null,
            finished_at integer
        ) strict
        """,
    ]

    /// Keys and passwords cannot be renewed: the provider is asked now and then whether they still work.
    private static let verification: [SQL] = [
        "alter table connection_credential add column can_only_be_verified integer not null default 0",
        "alter table connection_credential add column verified_at integer not null default 0",
        """
        create index connection_credential_verification on connection_credential (verified_at)
        where can_only_be_verified = 1 and needs_reconnect = 0
        """,
    ]
}
