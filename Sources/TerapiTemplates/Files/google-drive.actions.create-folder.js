'use strict';

const { createAction } = require('terapi');

module.exports = createAction({
    description: 'Makes a folder',
    version: '1.0.0',
    scopes: ['https://www.googleapis.com/auth/drive.file'],
    input: {
        type: 'object',
        required: ['name'],
        properties: {
            name: { type: 'string' },
            parent_id: { type: 'string', description: 'The id of the folder to put it in' },
        },
    },
    output: { type: 'object', required: ['id'], properties: { id: { type: 'string' } } },
    exec: async (terapi, { name, parent_id: parent }) => {
        const { data } = await terapi.post({
            endpoint: '/drive/v3/files',
            params: { supportsAllDrives: true, fields: 'id' },
            data: { name, mimeType: 'application/vnd.google-apps.folder', parents: parent === undefined ? undefined : [parent] },
        });
        return { id: data.id };
    },
});
