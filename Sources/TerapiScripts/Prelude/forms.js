// Blob, File and FormData, and how a form with files stands in a body (RFC 7578).
(function (host) {
    'use strict';
    const { viewOf, isBytes } = host.bytes;
    const encode = (text) => new TextEncoder().encode(text);

    const joined = (parts) => {
        const whole = new Uint8Array(parts.reduce((count, part) => count + part.length, 0));
        let place = 0;
        for (const part of parts) {
            whole.set(part, place);
            place += part.length;
        }
        return whole;
    };

    const bound = (value, fallback, size) => {
        if (value === undefined) return fallback;
        const number = Math.trunc(Number(value)) || 0;
        return number < 0 ? Math.max(size + number, 0) : Math.min(number, size);
    };

    class Blob {
        #bytes;
        #type;

        constructor(parts = [], { type = '' } = {}) {
            if (typeof parts !== 'object' || parts === null || typeof parts[Symbol.iterator] !== 'function') {
                throw new TypeError('Blob needs a list of parts.');
            }
            this.#bytes = joined([...parts].map((part) =>
                part instanceof Blob ? part.#bytes : isBytes(part) ? viewOf(part) : encode(String(part))));
            this.#type = /[^\x20-\x7e]/.test(type) ? '' : String(type).toLowerCase();
        }

        static bytesOf(blob) {
            return blob.#bytes;
        }

        get size() {
            return this.#bytes.length;
        }

        get type() {
            return this.#type;
        }

        slice(start, end, type = '') {
            const first = bound(start, 0, this.size);
            return new Blob([this.#bytes.subarray(first, Math.max(bound(end, this.size, this.size), first))], { type });
        }

        async text() {
            return new TextDecoder().decode(this.#bytes);
        }

        async arrayBuffer() {
            return this.#bytes.slice().buffer;
        }

        async bytes() {
            return this.#bytes.slice();
        }

        get [Symbol.toStringTag]() {
            return 'Blob';
        }
    }

    const { bytesOf } = Blob;
    delete Blob.bytesOf;

    class File extends Blob {
        #name;
        #lastModified;

        constructor(parts, name, options = {}) {
            if (name === undefined) throw new TypeError('File needs parts and a name.');
            super(parts, options);
            this.#name = String(name);
            this.#lastModified = options.lastModified === undefined ? Date.now() : Math.trunc(Number(options.lastModified)) || 0;
        }

        get name() {
            return this.#name;
        }

        get lastModified() {
            return this.#lastModified;
        }

        get webkitRelativePath() {
            return '';
        }

        get [Symbol.toStringTag]() {
            return 'File';
        }
    }

    /// What a form keeps: text, or a file with a name.
    const entry = (args) => {
        const [name, value, fileName] = args;
        if (args.length < 2) throw new TypeError('A form\'s entry needs a name and a value.');
        if (!(value instanceof Blob)) {
            if (args.length > 2) throw new TypeError('A form\'s entry has a file name only when it is a Blob.');
            return [String(name), String(value)];
        }
        if (value instanceof File && fileName === undefined) return [String(name), value];
        const { type, lastModified } = value;
        return [String(name), new File([value], fileName ?? 'blob', { type, lastModified })];
    };

    class FormData {
        #entries = [];

        append(...args) {
            this.#entries.push(entry(args));
        }

        set(...args) {
            const added = entry(args);
            const place = this.#entries.findIndex(([name]) => name === added[0]);
            if (place < 0) return void this.#entries.push(added);
            this.#entries = this.#entries.filter(([name], index) => index <= place || name !== added[0]);
            this.#entries[place] = added;
        }

        delete(name) {
            this.#entries = this.#entries.filter(([known]) => known !== String(name));
        }

        get(name) {
            return this.getAll(name)[0] ?? null;
        }

        getAll(name) {
            return this.#entries.filter(([known]) => known === String(name)).map(([, value]) => value);
        }

        has(name) {
            return this.#entries.some(([known]) => known === String(name));
        }

        forEach(callback, receiver) {
            for (const [name, value] of this) callback.call(receiver, value, name, this);
        }

        *entries() {
            for (const [name, value] of this.#entries) yield [name, value];
        }

        *keys() {
            for (const [name] of this.#entries) yield name;
        }

        *values() {
            for (const [, value] of this.#entries) yield value;
        }

        [Symbol.iterator]() {
            return this.entries();
        }

        get [Symbol.toStringTag]() {
            return 'FormData';
        }
    }

    const breaks = (text) => text.replace(/\r\n|\r|\n/g, '\r\n');
    const quoted = (text) => `"${text.replace(/\n/g, '%0A').replace(/\r/g, '%0D').replace(/"/g, '%22')}"`;

    const multipart = (form) => {
        const boundary = `----formdata-${host.cryptoModule.randomUUID()}`;
        const parts = [];
        for (const [name, value] of form) {
            const head = `--${boundary}\r\nContent-Disposition: form-data; name=${quoted(breaks(name))}`;
            if (typeof value === 'string') {
                parts.push(encode(`${head}\r\n\r\n${breaks(value)}\r\n`));
            } else {
                const type = value.type || 'application/octet-stream';
                parts.push(encode(`${head}; filename=${quoted(value.name)}\r\nContent-Type: ${type}\r\n\r\n`), bytesOf(value), encode('\r\n'));
            }
        }
        return { body: joined([...parts, encode(`--${boundary}--\r\n`)]), type: `multipart/form-data; boundary=${boundary}` };
    };

    /// The bytes of a Blob or a form, and the content type that goes with them; undefined for anything else.
    host.formBody = (value) => {
        if (value instanceof FormData) return multipart(value);
        return value instanceof Blob ? { body: bytesOf(value), type: value.type } : undefined;
    };

    host.blobOf = (bytes, type) => new Blob([bytes], { type });

    host.provide({ Blob, File, FormData });
})
