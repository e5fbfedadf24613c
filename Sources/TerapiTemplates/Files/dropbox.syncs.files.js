'use strict';

const { createSync, dateTime, models } = require('terapi');

const toFile = (entry) => ({
    id: entry.path_lower,
    name: entry.name,
    kind: entry['.tag'] === 'folder' ? 'folder' : 'file',
    size_bytes: entry.size,
    parent_id: entry.path_lower.slice(0, entry.path_lower.lastIndexOf('/')) || undefined,
    path: entry.path_display,
    checksum: entry.content_hash ? `dropbox:${entry.content_hash}` : undefined,
    version: entry.rev,
    web_url: `https://www.dropbox.com/home${encodeURI(entry.path_display)}`,
    download: entry['.tag'] === 'file' && entry.is_downloadable
        ? {
            method: 'POST',
            endpoint: '/2/files/download',
            base_url: 'https://content.dropboxapi.com',
            headers: { 'Dropbox-API-Arg': JSON.stringify({ path: entry.id }) },
        } : undefined,
    custom: { dropbox_id: entry.id },
    source_updated_at: dateTime(entry.server_modified),
});

/** What is deleted comes by its path alone, and a folder takes along what lies in it. */
const removed = async (terapi, paths) => {
    const gone = new Set(paths);
    for await (const { id } of terapi.listRecords('file')) {
        if (paths.some((path) => id.startsWith(`${path}/`))) gone.add(id);
    }
    return [...gone].map((id) => ({ id }));
};

const begin = { path: '', recursive: true, limit: 2000 };

module.exports = createSync({
    description: 'Files and folders, by their paths',
    version: '1.0.0',
    frequency: 'every 15 minutes',
    models: { file: models.file },
    scopes: ['files.metadata.read'],
    exec: async (terapi) => {
        const checkpoint = await terapi.getCheckpoint();
        let cursor = checkpoint?.cursor;
        // A first reading shows all that there is, and what there is no longer.
        let isFull = cursor === undefined;
        if (isFull) await terapi.trackDeletesStart('file');
        for (;;) {
            let data;
            try {
                ({ data } = await terapi.post(cursor === undefined
                    ? { endpoint: '/2/files/list_folder', data: begin, retries: 5 }
                    : { endpoint: '/2/files/list_folder/continue', data: { cursor }, retries: 5 }));
            } catch (error) {
                if (isFull || error.response?.status !== 409 || error.response.data?.error?.['.tag'] !== 'reset') throw error;
                await terapi.log('Dropbox has forgotten the place of the last reading: reading everything anew.');
                await terapi.clearCheckpoint();
                await terapi.trackDeletesStart('file');
                cursor = undefined;
                isFull = true;
                continue;
            }
            // In their order: a file may be deleted and come back.
            for (let index = 0; index < data.entries.length;) {
                const start = index;
                const isGone = data.entries[start]['.tag'] === 'deleted';
                while (index < data.entries.length && (data.entries[index]['.tag'] === 'deleted') === isGone) index++;
                const part = data.entries.slice(start, index);
                if (!isGone) await terapi.batchSave(part.map(toFile), 'file');
                else await terapi.batchDelete(await removed(terapi, part.map(({ path_lower: path }) => path)), 'file');
            }
            cursor = data.cursor;
            if (!isFull) await terapi.saveCheckpoint({ cursor });
            if (!data.has_more) break;
        }
        if (isFull) {
            await terapi.trackDeletesEnd('file');
            await terapi.saveCheckpoint({ cursor });
        }
    },
});
