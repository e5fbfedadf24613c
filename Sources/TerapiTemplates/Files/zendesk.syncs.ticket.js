'use strict';

const { createSync, dateTime, lookup, models, person } = require('terapi');

const toTicket = (ticket, subdomain) => ({
    id: String(ticket.id),
    title: ticket.subject ?? '',
    description: ticket.description,
    status: lookup(ticket.status, {
        new: 'open', open: 'open', pending: 'on_hold', hold: 'on_hold', solved: 'closed', closed: 'closed',
    }),
    status_raw: ticket.status,
    priority: lookup(ticket.priority, { urgent: 'urgent', high: 'high', normal: 'normal', low: 'low' }),
    type: ticket.type,
    number: String(ticket.id),
    assignees: ticket.assignee_id ? [person(ticket.assignee_id)] : [],
    reporter: person(ticket.submitter_id),
    contact_id: ticket.requester_id ? String(ticket.requester_id) : undefined,
    company_id: ticket.organization_id ? String(ticket.organization_id) : undefined,
    parent_id: ticket.problem_id ? String(ticket.problem_id) : undefined,
    labels: ticket.tags,
    due_at: dateTime(ticket.due_at),
    url: subdomain ? `https://${subdomain}.zendesk.com/agent/tickets/${ticket.id}` : undefined,
    source_created_at: dateTime(ticket.created_at),
    source_updated_at: dateTime(ticket.updated_at),
});

module.exports = createSync({
    description: 'Tickets, with those that were deleted',
    version: '1.0.0',
    frequency: 'every 5 minutes',
    models: { ticket: models.ticket },
    scopes: ['read'],
    exec: async (terapi) => {
        const { connection_config: config } = await terapi.getConnection();
        const checkpoint = await terapi.getCheckpoint();
        let place = checkpoint ? { cursor: checkpoint.cursor } : { start_time: 0 };
        for (;;) {
            const { data } = await terapi.get({
                endpoint: '/api/v2/incremental/tickets/cursor.json',
                params: { ...place, per_page: 1000 },
                retries: 10,
            });
            const gone = data.tickets.filter(({ status }) => status === 'deleted');
            const there = data.tickets.filter(({ status }) => status !== 'deleted');
            await terapi.batchDelete(gone.map(({ id }) => ({ id: String(id) })), 'ticket');
            await terapi.batchSave(there.map((ticket) => toTicket(ticket, config.subdomain)), 'ticket');
            if (data.after_cursor) await terapi.saveCheckpoint({ cursor: data.after_cursor });
            if (data.end_of_stream || !data.after_cursor) return;
            place = { cursor: data.after_cursor };
        }
    },
});
