(function (host) {
    'use strict';
    const kinds = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
    const structuredClone = (value) => {
        const copies = new Map();
        const copy = (source) => {
            if (typeof source === 'function' || typeof source === 'symbol') {
                throw new DOMException(`A ${typeof source} cannot be cloned.`, 'DataCloneError');
            }
            if (typeof source !== 'object' || source === null) return source;
            if (copies.has(source)) return copies.get(source);
            const keep = (made) => {
                copies.set(source, made);
                return made;
            };
            if (source instanceof Date) return keep(new Date(source.getTime()));
            if (source instanceof RegExp) return keep(new RegExp(source.source, source.flags));
            if (source instanceof Boolean || source instanceof Number || source instanceof String) return keep(Object(source.valueOf()));
            if (source instanceof ArrayBuffer) return keep(source.slice(0));
            if (source instanceof DataView) return keep(new DataView(copy(source.buffer), source.byteOffset, source.byteLength));
            if (ArrayBuffer.isView(source)) return keep(new source.constructor(copy(source.buffer), source.byteOffset, source.length));
            if (source instanceof Map) {
                const made = keep(new Map());
                for (const [key, member] of [...source]) made.set(copy(key), copy(member));
                return made;
            }
            if (source instanceof Set) {
                const made = keep(new Set());
                for (const member of [...source]) made.add(copy(member));
                return made;
            }
            if (source instanceof Error) {
                const made = keep(new (kinds[source.name] ?? Error)(source.message));
                if (source.cause !== undefined) made.cause = copy(source.cause);
                Object.defineProperty(made, 'stack', { value: source.stack, writable: true, configurable: true });
                return made;
            }
            const made = keep(Array.isArray(source) ? new Array(source.length) : {});
            for (const key of Object.keys(source)) made[key] = copy(source[key]);
            return made;
        };
        return copy(value);
    };

    host.provide({ structuredClone });
})
