// The object that `exec` gets.
(function (host) {
    'use strict';
    const { properties } = host.settings;
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
        paginate: host.paginate,
        uncontrolledFetch: host.fetch,
        batchSave: (list, model) => host.hand('save', list, model),
        batchUpdate: (list, model) => host.hand('update', list, model),
        batchDelete: (list, model) => host.hand('delete', list, model),

        log(message, ...rest) {
            const isOptions = (value) => typeof value === 'object' && value !== null && typeof value.level === 'string';
            const options = rest.length > 0 && isOptions(rest[rest.length - 1]) ? rest.pop() : { level: 'info' };
            const text = typeof message === 'string' ? message : JSON.stringify(message) ?? String(message);
            return host.call('log', [text, rest.length > 1 ? rest : rest[0] ?? null, { level: options.level }]);
        },

        async getRecordsByIds(ids, model) {
            const found = new Map();
            for (let start = 0; start < ids.length; start += 100) {
                const page = await host.call('getRecordsByIds', [ids.slice(start, start + 100).map(String), model]);
                for (const [id, record] of Object.entries(page)) found.set(id, record);
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
            const parsed = await zodSchema.safeParseAsync(input);
            if (!parsed.success) {
                throw new host.ActionError({ message: 'The input is not valid.', issues: parsed.error.issues });
            }
            return parsed;
        },
    };
    for (const [name, method] of Object.entries(requests)) context[name] = (config) => host.send(config, method);
    for (const name of passed) context[name] = (...args) => call(name, ...args);
    host.context = Object.freeze(context);

    for (const [name, level] of Object.entries({ debug: 'debug', log: 'info', info: 'info', warn: 'warn', error: 'error' })) {
        host.console[name] = (...values) => {
            const text = values.map((value) => {
                if (value instanceof Error) return `${value.name}: ${value.message}`;
                return typeof value === 'string' ? value : JSON.stringify(value) ?? String(value);
            });
            host.call('log', [text.join(' '), null, { level }]).catch(() => {});
        };
    }
})
