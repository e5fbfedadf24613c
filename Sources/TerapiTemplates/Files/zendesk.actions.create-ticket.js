'use strict';

const { createAction } = require('terapi');

module.exports = createAction({
    description: 'Opens a ticket',
    version: '1.0.0',
    scopes: ['tickets:write'],
    input: {
        type: 'object',
        required: ['title'],
        properties: {
            title: { type: 'string' },
            content: { type: 'string', description: 'The first message, plain text' },
            description: { type: 'string', description: 'The same as content' },
            priority: { enum: ['urgent', 'high', 'normal', 'low'] },
            labels: { type: 'array', items: { type: 'string' } },
            requester: {
                type: 'object',
                required: ['email'],
                properties: { name: { type: 'string' }, email: { type: 'string' } },
                description: 'Who asks for help; the owner of the connection where nobody is named',
            },
        },
    },
    output: {
        type: 'object',
        required: ['id'],
        properties: { id: { type: 'string' }, url: { type: 'string' }, status: { type: 'string' } },
    },
    exec: async (terapi, input) => {
        const { connection_config: config } = await terapi.getConnection();
        const { data } = await terapi.post({
            endpoint: '/api/v2/tickets.json',
            data: {
                ticket: {
                    subject: input.title,
                    comment: { body: input.content ?? input.description ?? input.title },
                    priority: input.priority,
                    tags: input.labels,
                    requester: input.requester,
                },
            },
        });
        const { id, status } = data.ticket;
        const url = config.subdomain ? `https://${config.subdomain}.zendesk.com/agent/tickets/${id}` : undefined;
        return { id: String(id), url, status };
    },
});
