// Bytes and texts: Node's Buffer, and what browsers have. The conversions are native.
(function (host, native) {
    'use strict';
    const encodings = {
        utf8: 'utf8', 'utf-8': 'utf8', hex: 'hex', base64: 'base64', base64url: 'base64url', latin1: 'latin1', binary: 'latin1',
        ascii: 'ascii', utf16le: 'utf16le', 'utf-16le': 'utf16le', ucs2: 'utf16le', 'ucs-2': 'utf16le',
    };
    const named = (encoding = 'utf8') => {
        const known = encodings[String(encoding).toLowerCase()];
        if (known === undefined) throw coded(new TypeError(`Unknown encoding: ${encoding}`), 'ERR_UNKNOWN_ENCODING');
        return known;
    };
    const coded = (error, code) => Object.assign(error, { code });
    const outOfRange = (name, value) =>
        coded(new RangeError(`The value of "${name}" is out of range. Received ${value}`), 'ERR_OUT_OF_RANGE');
    const wrongType = (name, value) =>
        coded(new TypeError(`The "${name}" argument must be of another type. Received ${value === null ? 'null' : typeof value}`), 'ERR_INVALID_ARG_TYPE');
    const isBytes = (value) => value instanceof ArrayBuffer || ArrayBuffer.isView(value);
    const viewOf = (value) =>
        ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value);
    const encode = (text, encoding) => native.encode(String(text), named(encoding));
    const index = (value, fallback, length) => {
        if (value === undefined) return fallback;
        const number = Math.trunc(Number(value)) || 0;
        return Math.min(Math.max(number < 0 ? number + length : number, 0), length);
    };
    /// Like `index`, but what is negative is the start.
    const bound = (value, fallback, length) => {
        if (value === undefined) return fallback;
        return Math.min(Math.max(Math.trunc(Number(value)) || 0, 0), length);
    };
    const size = (value) => {
        if (typeof value !== 'number') throw wrongType('size', value);
        if (!(value >= 0 && value <= 4294967296)) throw outOfRange('size', value);
        return value;
    };
    const compare = (left, right) => {
        const count = Math.min(left.length, right.length);
        for (let place = 0; place < count; place++) if (left[place] !== right[place]) return left[place] < right[place] ? -1 : 1;
        return Math.sign(left.length - right.length);
    };

    class Buffer extends Uint8Array {
        constructor(value, second, third) {
            if (typeof value === 'string') {
                const bytes = encode(value, second);
                super(bytes.buffer, bytes.byteOffset, bytes.length);
            } else if (value instanceof ArrayBuffer) super(value, second, third);
            else super(value);
        }

        static from(value, second, third) {
            if (typeof value === 'string') return over(encode(value, second));
            if (value instanceof ArrayBuffer) return new Buffer(value, second, third);
            if (typeof value === 'object' && value !== null) {
                if (ArrayBuffer.isView(value)) return new Buffer(value);
                const plain = value.valueOf?.();
                if (plain !== undefined && plain !== null && plain !== value) return Buffer.from(plain, second, third);
                if (value.type === 'Buffer' && Array.isArray(value.data)) return new Buffer(value.data);
                if (value.length !== undefined) return new Buffer(Array.from(value));
                if (typeof value[Symbol.toPrimitive] === 'function') return Buffer.from(value[Symbol.toPrimitive]('string'), second, third);
            }
            throw wrongType('first', value);
        }

        static of(...bytes) {
            return new Buffer(bytes);
        }

        static alloc(count, fill, encoding) {
            const made = new Buffer(size(count));
            return fill === undefined || fill === 0 || count === 0 ? made : made.fill(fill, encoding);
        }

        static allocUnsafe(count) {
            return new Buffer(size(count));
        }

        static allocUnsafeSlow(count) {
            return new Buffer(size(count));
        }

        static isBuffer(value) {
            return value instanceof Buffer;
        }

        static isEncoding(encoding) {
            return typeof encoding === 'string' && Object.hasOwn(encodings, encoding.toLowerCase());
        }

        static byteLength(value, encoding) {
            if (isBytes(value)) return value.byteLength;
            if (typeof value !== 'string') throw wrongType('string', value);
            // Node counts what the letters of base 64 would be, also those that are none.
            if (/^base64/.test(named(encoding))) {
                const padding = value.endsWith('==') ? 2 : value.endsWith('=') ? 1 : 0;
                return ((value.length - padding) * 3) >>> 2;
            }
            if (named(encoding) === 'hex') return value.length >>> 1;
            return encode(value, encoding).length;
        }

        static compare(left, right) {
            for (const side of [left, right]) if (!(side instanceof Uint8Array)) throw wrongType('buf', side);
            return compare(left, right);
        }

        static concat(list, total) {
            if (!Array.isArray(list)) throw wrongType('list', list);
            for (const part of list) if (!(part instanceof Uint8Array)) throw wrongType('list', part);
            const count = total === undefined ? list.reduce((sum, part) => sum + part.length, 0) : bound(total, 0, Infinity);
            const made = new Buffer(count);
            let end = 0;
            for (const part of list) {
                if (end >= count) break;
                made.set(end + part.length > count ? part.subarray(0, count - end) : part, end);
                end += part.length;
            }
            return made;
        }

        get parent() {
            return this.buffer;
        }

        get offset() {
            return this.byteOffset;
        }

        toString(encoding, start, end) {
            const first = bound(start, 0, this.length);
            const last = bound(end, this.length, this.length);
            if (first >= last) return named(encoding) && '';
            return native.decode(this.subarray(first, last), named(encoding), false);
        }

        toLocaleString(encoding, start, end) {
            return this.toString(encoding, start, end);
        }

        toJSON() {
            return { type: 'Buffer', data: Array.from(this) };
        }

        slice(start, end) {
            return this.subarray(start, end);
        }

        subarray(start, end) {
            const first = index(start, 0, this.length);
            const last = Math.max(index(end, this.length, this.length), first);
            return new Buffer(this.buffer, this.byteOffset + first, last - first);
        }

        equals(other) {
            if (!(other instanceof Uint8Array)) throw wrongType('otherBuffer', other);
            return compare(this, other) === 0;
        }

        compare(target, targetStart, targetEnd, start, end) {
            if (!(target instanceof Uint8Array)) throw wrongType('target', target);
            const other = viewOf(target).subarray(bound(targetStart, 0, target.length), bound(targetEnd, target.length, target.length));
            return compare(this.subarray(bound(start, 0, this.length), bound(end, this.length, this.length)), other);
        }

        copy(target, targetStart, start, end) {
            const place = bound(targetStart, 0, target.length);
            const part = this.subarray(bound(start, 0, this.length), bound(end, this.length, this.length));
            const count = Math.min(part.length, target.length - place);
            target.set(part.subarray(0, count), place);
            return count;
        }

        write(text, offset, length, encoding) {
            if (typeof offset === 'string') [encoding, offset, length] = [offset, undefined, undefined];
            else if (typeof length === 'string') [encoding, length] = [length, undefined];
            const start = offset ?? 0;
            if (start < 0 || start > this.length) throw outOfRange('offset', offset);
            const room = Math.min(length ?? this.length, this.length - start);
            let bytes = encode(text, encoding);
            if (bytes.length > room) {
                let end = room;
                // Half a character is not written.
                if (named(encoding) === 'utf8') while (end > 0 && (bytes[end] & 0xc0) === 0x80) end--;
                if (named(encoding) === 'utf16le') end -= end % 2;
                bytes = bytes.subarray(0, end);
            }
            this.set(bytes, start);
            return bytes.length;
        }

        fill(value, start, end, encoding) {
            if (typeof start === 'string') [encoding, start, end] = [start, undefined, undefined];
            else if (typeof end === 'string') [encoding, end] = [end, undefined];
            const first = start ?? 0;
            const last = end ?? this.length;
            if (first < 0) throw outOfRange('offset', first);
            if (last < 0 || last > this.length) throw outOfRange('end', last);
            if (first >= last) return this;
            if (typeof value === 'number' || typeof value === 'boolean') return super.fill(Number(value) & 255, first, last);
            const bytes = typeof value === 'string' ? encode(value, encoding) : viewOf(value);
            if (bytes.length === 0) {
                if (value.length > 0) throw coded(new TypeError(`The argument 'value' is invalid. Received '${value}'`), 'ERR_INVALID_ARG_VALUE');
                return super.fill(0, first, last);
            }
            for (let place = first; place < last; place++) this[place] = bytes[(place - first) % bytes.length];
            return this;
        }

        indexOf(value, offset, encoding) {
            return find(this, value, offset, encoding, true);
        }

        lastIndexOf(value, offset, encoding) {
            return find(this, value, offset, encoding, false);
        }

        includes(value, offset, encoding) {
            return this.indexOf(value, offset, encoding) >= 0;
        }

        readUIntBE(offset, count) {
            let value = 0;
            for (let place = 0; place < count; place++) value = value * 256 + this[checked(this, offset, count) + place];
            return value;
        }

        readUIntLE(offset, count) {
            let value = 0;
            for (let place = count - 1; place >= 0; place--) value = value * 256 + this[checked(this, offset, count) + place];
            return value;
        }

        readIntBE(offset, count) {
            const value = this.readUIntBE(offset, count);
            return value >= 2 ** (8 * count - 1) ? value - 2 ** (8 * count) : value;
        }

        readIntLE(offset, count) {
            const value = this.readUIntLE(offset, count);
            return value >= 2 ** (8 * count - 1) ? value - 2 ** (8 * count) : value;
        }

        writeUIntBE(value, offset, count) {
            return store(this, value, offset, count, (place) => count - 1 - place, 0, 2 ** (8 * count) - 1);
        }

        writeUIntLE(value, offset, count) {
            return store(this, value, offset, count, (place) => place, 0, 2 ** (8 * count) - 1);
        }

        writeIntBE(value, offset, count) {
            return store(this, value, offset, count, (place) => count - 1 - place, -(2 ** (8 * count - 1)), 2 ** (8 * count - 1) - 1);
        }

        writeIntLE(value, offset, count) {
            return store(this, value, offset, count, (place) => place, -(2 ** (8 * count - 1)), 2 ** (8 * count - 1) - 1);
        }

        swap16() {
            return swap(this, 2);
        }

        swap32() {
            return swap(this, 4);
        }

        swap64() {
            return swap(this, 8);
        }
    }

    /// A Buffer on the memory of bytes that nobody else has.
    const over = (bytes) => new Buffer(bytes.buffer, bytes.byteOffset, bytes.byteLength);

    const checked = (buffer, offset, count) => {
        if (typeof offset !== 'number') throw wrongType('offset', offset);
        if (!Number.isInteger(offset) || offset < 0 || offset + count > buffer.length) {
            if (buffer.length < count) throw coded(new RangeError('Attempt to access memory outside buffer bounds'), 'ERR_BUFFER_OUT_OF_BOUNDS');
            throw outOfRange('offset', offset);
        }
        return offset;
    };

    const store = (buffer, value, offset, count, placeOf, least, most) => {
        let rest = Math.trunc(Number(value));
        if (rest < least || rest > most) throw outOfRange('value', value);
        const start = checked(buffer, offset, count);
        for (let place = 0; place < count; place++) {
            buffer[start + placeOf(place)] = ((rest % 256) + 256) % 256;
            rest = Math.floor(rest / 256);
        }
        return offset + count;
    };

    const swap = (buffer, count) => {
        if (buffer.length % count !== 0) throw coded(new RangeError(`Buffer size must be a multiple of ${count * 8}-bits`), 'ERR_INVALID_BUFFER_SIZE');
        for (let start = 0; start < buffer.length; start += count) Uint8Array.prototype.reverse.call(buffer.subarray(start, start + count));
        return buffer;
    };

    const find = (buffer, value, offset, encoding, forwards) => {
        if (typeof offset === 'string') [encoding, offset] = [offset, undefined];
        const sought = typeof value === 'number' ? Uint8Array.of(value & 255) : typeof value === 'string' ? encode(value, encoding)
            : value instanceof Uint8Array ? value : undefined;
        if (sought === undefined) throw wrongType('value', value);
        const length = buffer.length;
        const given = Math.trunc(Number(offset));
        let place = Number.isNaN(given) ? (forwards ? 0 : length) : given < 0 ? given + length : given;
        if (forwards) {
            if (sought.length === 0) return Math.min(Math.max(place, 0), length);
            for (place = Math.max(place, 0); place + sought.length <= length; place++) {
                let count = 0;
                while (count < sought.length && buffer[place + count] === sought[count]) count++;
                if (count === sought.length) return place;
            }
            return -1;
        }
        if (place < 0) return -1;
        for (place = Math.min(place, length - sought.length); place >= 0; place--) {
            let count = 0;
            while (count < sought.length && buffer[place + count] === sought[count]) count++;
            if (count === sought.length) return place;
        }
        return -1;
    };

    const numbers = {
        UInt8: 1, Int8: 1, UInt16: 2, Int16: 2, UInt32: 4, Int32: 4, Float: 4, Double: 8, BigUInt64: 8, BigInt64: 8,
    };
    const methods = {};
    for (const [name, count] of Object.entries(numbers)) {
        const suffix = { Float: 'Float32', Double: 'Float64', UInt8: 'Uint8', UInt16: 'Uint16', UInt32: 'Uint32', BigUInt64: 'BigUint64' }[name] ?? name;
        const isBig = name.startsWith('Big');
        const isInteger = !/^[FD]/.test(name);
        const one = isBig ? 1n : 1;
        const bits = isBig ? BigInt(count * 8) : count * 8;
        const two = isBig ? 2n : 2;
        const least = name.includes('UInt') ? one - one : -(two ** (bits - one));
        const most = name.includes('UInt') ? two ** bits - one : two ** (bits - one) - one;
        for (const order of count === 1 ? [''] : ['LE', 'BE']) {
            const isLittle = order === 'LE';
            methods[`read${name}${order}`] = function (offset = 0) {
                const start = checked(this, offset, count);
                return new DataView(this.buffer, this.byteOffset, this.length)[`get${suffix}`](start, isLittle);
            };
            methods[`write${name}${order}`] = function (value, offset = 0) {
                if (isBig && typeof value !== 'bigint') throw wrongType('value', value);
                if (isInteger && (value < least || value > most)) throw outOfRange('value', value);
                const start = checked(this, offset, count);
                new DataView(this.buffer, this.byteOffset, this.length)[`set${suffix}`](start, value, isLittle);
                return offset + count;
            };
        }
    }
    for (const name of Object.keys(methods)) {
        Object.defineProperty(Buffer.prototype, name, { value: methods[name], writable: true, configurable: true });
    }
    for (const name of Object.getOwnPropertyNames(Buffer.prototype)) {
        // Node knows each of these by two names.
        if (!/^(read|write)(Big)?UInt/.test(name)) continue;
        const value = Buffer.prototype[name];
        Object.defineProperty(Buffer.prototype, name.replace('UInt', 'Uint'), { value, writable: true, configurable: true });
    }
    Buffer.poolSize = 8192;

    class TextEncoder {
        get encoding() {
            return 'utf-8';
        }

        encode(text = '') {
            return native.encode(String(text), 'utf8');
        }

        encodeInto(text, target) {
            let read = 0;
            let written = 0;
            for (const letter of String(text)) {
                const bytes = native.encode(letter, 'utf8');
                if (written + bytes.length > target.length) break;
                target.set(bytes, written);
                read += letter.length;
                written += bytes.length;
            }
            return { read, written };
        }
    }

    /// How many bytes at the end are the beginning of a character.
    const unfinished = (bytes) => {
        for (let count = 1; count <= Math.min(3, bytes.length); count++) {
            const byte = bytes[bytes.length - count];
            if ((byte & 0xc0) === 0x80) continue;
            const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
            return length > count ? count : 0;
        }
        return 0;
    };

    // What Windows has where Latin 1 has control characters.
    const windows = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

    class TextDecoder {
        #encoding;
        #isFatal;
        #keepsMark;
        #rest = new Uint8Array();
        #isInside = false;
        constructor(label = 'utf-8', options) {
            const name = String(label).trim().toLowerCase();
            if (/^(utf-?8|unicode-1-1-utf-8)$/.test(name)) this.#encoding = 'utf-8';
            else if (/^(utf-16(le)?|ucs-2|unicode)$/.test(name)) this.#encoding = 'utf-16le';
            else if (/^(latin1|iso-?8859-1|ascii|us-ascii|windows-1252|cp1252)$/.test(name)) this.#encoding = 'windows-1252';
            else throw coded(new RangeError(`The "${label}" encoding is not supported`), 'ERR_ENCODING_NOT_SUPPORTED');
            this.#isFatal = Boolean(options?.fatal);
            this.#keepsMark = Boolean(options?.ignoreBOM);
        }

        get encoding() {
            return this.#encoding;
        }

        get fatal() {
            return this.#isFatal;
        }

        get ignoreBOM() {
            return this.#keepsMark;
        }

        decode(input = new Uint8Array(), options) {
            if (!isBytes(input)) throw wrongType('list', input);
            let bytes = viewOf(input);
            if (this.#rest.length > 0) bytes = Buffer.concat([this.#rest, bytes]);
            this.#rest = new Uint8Array();
            if (options?.stream) {
                const count = this.#encoding === 'utf-8' ? unfinished(bytes) : this.#encoding === 'utf-16le' ? bytes.length % 2 : 0;
                this.#rest = bytes.slice(bytes.length - count);
                bytes = bytes.subarray(0, bytes.length - count);
            }
            const isFirst = !this.#isInside;
            this.#isInside = Boolean(options?.stream) && (this.#isInside || bytes.length > 0);
            let text;
            if (this.#encoding === 'windows-1252') {
                return native.decode(bytes, 'latin1', false).replace(/[\x80-\x9f]/g, (letter) => windows[letter.charCodeAt(0) - 0x80]);
            } else if (this.#encoding === 'utf-16le') {
                text = native.decode(bytes, 'utf16le', false);
                if (bytes.length % 2 === 1) text += '\ufffd';
                if (this.#isFatal && !text.isWellFormed()) text = undefined;
                else text = text.toWellFormed();
            } else text = native.decode(bytes, 'utf8', this.#isFatal);
            if (text === undefined) throw coded(new TypeError('The encoded data was not valid for encoding utf-8'), 'ERR_ENCODING_INVALID_ENCODED_DATA');
            return isFirst && !this.#keepsMark && text.startsWith('\ufeff') ? text.slice(1) : text;
        }
    }

    const refuse = (message) => {
        throw host.exception(message, 'InvalidCharacterError');
    };
    const btoa = (value) => {
        const text = String(value);
        if (/[^\0-\xff]/.test(text)) refuse('Invalid character');
        return native.decode(native.encode(text, 'latin1'), 'base64', false);
    };
    const atob = (value) => {
        let text = String(value).replace(/[\t\n\f\r ]/g, '');
        if (text.length % 4 === 0) text = text.replace(/==?$/, '');
        if (text.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(text)) refuse('The string to be decoded is not correctly encoded.');
        return native.decode(native.encode(text, 'base64'), 'latin1', false);
    };

    host.bytes = { over, viewOf, isBytes, named };
    host.provide({ Buffer, TextEncoder, TextDecoder, atob, btoa });
    host.bufferModule = { Buffer, atob, btoa, constants: { MAX_LENGTH: 4294967296, MAX_STRING_LENGTH: 536870888 }, kMaxLength: 4294967296 };
})
