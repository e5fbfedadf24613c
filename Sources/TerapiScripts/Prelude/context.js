// The object that `exec` gets.
(function (host) {
    'use strict';
    const { properties } = host.settings;
    if (properties.now !== undefined) host.freeze(Date.parse(properties.now));
    const call = (name, ...args) => {
        while (args.length > 0 && args[args.length - 1] === undefined) args.pop();
        return host.call(name, args.map((value) => (value === undefined ? null : value)));
    };
    const requests = { get: 'GET', post: 'POST', put: 'PUT', patch: 'PATCH', delete: 'DELETE', proxy: undefined };
    const passed = [
        'getConnection', 'getToken', 'getIntegration', 'getEnvironmentVariables', 'getWebhookURL', 'getFlowAttributes',
        'getMetadata', 'setMetadata', 'updateMetadata', 'getCheckpoint', 'saveCheckpoint', 'clearCheckpoint',
        'trackDeletesStart', 'trackDeletesEnd', 'deleteRecordsFromPreviousExecutions', 'setMergingStrategy',
        'triggerAction', 'triggerSync', 'startSync', 'tryAcquireLock', 'releaseLock', 'releaseAllLocks',
    ];

    const context = {
        connectionId: properties.connectionId,
        providerConfigKey: properties.providerConfigKey,
        provider: properties.provider,
        variant: properties.variant ?? 'base',
        lastSyncDate: properties.lastSyncDate ? new Date(properties.lastSyncDate) : null,
        ActionError: host.ActionError,
        paginate: (config) => {
            host.need('pagination');
            return host.paginate(config);
        },
        uncontrolledFetch: (config) => {
            host.need('fetch');
            return host.fetch(config);
        },
        batchSave: (list, model) => host.hand('save', list, model),
        batchUpdate: (list, model) => host.hand('update', list, model),
        batchDelete: (list, model) => host.hand('delete', list, model),

        async log(message, ...rest) {
            const isOptions = (value) => typeof value === 'object' && value !== null && typeof value.level === 'string';
            const options = rest.length > 0 && isOptions(rest[rest.length - 1]) ? rest.pop() : { level: 'info' };
            const [first] = rest;
            const isPlain = rest.length === 1 && typeof first === 'object' && first !== null && !Array.isArray(first) && !(first instanceof Error);
            const given = rest.filter((value) => value !== undefined && value !== null);
            const meta = given.length === 0 ? null : isPlain ? first : given[0] instanceof Error && given.length === 1 ? { error: first } : { meta: given };
            await host.log(host.text(message), meta, options.level);
        },
        setLogger() {},

        /// A Map by the ids as they were given.
        async getRecordsByIds(ids, model) {
            const found = new Map();
            for (let start = 0; start < ids.length; start += 100) {
                const asked = ids.slice(start, start + 100);
                const page = await host.call('getRecordsByIds', [asked.map(String), model]);
                for (const id of asked) if (Object.hasOwn(page, id)) found.set(id, page[id]);
            }
            return found;
        },

        async *listRecords(model, options) {
            let cursor = options?.cursor;
            do {
                const page = await host.call('listRecords', [model, cursor === undefined ? {} : { cursor }]);
                yield* page.records;
                cursor = page.next_cursor ?? undefined;
            } while (cursor !== undefined);
        },

        async zodValidateInput({ zodSchema, input }) {
            const parsed = await (zodSchema.safeParseAsync ?? zodSchema.safeParse).call(zodSchema, input);
            if (!parsed.success) {
                throw new host.ActionError({ message: 'The input is not valid.', issues: parsed.error.issues });
            }
            return parsed;
        },
    };
    for (const [name, method] of Object.entries(requests)) context[name] = (config) => host.send(config, method);
    for (const name of passed) context[name] = (...args) => call(name, ...args);
    host.context = context;
})
