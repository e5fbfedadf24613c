(function (host, native) {
    'use strict';

    /// A timer as scripts know it from Node: it also passes for its number.
    class Timeout {
        #id;
        constructor(id) {
            this.#id = id;
        }

        ref() {
            return this;
        }

        unref() {
            return this;
        }

        hasRef() {
            return timers.has(this.#id);
        }

        refresh() {
            const timer = timers.get(this.#id);
            if (timer === undefined) return this;
            timers.delete(this.#id);
            this.#id = arm(timer);
            return this;
        }

        close() {
            stop(this);
        }

        [Symbol.toPrimitive]() {
            return this.#id;
        }
    }

    const timers = new Map();
    let lastTimer = 0;
    const start = (callback, delay, args, repeats) => {
        if (typeof callback !== 'function') throw new TypeError('A timer needs a function.');
        const wait = Math.min(Math.max(Number(delay) || 0, repeats ? 1 : 0), 2147483647);
        return new Timeout(arm({ callback, args, wait, repeats }));
    };
    const arm = (timer) => {
        const id = ++lastTimer;
        timers.set(id, timer);
        native.timer(id, timer.wait);
        return id;
    };
    const stop = (timer) => void timers.delete(Number(timer));
    host.fireTimer = (id) => {
        const timer = timers.get(id);
        if (timer === undefined) return;
        if (timer.repeats) native.timer(id, timer.wait);
        else timers.delete(id);
        const { callback, args } = timer;
        callback(...args);
    };

    host.setTimeout = (callback, delay, ...args) => start(callback, delay, args, false);
    host.provide({
        setTimeout: host.setTimeout,
        setInterval: (callback, delay, ...args) => start(callback, delay, args, true),
        setImmediate: (callback, ...args) => start(callback, 0, args, false),
        clearTimeout: stop,
        clearInterval: stop,
        clearImmediate: stop,
    });
})
