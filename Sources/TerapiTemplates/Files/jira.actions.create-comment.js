'use strict';

const { createAction } = require('terapi');

/** Plain text as a document in Atlassian's format. */
const documentOf = (text) => ({
    type: 'doc',
    version: 1,
    content: text.split('\n').map((line) => ({ type: 'paragraph', content: line === '' ? [] : [{ type: 'text', text: line }] })),
});

module.exports = createAction({
    description: 'Comments on an issue',
    version: '1.0.0',
    scopes: ['write:jira-work'],
    input: {
        type: 'object',
        required: ['ticket_id', 'body'],
        properties: {
            ticket_id: { type: 'string', description: 'Id or key: SHOP-7' },
            body: { type: 'string', description: 'Plain text' },
        },
    },
    output: { type: 'object', required: ['id'], properties: { id: { type: 'string' } } },
    exec: async (terapi, input) => {
        const { connection_config: config } = await terapi.getConnection();
        const base = config.cloudId ? `/ex/jira/${config.cloudId}` : '';
        const { data } = await terapi.post({
            endpoint: `${base}/rest/api/3/issue/${encodeURIComponent(input.ticket_id)}/comment`,
            data: { body: documentOf(input.body) },
        });
        return { id: data.id };
    },
});
