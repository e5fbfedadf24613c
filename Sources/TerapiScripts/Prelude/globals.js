// What JavaScript programs expect around the language: timers, text, base 64, cloning. Takes away what is risky.
(function (host, native) {
    'use strict';
    for (const name of ['WebAssembly', 'Atomics', 'SharedArrayBuffer']) delete globalThis[name];
    const define = (members) => {
        for (const [name, value] of Object.entries(members)) {
            Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
        }
    };

    const timers = new Map();
    let lastTimer = 0;
    const start = (callback, delay, args, repeats) => {
        if (typeof callback !== 'function') throw new TypeError('A timer needs a function.');
        const id = ++lastTimer;
        const wait = Math.min(Math.max(Number(delay) || 0, repeats ? 1 : 0), 2147483647);
        timers.set(id, { callback, args, wait, repeats });
        native.timer(id, wait);
        return id;
    };
    const stop = (id) => void timers.delete(id);
    host.fire = (id) => {
        if (id === 0) return host.lastTurn();
        const timer = timers.get(id);
        if (timer === undefined) return;
        if (timer.repeats) native.timer(id, timer.wait);
        else timers.delete(id);
        timer.callback(...timer.args);
    };

    class DOMException extends Error {
        constructor(message, name = 'Error') {
            super(message);
            Object.defineProperty(this, 'name', { value: name, configurable: true });
        }
    }

    class TextEncoder {
        get encoding() {
            return 'utf-8';
        }

        encode(text = '') {
            const source = String(text).toWellFormed();
            const bytes = new Uint8Array(source.length * 3);
            let end = 0;
            for (let index = 0; index < source.length; index++) {
                let unit = source.codePointAt(index);
                if (unit < 0x80) bytes[end++] = unit;
                else if (unit < 0x800) {
                    bytes[end++] = 0xc0 | (unit >> 6);
                    bytes[end++] = 0x80 | (unit & 63);
                } else if (unit < 0x10000) {
                    bytes[end++] = 0xe0 | (unit >> 12);
                    bytes[end++] = 0x80 | ((unit >> 6) & 63);
                    bytes[end++] = 0x80 | (unit & 63);
                } else {
                    index++;
                    bytes[end++] = 0xf0 | (unit >> 18);
                    bytes[end++] = 0x80 | ((unit >> 12) & 63);
                    bytes[end++] = 0x80 | ((unit >> 6) & 63);
                    bytes[end++] = 0x80 | (unit & 63);
                }
            }
            return bytes.slice(0, end);
        }
    }

    class TextDecoder {
        #fatal;
        #keepsMark;
        constructor(label = 'utf-8', options = {}) {
            if (!/^\s*(utf-?8|unicode-1-1-utf-8)\s*$/i.test(label)) throw new RangeError(`The encoding "${label}" is not known here.`);
            this.#fatal = Boolean(options.fatal);
            this.#keepsMark = Boolean(options.ignoreBOM);
        }

        get encoding() {
            return 'utf-8';
        }

        get fatal() {
            return this.#fatal;
        }

        decode(input = new Uint8Array()) {
            const bytes = ArrayBuffer.isView(input)
                ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength) : new Uint8Array(input);
            let text = '';
            let index = 0;
            const bad = () => {
                if (this.#fatal) throw new TypeError('The bytes are not UTF-8.');
                return 0xfffd;
            };
            while (index < bytes.length) {
                const first = bytes[index++];
                let point = first;
                if (first >= 0x80) {
                    const count = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0;
                    point = count === 0 ? bad() : first & (0x3f >> count);
                    for (let step = 0; step < count; step++) {
                        const next = bytes[index];
                        // The first continuation byte also rules out overlong forms, surrogates and too large values.
                        const low = step > 0 ? 0x80 : first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
                        const high = step > 0 ? 0xbf : first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
                        if (next === undefined || next < low || next > high) {
                            point = bad();
                            break;
                        }
                        point = (point << 6) | (next & 0x3f);
                        index++;
                    }
                }
                text += String.fromCodePoint(point);
            }
            return !this.#keepsMark && text.startsWith('\ufeff') ? text.slice(1) : text;
        }
    }

    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
    const btoa = (value) => {
        const text = String(value);
        let out = '';
        for (let index = 0; index < text.length; index += 3) {
            const units = [text.charCodeAt(index), text.charCodeAt(index + 1), text.charCodeAt(index + 2)];
            if (units.some((unit) => unit > 255)) throw new DOMException('btoa takes only characters up to U+00FF.', 'InvalidCharacterError');
            const bits = (units[0] << 16) | ((units[1] || 0) << 8) | (units[2] || 0);
            out += alphabet[bits >> 18] + alphabet[(bits >> 12) & 63];
            out += index + 1 < text.length ? alphabet[(bits >> 6) & 63] : '=';
            out += index + 2 < text.length ? alphabet[bits & 63] : '=';
        }
        return out;
    };
    const atob = (value) => {
        let text = String(value).replace(/[\t\n\f\r ]/g, '');
        if (text.length % 4 === 0) text = text.replace(/==?$/, '');
        if (text.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(text)) throw new DOMException('The text is not base 64.', 'InvalidCharacterError');
        let out = '';
        let bits = 0;
        let count = 0;
        for (const letter of text) {
            bits = ((bits << 6) | alphabet.indexOf(letter)) & 0xffffff;
            count += 6;
            if (count >= 8) {
                count -= 8;
                out += String.fromCharCode((bits >> count) & 255);
            }
        }
        return out;
    };

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
                const made = keep(new Error(source.message));
                made.name = source.name;
                made.stack = source.stack;
                return made;
            }
            const made = keep(Array.isArray(source) ? new Array(source.length) : {});
            for (const key of Object.keys(source)) made[key] = copy(source[key]);
            return made;
        };
        return copy(value);
    };

    host.console = {};
    define({
        global: globalThis,
        console: host.console,
        setTimeout: (callback, delay, ...args) => start(callback, delay, args, false),
        setInterval: (callback, delay, ...args) => start(callback, delay, args, true),
        clearTimeout: stop,
        clearInterval: stop,
        queueMicrotask: (callback) => void Promise.resolve().then(() => callback()),
        DOMException,
        TextEncoder,
        TextDecoder,
        atob,
        btoa,
        structuredClone,
    });
})
