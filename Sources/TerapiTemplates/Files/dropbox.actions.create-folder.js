'use strict';

const { createAction } = require('terapi');

module.exports = createAction({
    description: 'Makes a folder',
    version: '1.0.0',
    scopes: ['files.content.write'],
    input: {
        type: 'object',
        required: ['path'],
        properties: { path: { type: 'string', pattern: '^/', description: 'The whole path: /Plans/2026' } },
    },
    output: {
        type: 'object',
        required: ['id', 'path'],
        properties: { id: { type: 'string', description: 'As the sync has it' }, path: { type: 'string' } },
    },
    exec: async (terapi, { path }) => {
        const { data } = await terapi.post({ endpoint: '/2/files/create_folder_v2', data: { path, autorename: false } });
        return { id: data.metadata.path_lower, path: data.metadata.path_display };
    },
});
