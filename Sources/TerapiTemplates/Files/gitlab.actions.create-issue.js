'use strict';

const { createAction } = require('terapi');

module.exports = createAction({
    description: 'Opens an issue in a project',
    version: '1.0.0',
    scopes: ['api'],
    input: {
        type: 'object',
        required: ['project_id', 'title'],
        properties: {
            project_id: { type: ['string', 'integer'], description: 'Id or path: acme/shop' },
            title: { type: 'string' },
            description: { type: 'string', description: 'Markdown' },
            labels: { type: 'array', items: { type: 'string' } },
            due_at: { type: 'string', description: 'A date' },
        },
    },
    output: {
        type: 'object',
        required: ['id', 'number', 'url'],
        properties: { id: { type: 'string' }, number: { type: 'string' }, url: { type: 'string' } },
    },
    exec: async (terapi, input) => {
        const { data } = await terapi.post({
            endpoint: `/api/v4/projects/${encodeURIComponent(input.project_id)}/issues`,
            data: {
                title: input.title,
                description: input.description,
                labels: input.labels?.join(','),
                due_date: input.due_at?.slice(0, 10),
            },
        });
        return { id: String(data.id), number: String(data.iid), url: data.web_url };
    },
});
