// What JavaScript programs expect around the language. Takes away what is risky.
(function (host) {
    'use strict';
    // Deleting them would cost more: the engine would make every constructor that it has put off.
    for (const name of ['WebAssembly', 'Atomics', 'SharedArrayBuffer']) Object.defineProperty(globalThis, name, { value: undefined });
    const waiting = Object.create(null);

    const define = (name, value) => {
        waiting[name] = false;
        Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
    };

    /// Puts a part's globals in place of the promises of them, except for what the script has set itself meanwhile.
    host.provide = (members) => {
        for (const name of Object.keys(members)) if (waiting[name]) define(name, members[name]);
    };

    const promise = (part, names) => {
        for (const name of names) {
            waiting[name] = true;
            Object.defineProperty(globalThis, name, {
                configurable: true,
                enumerable: false,
                get() {
                    host.need(part);
                    return globalThis[name];
                },
                set(value) {
                    define(name, value);
                },
            });
        }
    };
    promise('bytes', ['Buffer', 'TextEncoder', 'TextDecoder', 'atob', 'btoa']);
    promise('clone', ['structuredClone']);
    promise('console', ['console']);
    promise('crypto', ['crypto']);
    promise('events', ['DOMException', 'Event', 'EventTarget', 'AbortController', 'AbortSignal']);
    promise('fetch', ['Headers', 'Request', 'Response', 'fetch']);
    promise('timers', ['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate']);
    promise('url', ['URL', 'URLSearchParams']);

    /// A dryrun may stop the clock.
    host.freeze = (now) => {
        const Clock = Date;
        const Frozen = function Date(...args) {
            if (new.target === undefined) return new Clock(now).toString();
            return Reflect.construct(Clock, args.length === 0 ? [now] : args, new.target);
        };
        Frozen.prototype = Clock.prototype;
        Frozen.parse = Clock.parse;
        Frozen.UTC = Clock.UTC;
        Frozen.now = () => now;
        Object.defineProperty(Frozen, 'length', { value: 7 });
        Object.defineProperty(Clock.prototype, 'constructor', { value: Frozen, writable: true, configurable: true });
        define('Date', Frozen);
    };
    const clock = Date.now;
    const timeOrigin = clock();

    /// The end of a turn, and the timers that fire then.
    host.fire = (id) => (id === 0 ? host.lastTurn() : host.fireTimer(id));

    define('global', globalThis);
    define('performance', Object.freeze({ timeOrigin, now: () => clock() - timeOrigin }));
    define('queueMicrotask', (callback) => {
        if (typeof callback !== 'function') throw new TypeError('queueMicrotask needs a function.');
        Promise.resolve().then(() => callback());
    });
    host.clock = clock;
})
