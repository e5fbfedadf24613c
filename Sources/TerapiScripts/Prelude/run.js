// One run: its beginning, its modules, its calls to the server with their answers, and its end.
//
// What every run goes through is written plainly: the engine makes code of its own for each regular expression, each
// destructured list and each `map` in every run.
(function (host, native) {
    'use strict';
    const { hasOwn, keys } = Object;

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

    // MARK: What the prelude's parts add. What the script has set itself meanwhile stays.

    /// Adds to the script's object.
    host.offer = (members) => {
        for (const name of keys(members)) if (!hasOwn(host.context, name)) host.put(host.context, name, members[name], true);
    };

    // Where several runs share their globals, each gets by other means what is its own.
    if (host.isShared) {
        host.globals = {};
        host.provide = (members) => {
            for (const name of keys(members)) host.globals[name] = members[name];
        };
    }

    // MARK: Modules

    const { require: requireHost } = host;

    host.require = (name) => {
        if (hasOwn(host.shared, name)) return host.load(host.shared[name]);
        return name === 'terapi' || name === 'nango' ? host.terapiModule : requireHost(name);
    };

    /// The function that the module of a script exports for this run.
    const load = (define) => {
        const module = { exports: {} };
        define.call(module.exports, module.exports, host.require, module);
        const script = module.exports?.default ?? module.exports;
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
        host.begin();
        host.shared = shared;
        execute(define, input);
    };
})
