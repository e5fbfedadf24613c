'use strict';

const { createSync, dateTime, models, person } = require('terapi');

const toComment = (comment, ticketID) => ({
    id: String(comment.id),
    parent_type: 'ticket',
    parent_id: String(ticketID),
    body: comment.plain_body ?? comment.body,
    body_html: comment.html_body,
    author: person(comment.author_id),
    is_private: !comment.public,
    source_created_at: dateTime(comment.created_at),
});

module.exports = createSync({
    description: 'Comments on tickets: those of each ticket that has changed',
    version: '1.0.0',
    frequency: 'every 15 minutes',
    models: { comment: models.comment },
    scopes: ['read'],
    exec: async (terapi) => {
        const checkpoint = await terapi.getCheckpoint();
        let place = checkpoint ? { cursor: checkpoint.cursor } : { start_time: 0 };
        for (;;) {
            const { data } = await terapi.get({
                endpoint: '/api/v2/incremental/tickets/cursor.json',
                params: { ...place, per_page: 100 },
                retries: 10,
            });
            for (const ticket of data.tickets) {
                if (ticket.status === 'deleted') continue;
                const pages = terapi.paginate({
                    endpoint: `/api/v2/tickets/${ticket.id}/comments.json`,
                    params: { 'page[size]': 100 },
                    paginate: { type: 'link', link_path_in_response_body: 'links.next', response_path: 'comments' },
                    retries: 10,
                });
                for await (const page of pages) {
                    await terapi.batchSave(page.map((comment) => toComment(comment, ticket.id)), 'comment');
                }
            }
            if (data.after_cursor) await terapi.saveCheckpoint({ cursor: data.after_cursor });
            if (data.end_of_stream || !data.after_cursor) return;
            place = { cursor: data.after_cursor };
        }
    },
});
