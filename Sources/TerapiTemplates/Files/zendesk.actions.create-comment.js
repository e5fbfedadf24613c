'use strict';

const { createAction } = require('terapi');

module.exports = createAction({
    description: 'Answers on a ticket, or leaves a note for colleagues',
    version: '1.0.0',
    scopes: ['tickets:write'],
    input: {
        type: 'object',
        required: ['ticket_id', 'body'],
        properties: {
            ticket_id: { type: ['string', 'integer'] },
            body: { type: 'string', description: 'Plain text' },
            is_private: { type: 'boolean', description: 'Only for colleagues' },
        },
    },
    output: {
        type: 'object',
        required: ['ticket_id'],
        properties: { ticket_id: { type: 'string' }, status: { type: 'string' } },
    },
    exec: async (terapi, input) => {
        const { data } = await terapi.put({
            endpoint: `/api/v2/tickets/${encodeURIComponent(input.ticket_id)}.json`,
            data: { ticket: { comment: { body: input.body, public: !input.is_private } } },
        });
        return { ticket_id: String(data.ticket.id), status: data.ticket.status };
    },
});
