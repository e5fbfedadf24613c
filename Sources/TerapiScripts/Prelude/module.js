// The module `terapi`, which is also `nango`.
(function (host) {
    'use strict';
    const declared = (type, name, config) => {
        if (typeof config?.exec !== 'function') throw new TypeError(`${name} needs a function "exec".`);
        return { type, ...config };
    };
    host.terapiModule = Object.freeze({
        createSync: (config) => declared('sync', 'createSync', config),
        createAction: (config) => declared('action', 'createAction', config),
        createOnEvent: (config) => declared('on-event', 'createOnEvent', config),
        get ActionError() {
            return host.ActionError;
        },
        get declaredSync() {
            return host.declaredSync;
        },
    });
})
