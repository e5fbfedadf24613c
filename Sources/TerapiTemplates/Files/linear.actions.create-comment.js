'use strict';

const { createAction } = require('terapi');

const mutation = `mutation ($input: CommentCreateInput!) { commentCreate(input: $input) { success comment { id url } } }`;

module.exports = createAction({
    description: 'Comments on an issue',
    version: '1.0.0',
    scopes: ['comments:create'],
    input: {
        type: 'object',
        required: ['ticket_id', 'body'],
        properties: {
            ticket_id: { type: 'string', description: 'The id of the issue' },
            body: { type: 'string', description: 'Markdown' },
        },
    },
    output: {
        type: 'object',
        required: ['id'],
        properties: { id: { type: 'string' }, url: { type: 'string' } },
    },
    exec: async (terapi, input) => {
        const { data } = await terapi.post({
            endpoint: '/graphql',
            data: { query: mutation, variables: { input: { issueId: input.ticket_id, body: input.body } } },
        });
        // Its refusals come with the status of a success.
        const found = data.data?.commentCreate;
        if (!found?.success) {
            const [error] = data.errors ?? [];
            throw new terapi.ActionError({
                type: 'linear_refused',
                message: error?.extensions?.userPresentableMessage ?? error?.message ?? 'Linear refused it.',
            });
        }
        return { id: found.comment.id, url: found.comment.url };
    },
});
