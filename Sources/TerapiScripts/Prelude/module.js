// The module `terapi`, which is also `nango`.
(function (host) {
    'use strict';
    const declared = (type, name, config) => {
        if (typeof config?.exec !== 'function') throw new TypeError(`${name} needs a function "exec".`);
        return { type, ...config };
    };

    /// What scripts and expressions in YAML find under these names comes from another part, when it is asked for.
    host.mappingNames = Object.freeze([
        'convert', 'dateTime', 'later', 'localDate', 'lookup', 'number', 'offsetMinutes', 'person', 'plainText',
        'secondsBetween', 'sport',
    ]);
    const modelNames = [
        'activity', 'body', 'calendar_event', 'comment', 'company', 'contact', 'daily', 'file', 'sleep', 'ticket',
    ];

    const members = {
        createSync: (config) => declared('sync', 'createSync', config),
        createAction: (config) => declared('action', 'createAction', config),
        createOnEvent: (config) => declared('on-event', 'createOnEvent', config),
        get ActionError() {
            return host.ActionError;
        },
        get declaredSync() {
            return host.declaredSync;
        },
        /// The standard models, for `models`, `input` and `output`: the server knows what they say.
        get models() {
            const models = {};
            for (const name of modelNames) models[name] = Object.freeze({ $ref: `terapi:models/${name}` });
            return Object.freeze(models);
        },
    };
    for (const name of host.mappingNames) {
        Object.defineProperty(members, name, { enumerable: true, get: () => host.mapping[name] });
    }
    host.terapiModule = Object.freeze(members);
})
