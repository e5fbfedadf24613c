'use strict';

const { createAction } = require('terapi');

const mutation = `mutation ($input: IssueCreateInput!) { issueCreate(input: $input) { success issue { id identifier url } } }`;

const priorities = { urgent: 1, high: 2, normal: 3, low: 4 };

const inputOf = ({ team_id: teamId, title, description, priority, due_at: due }) =>
    ({ teamId, title, description, priority: priorities[priority], dueDate: due?.slice(0, 10) });

module.exports = createAction({
    description: 'Opens an issue in a team',
    version: '1.0.0',
    scopes: ['issues:create'],
    input: {
        type: 'object',
        required: ['team_id', 'title'],
        properties: {
            team_id: { type: 'string' },
            title: { type: 'string' },
            description: { type: 'string', description: 'Markdown' },
            priority: { enum: ['urgent', 'high', 'normal', 'low'] },
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
            endpoint: '/graphql',
            data: { query: mutation, variables: { input: inputOf(input) } },
        });
        // Its refusals come with the status of a success.
        const found = data.data?.issueCreate;
        if (!found?.success) {
            const [error] = data.errors ?? [];
            throw new terapi.ActionError({
                type: 'linear_refused',
                message: error?.extensions?.userPresentableMessage ?? error?.message ?? 'Linear refused it.',
            });
        }
        return { id: found.issue.id, number: found.issue.identifier, url: found.issue.url };
    },
});
