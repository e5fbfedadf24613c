// What a script's values and errors look like to people.
(function (host) {
    'use strict';
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

    const place = (error) => {
        const stack = typeof error?.stack === 'string' ? error.stack : '';
        for (const line of stack.split('\n')) {
            const at = line.lastIndexOf(host.settings.name + ':');
            if (at >= 0) return line.slice(at + host.settings.name.length + 1);
        }
        const isOurs = error?.sourceURL === host.settings.name;
        return isOurs ? `${error.line}${error.column === undefined ? '' : ':' + error.column}` : undefined;
    };

    const printable = (value) => {
        const printed = host.json(value);
        return printed === undefined ? undefined : JSON.parse(printed);
    };

    const responseOf = (error) => {
        if (error.response === undefined || typeof error.request !== 'string') return undefined;
        const { status, data } = error.response;
        const text = ArrayBuffer.isView(data) ? data.toString() : host.text(data);
        return { request: error.request, status, data: text.length > 2000 || ArrayBuffer.isView(data) ? text.slice(0, 2000) : data };
    };

    host.describe = (error) => {
        if (!isObject(error)) return { type: 'Error', message: host.text(error) };
        const payload = error.payload ?? responseOf(error);
        return {
            type: String(error.type ?? error.name ?? 'Error'),
            message: String(error.message || (payload?.message ?? '') || error.name || 'The script threw an object.'),
            payload: printable(payload),
            request: typeof error.request === 'string' ? error.request : undefined,
            location: place(error),
            call: host.callOf?.(error),
        };
    };
})
