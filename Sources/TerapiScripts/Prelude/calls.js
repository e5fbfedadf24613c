// The calls of a script's object that the server answers.
(function (host) {
    'use strict';
    host.call = (name, args) => host.callPrinted(name, JSON.stringify(args));

    const names = [
        'getConnection', 'getToken', 'getIntegration', 'getEnvironmentVariables', 'getWebhookURL', 'getFlowAttributes',
        'getMetadata', 'setMetadata', 'updateMetadata', 'getCheckpoint', 'saveCheckpoint', 'clearCheckpoint',
        'trackDeletesStart', 'trackDeletesEnd', 'deleteRecordsFromPreviousExecutions', 'setMergingStrategy',
        'reportBackfill',
        'triggerAction', 'triggerSync', 'startSync', 'tryAcquireLock', 'releaseLock', 'releaseAllLocks',
    ];
    for (const name of names) {
        host.offer({
            [name]: (...args) => {
                while (args.length > 0 && args[args.length - 1] === undefined) args.pop();
                return host.call(name, args.map((value) => (value === undefined ? null : value)));
            },
        });
    }

    /// A Map by the ids as they were given.
    const getRecordsByIds = async (ids, model) => {
        const found = new Map();
        for (let start = 0; start < ids.length; start += 100) {
            const asked = ids.slice(start, start + 100);
            const page = await host.call('getRecordsByIds', [asked.map(String), model]);
            for (const id of asked) if (Object.hasOwn(page, id)) found.set(id, page[id]);
        }
        return found;
    };

    const listRecords = async function* (model, options) {
        let cursor = options?.cursor;
        do {
            const page = await host.call('listRecords', [model, cursor === undefined ? {} : { cursor }]);
            yield* page.records;
            cursor = page.next_cursor ?? undefined;
        } while (cursor !== undefined);
    };

    const zodValidateInput = async ({ zodSchema, input }) => {
        const parsed = await (zodSchema.safeParseAsync ?? zodSchema.safeParse).call(zodSchema, input);
        if (!parsed.success) {
            throw new host.ActionError({ message: 'The input is not valid.', issues: parsed.error.issues });
        }
        return parsed;
    };

    host.offer({ getRecordsByIds, listRecords, zodValidateInput });
})
