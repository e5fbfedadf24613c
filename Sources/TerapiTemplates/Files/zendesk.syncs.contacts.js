'use strict';

const { createSync, dateTime, lookup, models } = require('terapi');

const toContact = (user, subdomain) => ({
    id: String(user.id),
    name: user.name || user.email || '',
    emails: user.email ? [{ value: user.email }] : [],
    phones: user.phone ? [{ value: user.phone }] : [],
    company_id: user.organization_id ? String(user.organization_id) : undefined,
    tags: user.tags,
    kind: lookup(user.role, { 'end-user': 'customer', agent: 'support', admin: 'support' }),
    kind_raw: user.role,
    url: subdomain ? `https://${subdomain}.zendesk.com/agent/users/${user.id}` : undefined,
    source_created_at: dateTime(user.created_at),
    source_updated_at: dateTime(user.updated_at),
});

module.exports = createSync({
    description: 'People: those who asked for help and those who give it',
    version: '1.0.0',
    frequency: 'every 15 minutes',
    models: { contact: models.contact },
    scopes: ['read'],
    exec: async (terapi) => {
        const { connection_config: config } = await terapi.getConnection();
        const checkpoint = await terapi.getCheckpoint();
        let place = checkpoint ? { cursor: checkpoint.cursor } : { start_time: 0 };
        for (;;) {
            const { data } = await terapi.get({
                endpoint: '/api/v2/incremental/users/cursor.json',
                params: { ...place, per_page: 1000 },
                retries: 10,
            });
            const gone = data.users.filter(({ active }) => active === false);
            const there = data.users.filter(({ active }) => active !== false);
            await terapi.batchDelete(gone.map(({ id }) => ({ id: String(id) })), 'contact');
            await terapi.batchSave(there.map((user) => toContact(user, config.subdomain)), 'contact');
            if (data.after_cursor) await terapi.saveCheckpoint({ cursor: data.after_cursor });
            if (data.end_of_stream || !data.after_cursor) return;
            place = { cursor: data.after_cursor };
        }
    },
});
