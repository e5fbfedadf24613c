'use strict';

const { createAction } = require('terapi');

module.exports = createAction({
    description: 'Comments on an issue or a pull request',
    version: '1.0.0',
    scopes: ['repo'],
    input: {
        type: 'object',
        required: ['owner', 'repo', 'number', 'body'],
        properties: {
            owner: { type: 'string', description: 'Whose repository it is' },
            repo: { type: 'string' },
            number: { type: ['string', 'integer'], description: 'The number of the issue' },
            body: { type: 'string', description: 'Markdown' },
        },
    },
    output: {
        type: 'object',
        required: ['id', 'url'],
        properties: { id: { type: 'string' }, url: { type: 'string' } },
    },
    exec: async (terapi, input) => {
        const place = [input.owner, input.repo, 'issues', input.number].map(encodeURIComponent).join('/');
        const { data } = await terapi.post({
            endpoint: `/repos/${place}/comments`,
            headers: { Accept: 'application/vnd.github+json', 'X-GitHub-Api-Version': '2022-11-28' },
            data: { body: input.body },
        });
        return { id: String(data.id), url: data.html_url };
    },
});
