'use strict';

const { createAction } = require('terapi');

module.exports = createAction({
    description: 'Comments on an issue',
    version: '1.0.0',
    scopes: ['api'],
    input: {
        type: 'object',
        required: ['project_id', 'number', 'body'],
        properties: {
            project_id: { type: ['string', 'integer'], description: 'Id or path: acme/shop' },
            number: { type: ['string', 'integer'], description: 'The number of the issue in its project' },
            body: { type: 'string', description: 'Markdown' },
            is_private: { type: 'boolean', description: 'Only for members of the project' },
        },
    },
    output: { type: 'object', required: ['id'], properties: { id: { type: 'string' } } },
    exec: async (terapi, input) => {
        const place = [input.project_id, 'issues', input.number].map(encodeURIComponent).join('/');
        const { data } = await terapi.post({
            endpoint: `/api/v4/projects/${place}/notes`,
            data: { body: input.body, internal: input.is_private },
        });
        return { id: String(data.id) };
    },
});
