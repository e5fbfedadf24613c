// The script's side of the frame protocol: every call gets a number; its answer settles the promise of that number.
(function (host, native) {
    'use strict';
    const waiting = new Map();
    const unfinished = new Map();
    const callOfError = new WeakMap();
    const loaded = Object.create(null);
    let lastCall = 0;

    /// Puts a part of the prelude in place that not every script needs.
    host.need = (part) => {
        if (loaded[part]) return;
        loaded[part] = true;
        native.part(part)(host, native);
    };

    const promiseOf = (id) => new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));

    /// Calls that must have happened before the run may end, awaited by the script or not.
    const finishing = (id) => {
        const promise = promiseOf(id);
        unfinished.set(id, promise);
        return promise;
    };

    host.call = (name, args) => callPrinted(name, JSON.stringify(args));

    const callPrinted = (name, args) => {
        const id = ++lastCall;
        const promise = finishing(id);
        native.call(id, name, args);
        return promise;
    };

    /// A line of the run's log; whatever the values are, writing them down does not fail the run.
    host.log = (message, meta, level) =>
        callPrinted('log', `[${JSON.stringify(message)},${host.json(meta) ?? null},${JSON.stringify({ level })}]`);

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

    host.reject = (id, failure) => {
        const error = new Error(failure.message);
        error.name = 'TerapiError';
        error.code = failure.code;
        error.type = failure.code;
        if (failure.payload !== undefined) error.payload = failure.payload;
        callOfError.set(error, id);
        take(id)?.reject(error);
    };

    host.respond = (id, meta, data) => take(id)?.resolve({ status: meta.status, headers: meta.headers, data });

    const place = (error) => {
        const stack = typeof error?.stack === 'string' ? error.stack : '';
        for (const line of stack.split('\n')) {
            const at = line.lastIndexOf(host.settings.name + ':');
            if (at >= 0) return line.slice(at + host.settings.name.length + 1);
        }
        const isOurs = error?.sourceURL === host.settings.name;
        return isOurs ? `${error.line}${error.column === undefined ? '' : ':' + error.column}` : undefined;
    };

    const isObject = (value) => typeof value === 'object' && value !== null;

    /// What is written down of a value that JSON has no form for.
    const plain = (value) => {
        if (typeof value === 'bigint') return String(value);
        if (value instanceof Error) {
            const { name, message, cause } = value;
            return cause === undefined ? { name, message, ...value } : { name, message, cause, ...value };
        }
        if (value instanceof Map) return [...value];
        if (value instanceof Set) return [...value];
        return value;
    };

    /// JSON for people: errors, maps, sets and big numbers too, and circles broken.
    host.json = (value) => {
        const above = [];
        try {
            return JSON.stringify(value, function (key, member) {
                const shown = plain(member);
                if (!isObject(shown)) return shown;
                while (above.length > 0 && above[above.length - 1] !== this) above.pop();
                if (above.includes(shown)) return '[circular]';
                above.push(shown);
                return shown;
            });
        } catch {
            return JSON.stringify(Object.prototype.toString.call(value));
        }
    };

    host.text = (value) => {
        if (typeof value === 'string') return value;
        if (value instanceof Error) return `${value.name}: ${value.message}`;
        return host.json(value) ?? String(value);
    };

    const printable = (value) => {
        const printed = host.json(value);
        return printed === undefined ? undefined : JSON.parse(printed);
    };

    host.describe = (error) => {
        if (!isObject(error)) return { type: 'Error', message: host.text(error) };
        const payload = error.payload ?? host.responseOf?.(error);
        return {
            type: String(error.type ?? error.name ?? 'Error'),
            message: String(error.message || (payload?.message ?? '') || error.name || 'The script threw an object.'),
            payload: printable(payload),
            request: typeof error.request === 'string' ? error.request : undefined,
            location: place(error),
            call: callOfError.get(error),
        };
    };

    let isOver = false;
    const fail = (error) => {
        if (isOver) return;
        isOver = true;
        native.fail(JSON.stringify(host.describe(error)));
    };
    host.unhandled = (promise, reason) => fail(reason);

    host.start = (load, input) => {
        const run = async () => {
            const exec = load();
            const result = await exec(host.context, input);
            do {
                // A rejection that nobody heard is reported at the end of a turn: the run ends one turn later.
                await new Promise((resolve) => {
                    host.lastTurn = resolve;
                    native.timer(0, 0);
                });
                await Promise.all(unfinished.values());
            } while (unfinished.size > 0);
            return result;
        };
        run().then((result) => {
            if (isOver) return;
            const printed = host.settings.kind === 'sync' ? 'null' : JSON.stringify(result) ?? 'null';
            isOver = true;
            native.finish(printed);
        }).catch(fail);
    };
})
