// One run: its beginning, its modules, its calls to the server with their answers, and its end.
//
// What every run goes through is written plainly: the engine makes code of its own for each regular expression, each
// destructured list and each `map` in every run.
(function (host, native) {
    'use strict';
    const { defineProperty, getOwnPropertyDescriptor, hasOwn, keys } = Object;

    // MARK: Calls. Each gets a number; its answer settles the promise of that number.

    const waiting = new Map();
    const unfinished = new Map();
    let lastCall = 0;

    const promiseOf = (id) => new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));

    /// Calls that must have happened before the run may end, awaited by the script or not.
    const finishing = (id) => {
        const promise = promiseOf(id);
        unfinished.set(id, promise);
        return promise;
    };

    host.callPrinted = (name, args) => {
        const id = ++lastCall;
        const promise = finishing(id);
        native.call(id, name, args);
        return promise;
    };

    host.change = (header, lines) => {
        const id = ++lastCall;
        const promise = finishing(id);
        native.change(id, header, lines);
        return promise;
    };

    /// - Parameter form: how the answer's body is read: 0 as JSON if it can be, 1 as text, 2 as bytes.
    host.request = (meta, body, form = 0) => {
        const id = ++lastCall;
        const promise = promiseOf(id);
        native.request(id, JSON.stringify(meta), body, form);
        return promise;
    };

    const take = (id) => {
        const call = waiting.get(id);
        waiting.delete(id);
        unfinished.delete(id);
        return call;
    };

    host.resolve = (id, value) => take(id)?.resolve(value);
    host.reject = (id, failure) => take(id)?.reject(host.errorOf(id, failure));
    host.respond = (id, meta, data) => take(id)?.resolve({ status: meta.status, headers: meta.headers, data });

    // MARK: Members of the prelude's parts. What the script has set itself meanwhile stays.

    const put = (object, name, value, enumerable) =>
        defineProperty(object, name, { value, writable: true, configurable: true, enumerable });

    // What is risky. Some versions of the engine leave it out when they are told so.
    for (const name of ['WebAssembly', 'Atomics', 'SharedArrayBuffer']) {
        if (hasOwn(globalThis, name)) put(globalThis, name, undefined, false);
    }

    /// Adds to the script's object.
    host.offer = (members) => {
        for (const name of keys(members)) if (!hasOwn(host.context, name)) put(host.context, name, members[name], true);
    };

    // Known better as soon as a script has one in its hands.
    host.isURLSearchParams = () => false;
    host.formBody = () => undefined;

    const promised = new Map();
    let isRunning = false;

    /// The time of day, also where the script's own clock stands still.
    host.clock = Date.now;

    /// Globals whose part comes when the first of them is asked for. Before the script runs they also take the place of
    /// what the engine has under their names.
    /// - Parameter names: separated by commas
    host.promise = (names) => {
        for (const name of names.split(',')) {
            if (isRunning && hasOwn(globalThis, name)) continue;
            if (name === 'Date' || name === 'Intl') host[`Engine${name}`] = globalThis[name];
            const get = () => {
                native.provide(name);
                return globalThis[name];
            };
            promised.set(name, get);
            defineProperty(globalThis, name, {
                configurable: true, enumerable: false, get, set: (value) => put(globalThis, name, value, false),
            });
        }
    };

    /// Puts a part's globals in place of the promises of them.
    host.provide = (members) => {
        for (const name of keys(members)) {
            const found = getOwnPropertyDescriptor(globalThis, name);
            if (found !== undefined && (found.get === undefined || found.get !== promised.get(name))) continue;
            put(globalThis, name, members[name], false);
        }
    };

    // MARK: Modules

    const known = {
        terapi: 'terapiModule', nango: 'terapiModule', crypto: 'cryptoModule', url: 'urlModule', buffer: 'bufferModule',
    };
    const loaded = new Map();
    const run = (define) => {
        if (loaded.has(define)) return loaded.get(define).exports;
        const module = { exports: {} };
        loaded.set(define, module);
        define.call(module.exports, module.exports, host.require, module);
        return module.exports;
    };

    host.require = (name) => {
        if (hasOwn(host.shared, name)) return run(host.shared[name]);
        let own = String(name);
        if (own.startsWith('node:')) own = own.slice(5);
        if (hasOwn(known, own)) return host[known[own]];
        throw new Error(`The module "${name}" does not exist here. Scripts may require ${keys(known).join(', ')}.`);
    };

    /// The function that the module of a script exports for this run.
    const load = (define) => {
        const exports = run(define);
        const script = exports?.default ?? exports;
        const { kind, properties } = host.settings;
        if (kind === 'describe') return () => host.description(script);
        // A provider's webhook comes to the same script by another door.
        const { entry = 'exec' } = properties;
        if (typeof script === 'function' && entry === 'exec') return script;
        if (typeof script?.[entry] !== 'function') {
            if (script?.type !== undefined) throw new TypeError(`The script has no function "${entry}".`);
            throw new TypeError('The script exports nothing to run: expected `module.exports = createSync({ … })` or the like.');
        }
        if (script.type !== undefined && script.type !== kind) {
            throw new TypeError(`The script is declared as ${script.type} but runs as ${kind}.`);
        }
        return script[entry];
    };

    // MARK: Beginning and end

    let isOver = false;
    let lastTurn;
    const fail = (error) => {
        if (isOver) return;
        isOver = true;
        native.fail(JSON.stringify(host.describe(error)));
    };
    host.unhandled = (promise, reason) => fail(reason);
    host.fire = (id) => (id === 0 ? lastTurn() : host.fireTimer(id));

    const endOfTurn = (resolve) => {
        lastTurn = resolve;
        native.timer(0, 0);
    };

    const execute = async (define, input) => {
        try {
            const exec = load(define);
            const result = await exec(host.context, input);
            // A rejection that nobody heard is reported at the end of a turn: the run ends one turn later.
            await new Promise(endOfTurn);
            while (unfinished.size > 0) {
                await Promise.all(unfinished.values());
                await new Promise(endOfTurn);
            }
            if (isOver) return;
            const printed = host.settings.kind === 'sync' ? 'null' : JSON.stringify(result) ?? 'null';
            isOver = true;
            native.finish(printed);
        } catch (error) {
            fail(error);
        }
    };

    /// - Parameters:
    ///   - define: the module's text as a function.
    ///   - shared: what it shares with other scripts: functions of the same form, by name.
    host.start = (define, shared, input) => {
        isRunning = true;
        host.shared = shared;
        execute(define, input);
    };
})
