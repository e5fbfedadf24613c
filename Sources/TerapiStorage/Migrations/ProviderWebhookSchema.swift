/// What providers send, where our addresses are registered, and by what a connection is found.
extension Migrator {
    static let providerWebhooks: [SQL] = [
        // Ids begin with the time: new rows come to the end of both trees.
        """
        create table provider_webhook (
            id text primary key,
            environment_id integer not null references environment on delete cascade,
            integration_id integer not null references integration on delete cascade,
            subscription_id integer,
            request blob not null,
            state text not null,
            received_at integer not null,
            due_at integer,
            attempts integer not null default 0,
            handled text not null default '[]',
            is_replay integer not null default 0,
            types text not null default '[]',
            error text
        ) strict, without rowid
        """,
        "create index provider_webhook_due on provider_webhook (due_at) where due_at is not null",
        "create index provider_webhook_integration on provider_webhook (integration_id)",
        "create index provider_webhook_environment on provider_webhook (environment_id, id)",
        """
        create table provider_webhook_mark (
            integration_id integer not null references integration on delete cascade,
            key blob not null,
            content blob not null,
            seen_at integer not null,
            primary key (integration_id, key)
        ) strict, without rowid
        """,
        "create index provider_webhook_mark_age on provider_webhook_mark (seen_at)",
        """
        create table webhook_subscription (
            id integer primary key autoincrement,
            environment_id integer not null references environment on delete cascade,
            integration_id integer not null references integration on delete cascade,
            connection_id integer references connection on delete cascade,
            token_hash blob not null unique,
            external_id text,
            document blob not null,
            is_ours integer not null,
            state text not null,
            error text,
            expires_at integer,
            renew_at integer,
            failures integer not null default 0,
            created_at integer not null
        ) strict
        """,
        "create index webhook_subscription_external on webhook_subscription (integration_id, external_id)",
        "create index webhook_subscription_connection on webhook_subscription (connection_id)",
        "create index webhook_subscription_renewal on webhook_subscription (renew_at) where renew_at is not null",
        "alter table webhook_event add column headers text",
        "alter table sync add column last_event_at integer",

        // By what an event finds its connections: every plain member of their config and metadata. Kept by the database
        // itself, so that no way of writing a connection can forget it.
        """
        create table connection_key (
            integration_id integer not null,
            name text not null,
            value text not null,
            connection_id integer not null references connection on delete cascade,
            primary key (integration_id, name, value, connection_id)
        ) strict, without rowid
        """,
        "create index connection_key_connection on connection_key (connection_id)",
        """
        create trigger connection_key_insert after insert on connection begin
            insert or ignore into connection_key
            select new.integration_id, key, cast(atom as text), new.id from json_each(new.config)
            where type in ('text', 'integer');
            insert or ignore into connection_key
            select new.integration_id, key, cast(atom as text), new.id from json_each(coalesce(new.metadata, '{}'))
            where type in ('text', 'integer');
        end
        """,
        """
        create trigger connection_key_update after update of config, metadata on connection begin
            delete from connection_key where connection_id = new.id;
            insert or ignore into connection_key
            select new.integration_id, key, cast(atom as text), new.id from json_each(new.config)
            where type in ('text', 'integer');
            insert or ignore into connection_key
            select new.integration_id, key, cast(atom as text), new.id from json_each(coalesce(new.metadata, '{}'))
            where type in ('text', 'integer');
        end
        """,
        """
        insert or ignore into connection_key
        select c.integration_id, e.key, cast(e.atom as text), c.id from connection c, json_each(c.config) e
        where e.type in ('text', 'integer')
        """,
        """
        insert or ignore into connection_key
        select c.integration_id, e.key, cast(e.atom as text), c.id from connection c, json_each(c.metadata) e
        where c.metadata is not null and e.type in ('text', 'integer')
        """,
    ]
}
