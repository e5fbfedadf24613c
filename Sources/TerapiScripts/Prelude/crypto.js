// Hashes, signatures and chance: what scripts use of Node's crypto and of the web's.
(function (host, native) {
    'use strict';
    const { over, viewOf, isBytes, named } = host.bytes;
    const buffers = host.bufferModule.Buffer;

    const bytesOf = (value, encoding) => {
        if (typeof value === 'string') return native.encode(value, named(encoding === 'buffer' ? 'utf8' : encoding));
        if (isBytes(value)) return viewOf(value);
        throw Object.assign(new TypeError('The "data" argument must be a string, a Buffer or a TypedArray.'), { code: 'ERR_INVALID_ARG_TYPE' });
    };
    const hashes = ['md5', 'sha1', 'sha256', 'sha384', 'sha512'];
    const algorithm = (name, Kind = Error) => {
        const known = String(name).toLowerCase().replace(/^rsa-/, '').replace(/^sha-/, 'sha');
        if (!hashes.includes(known)) throw Object.assign(new Kind(`The digest "${name}" is not supported`), { code: 'ERR_CRYPTO_INVALID_DIGEST' });
        return known;
    };

    /// Takes parts until it is asked for the result, once.
    class Digest {
        #parts;
        #finish;
        #isOver = false;
        constructor(finish, parts = []) {
            this.#finish = finish;
            this.#parts = parts;
        }

        update(data, encoding) {
            this.#mustBeOpen();
            this.#parts.push(Uint8Array.from(bytesOf(data, encoding)));
            return this;
        }

        digest(encoding) {
            this.#mustBeOpen();
            this.#isOver = true;
            const result = over(this.#finish(buffers.concat(this.#parts)));
            return encoding === undefined || encoding === 'buffer' ? result : result.toString(encoding);
        }

        copy() {
            this.#mustBeOpen();
            return new Digest(this.#finish, [...this.#parts]);
        }

        #mustBeOpen() {
            if (this.#isOver) throw Object.assign(new Error('Digest already called'), { code: 'ERR_CRYPTO_HASH_FINALIZED' });
        }
    }

    const createHash = (name) => {
        const hash = algorithm(name);
        return new Digest((bytes) => native.hash(hash, bytes));
    };
    const createHmac = (name, key) => {
        const hash = algorithm(name, TypeError);
        const secret = Uint8Array.from(bytesOf(key?.[keyBytes] ?? key));
        return new Digest((bytes) => native.sign(hash, secret, bytes));
    };

    const timingSafeEqual = (left, right) => {
        if (!isBytes(left) || !isBytes(right)) throw Object.assign(new TypeError('timingSafeEqual takes Buffers or TypedArrays.'), { code: 'ERR_INVALID_ARG_TYPE' });
        const [first, second] = [viewOf(left), viewOf(right)];
        if (first.length !== second.length) {
            throw Object.assign(new RangeError('Input buffers must have the same byte length'), { code: 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH' });
        }
        let difference = 0;
        for (let index = 0; index < first.length; index++) difference |= first[index] ^ second[index];
        return difference === 0;
    };

    const randomUUID = () => {
        const bytes = native.random(16);
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        const digits = native.decode(bytes, 'hex', false);
        return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join('-');
    };
    const randomBytes = (count, callback) => {
        if (typeof count !== 'number') throw Object.assign(new TypeError('The "size" argument must be of type number.'), { code: 'ERR_INVALID_ARG_TYPE' });
        if (!(count >= 0 && count <= 2147483647)) throw Object.assign(new RangeError('The value of "size" is out of range.'), { code: 'ERR_OUT_OF_RANGE' });
        const bytes = over(native.random(count));
        if (callback === undefined) return bytes;
        queueMicrotask(() => callback(null, bytes));
    };
    const randomInt = (from, to) => {
        const [least, most] = to === undefined ? [0, from] : [from, to];
        const range = most - least;
        if (!(range > 0 && range <= 2 ** 48)) throw Object.assign(new RangeError('The value of "max" is out of range.'), { code: 'ERR_OUT_OF_RANGE' });
        const limit = 2 ** 48 - (2 ** 48 % range);
        for (;;) {
            const value = over(native.random(6)).readUIntBE(0, 6);
            if (value < limit) return least + (value % range);
        }
    };
    const getRandomValues = (array) => {
        if (!ArrayBuffer.isView(array) || array instanceof DataView || /^Float/.test(array.constructor.name)) {
            throw host.exception('The data argument must be an integer-type TypedArray', 'TypeMismatchError');
        }
        if (array.byteLength > 65536) throw host.exception('The requested length exceeds 65,536 bytes', 'QuotaExceededError');
        viewOf(array).set(native.random(array.byteLength));
        return array;
    };

    const keyBytes = Symbol('bytes');
    class CryptoKey {
        constructor(bytes, hash, extractable, usages) {
            Object.assign(this, { type: 'secret', extractable, algorithm: { name: 'HMAC', length: bytes.length * 8, hash: { name: hash } }, usages });
            Object.defineProperty(this, keyBytes, { value: bytes });
        }
    }
    const unsupported = (what) => host.exception(`${what} is not supported here`, 'NotSupportedError');
    const nameOf = (value) => String(typeof value === 'string' ? value : value?.name).toUpperCase();
    const webHash = (value) => {
        const name = nameOf(value);
        if (!['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'].includes(name)) throw unsupported(`The hash ${name}`);
        return name;
    };
    const mustBeHMAC = (value) => {
        if (nameOf(value) !== 'HMAC') throw unsupported(`The algorithm ${nameOf(value)}`);
    };
    const sign = (key, data) => native.sign(algorithm(key.algorithm.hash.name), key[keyBytes], bytesOf(data));
    const subtle = {
        async digest(name, data) {
            return native.hash(algorithm(webHash(name)), bytesOf(data)).buffer;
        },
        async importKey(format, data, options, extractable, usages) {
            mustBeHMAC(options);
            if (format !== 'raw' && format !== 'jwk') throw unsupported(`The key format ${format}`);
            const bytes = format === 'jwk' ? native.encode(String(data.k), 'base64url') : Uint8Array.from(bytesOf(data));
            return new CryptoKey(bytes, webHash(options.hash), Boolean(extractable), [...usages]);
        },
        async sign(name, key, data) {
            mustBeHMAC(name);
            return sign(key, data).buffer;
        },
        async verify(name, key, signature, data) {
            mustBeHMAC(name);
            const expected = sign(key, data);
            return signature.byteLength === expected.length && timingSafeEqual(expected, signature);
        },
    };

    const web = { randomUUID, getRandomValues, subtle, CryptoKey };
    host.provide({ crypto: web });
    host.cryptoModule = {
        randomUUID, randomBytes, randomInt, createHash, createHmac, timingSafeEqual, getRandomValues, subtle, webcrypto: web,
        getHashes: () => [...hashes],
        createSecretKey: (key, encoding) => new CryptoKey(Uint8Array.from(bytesOf(key, encoding)), 'SHA-256', true, ['sign', 'verify']),
        hash: (name, data, encoding = 'hex') => createHash(name).update(data).digest(encoding),
    };
})
