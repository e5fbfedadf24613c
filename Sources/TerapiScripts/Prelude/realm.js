// What the runs of a realm have in common: means that keep nothing of a run.
(function (host, native) {
    'use strict';
    const { defineProperty, freeze, getOwnPropertyDescriptor, getOwnPropertyNames, hasOwn, keys } = Object;
    const isObject = (value) => (typeof value === 'object' || typeof value === 'function') && value !== null;

    host.put = (object, name, value, enumerable) =>
        defineProperty(object, name, { value, writable: true, configurable: true, enumerable });

    // What is risky. Some versions of the engine leave it out when they are told so.
    for (const name of ['WebAssembly', 'Atomics', 'SharedArrayBuffer']) {
        if (hasOwn(globalThis, name)) host.put(globalThis, name, undefined, false);
    }

    /// The time of day, also where a script's own clock stands still.
    host.clock = Date.now;

    // Known better as soon as a script has one in its hands.
    host.isURLSearchParams = () => false;
    host.formBody = () => undefined;

    // MARK: Globals. What the script has set itself meanwhile stays.

    const promised = new Map();
    const made = new Map();
    let isRunning = false;

    const putGlobal = (name, value) => {
        if (host.isShared && isObject(value) && value !== globalThis) freeze(value);
        host.put(globalThis, name, value, false);
    };

    /// From now on the globals are those of a script that has its realm for itself.
    host.begin = () => {
        isRunning = !host.isShared;
    };

    /// Globals whose part comes when the first of them is asked for. Before the script runs they also take the place of
    /// what the engine has under their names.
    /// - Parameter names: separated by commas
    host.promise = (names) => {
        for (const name of names.split(',')) {
            if (isRunning && hasOwn(globalThis, name)) continue;
            // Its part is in place already, for something else of it.
            if (made.has(name)) {
                putGlobal(name, made.get(name));
                continue;
            }
            if (name === 'Date' || name === 'Intl') host[`Engine${name}`] = globalThis[name];
            const get = () => {
                native.provide(name);
                return globalThis[name];
            };
            promised.set(name, get);
            defineProperty(globalThis, name, {
                configurable: true, enumerable: false, get, set: (value) => host.put(globalThis, name, value, false),
            });
        }
    };

    /// Puts a part's globals in place of the promises of them.
    host.provide = (members) => {
        for (const name of keys(members)) {
            made.set(name, members[name]);
            const found = getOwnPropertyDescriptor(globalThis, name);
            if (found !== undefined && (found.get === undefined || found.get !== promised.get(name))) continue;
            putGlobal(name, members[name]);
        }
    };

    // Scripts that name a prototype run elsewhere, so that this is all that a script could change for another.
    if (host.isShared) {
        for (const name of getOwnPropertyNames(globalThis)) {
            const { value } = getOwnPropertyDescriptor(globalThis, name);
            if (isObject(value) && value !== globalThis && name !== 'Date' && name !== 'Intl') freeze(value);
        }
    }

    // MARK: Modules

    const known = { crypto: 'cryptoModule', url: 'urlModule', buffer: 'bufferModule' };

    host.require = (name) => {
        let own = String(name);
        if (own.startsWith('node:')) own = own.slice(5);
        if (hasOwn(known, own)) return host[known[own]];
        throw new Error(`The module "${name}" does not exist here. Scripts may require terapi, nango, ${keys(known).join(', ')}.`);
    };

    const loaded = new Map();

    /// What a module that scripts share exports. It is evaluated when the first of them asks.
    host.load = (define) => {
        if (loaded.has(define)) return loaded.get(define).exports;
        const module = { exports: {} };
        loaded.set(define, module);
        define.call(module.exports, module.exports, host.require, module);
        return module.exports;
    };
})
