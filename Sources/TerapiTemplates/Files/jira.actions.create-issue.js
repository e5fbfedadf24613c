'use strict';

const { createAction } = require('terapi');

/** Plain text as a document in Atlassian's format. */
const documentOf = (text) => ({
    type: 'doc',
    version: 1,
    content: text.split('\n').map((line) => ({ type: 'paragraph', content: line === '' ? [] : [{ type: 'text', text: line }] })),
});

module.exports = createAction({
    description: 'Opens an issue in a project',
    version: '1.0.0',
    scopes: ['write:jira-work'],
    input: {
        type: 'object',
        required: ['project', 'title'],
        properties: {
            project: { type: 'string', description: 'The key of the project: SHOP' },
            title: { type: 'string', maxLength: 255 },
            description: { type: 'string', description: 'Plain text' },
            type: { type: 'string', description: 'The type of the issue; Task where none is given' },
            labels: { type: 'array', items: { type: 'string' } },
            due_at: { type: 'string', description: 'A date' },
        },
    },
    output: {
        type: 'object',
        required: ['id', 'number'],
        properties: { id: { type: 'string' }, number: { type: 'string' } },
    },
    exec: async (terapi, input) => {
        const { connection_config: config } = await terapi.getConnection();
        const base = config.cloudId ? `/ex/jira/${config.cloudId}` : '';
        const { data } = await terapi.post({
            endpoint: `${base}/rest/api/3/issue`,
            data: {
                fields: {
                    project: { key: input.project },
                    issuetype: { name: input.type ?? 'Task' },
                    summary: input.title,
                    description: input.description === undefined ? undefined : documentOf(input.description),
                    labels: input.labels,
                    duedate: input.due_at?.slice(0, 10),
                },
            },
        });
        return { id: data.id, number: data.key };
    },
});
