(function (host) {
    'use strict';
    const { clock } = host;
    const timeOrigin = clock();
    host.provide({
        global: globalThis,
        performance: Object.freeze({ timeOrigin, now: () => clock() - timeOrigin }),
        queueMicrotask: (callback) => {
            if (typeof callback !== 'function') throw new TypeError('queueMicrotask needs a function.');
            Promise.resolve().then(() => callback());
        },
    });
})
