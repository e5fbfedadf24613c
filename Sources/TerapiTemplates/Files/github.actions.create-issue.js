'use strict';

const { createAction } = require('terapi');

module.exports = createAction({
    description: 'Opens an issue in a repository',
    version: '1.0.0',
    scopes: ['repo'],
    input: {
        type: 'object',
        required: ['owner', 'repo', 'title'],
        properties: {
            owner: { type: 'string', description: 'Whose repository it is' },
            repo: { type: 'string' },
            title: { type: 'string' },
            description: { type: 'string', description: 'Markdown' },
            labels: { type: 'array', items: { type: 'string' } },
            assignees: { type: 'array', items: { type: 'string' }, description: 'Names of accounts' },
        },
    },
    output: {
        type: 'object',
        required: ['id', 'number', 'url'],
        properties: { id: { type: 'string' }, number: { type: 'string' }, url: { type: 'string' } },
    },
    exec: async (terapi, input) => {
        const { owner, repo, title, description, labels, assignees } = input;
        const { data } = await terapi.post({
            endpoint: `/repos/${encodeURIComponent(owner)}/${encodeURIComponent(repo)}/issues`,
            headers: { Accept: 'application/vnd.github+json', 'X-GitHub-Api-Version': '2022-11-28' },
            data: { title, body: description, labels, assignees },
        });
        return { id: String(data.id), number: String(data.number), url: data.html_url };
    },
});
