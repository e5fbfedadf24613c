// The module `terapi`, which is also `nango`.
(function (host) {
    'use strict';
    const declared = (type, name) => (config) => {
        if (typeof config?.exec !== 'function') throw new TypeError(`${name} needs a function "exec".`);
        return { type, ...config };
    };
    host.terapiModule = Object.freeze({
        createSync: declared('sync', 'createSync'),
        createAction: declared('action', 'createAction'),
        createOnEvent: declared('on-event', 'createOnEvent'),
        get ActionError() {
            return host.ActionError;
        },
        get declaredSync() {
            return host.declaredSync;
        },
    });
})
