// fetch, through the same guarded way as every request, but without the connection's base URL and credentials.
(function (host) {
    'use strict';
    const { viewOf, isBytes } = host.bytes;
    const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

    class Headers {
        #values = new Map();

        constructor(source) {
            if (source === undefined || source === null) return;
            const pairs = typeof source[Symbol.iterator] === 'function' ? source : Object.entries(source);
            for (const pair of pairs) {
                const [name, value] = pair;
                this.append(name, value);
            }
        }

        static #key(name) {
            if (!token.test(name)) throw new TypeError(`Headers: "${name}" is an invalid header name.`);
            return String(name).toLowerCase();
        }

        append(name, value) {
            const key = Headers.#key(name);
            const text = String(value).trim();
            if (/[\0\r\n]/.test(text)) throw new TypeError(`Headers: the value of "${name}" is an invalid header value.`);
            this.#values.set(key, [...(this.#values.get(key) ?? []), text]);
        }

        set(name, value) {
            this.delete(name);
            this.append(name, value);
        }

        delete(name) {
            this.#values.delete(Headers.#key(name));
        }

        get(name) {
            return this.#values.get(Headers.#key(name))?.join(', ') ?? null;
        }

        has(name) {
            return this.#values.has(Headers.#key(name));
        }

        getSetCookie() {
            return [...(this.#values.get('set-cookie') ?? [])];
        }

        forEach(callback, receiver) {
            for (const [name, value] of this) callback.call(receiver, value, name, this);
        }

        *entries() {
            for (const name of [...this.#values.keys()].sort()) {
                const values = this.#values.get(name);
                if (name === 'set-cookie') for (const value of values) yield [name, value];
                else yield [name, values.join(', ')];
            }
        }

        *keys() {
            for (const [name] of this.entries()) yield name;
        }

        *values() {
            for (const [, value] of this.entries()) yield value;
        }

        [Symbol.iterator]() {
            return this.entries();
        }

        get [Symbol.toStringTag]() {
            return 'Headers';
        }
    }

    class Body {
        #bytes;
        #isUsed = false;

        constructor(body, headers) {
            if (body === undefined || body === null) return;
            let type;
            const form = host.formBody(body);
            if (form !== undefined) {
                this.#bytes = Uint8Array.from(form.body);
                type = form.type || undefined;
            } else if (isBytes(body)) this.#bytes = Uint8Array.from(viewOf(body));
            else if (host.isURLSearchParams(body)) type = 'application/x-www-form-urlencoded;charset=UTF-8';
            else type = 'text/plain;charset=UTF-8';
            this.#bytes ??= new TextEncoder().encode(String(body));
            if (type !== undefined && !headers.has('content-type')) headers.set('content-type', type);
        }

        #take() {
            if (this.#isUsed) throw new TypeError('Body is unusable: Body has already been read');
            this.#isUsed = this.#bytes !== undefined;
            return this.#bytes ?? new Uint8Array();
        }

        static bytes(body) {
            if (body.#isUsed) throw new TypeError('Body is unusable: Body has already been read');
            return body.#bytes;
        }

        get bodyUsed() {
            return this.#isUsed;
        }

        async text() {
            return new TextDecoder().decode(this.#take());
        }

        async json() {
            return JSON.parse(await this.text());
        }

        async arrayBuffer() {
            return this.#take().slice().buffer;
        }

        async blob() {
            return host.blobOf(this.#take(), this.headers.get('content-type') ?? '');
        }

        async bytes() {
            return this.#take().slice();
        }
    }
    const contentOf = Body.bytes;
    delete Body.bytes;

    const reasons = {
        200: 'OK', 201: 'Created', 202: 'Accepted', 204: 'No Content', 206: 'Partial Content', 301: 'Moved Permanently', 302: 'Found',
        303: 'See Other', 304: 'Not Modified', 307: 'Temporary Redirect', 308: 'Permanent Redirect', 400: 'Bad Request',
        401: 'Unauthorized', 402: 'Payment Required', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed',
        406: 'Not Acceptable', 408: 'Request Timeout', 409: 'Conflict', 410: 'Gone', 412: 'Precondition Failed',
        413: 'Payload Too Large', 415: 'Unsupported Media Type', 422: 'Unprocessable Entity', 423: 'Locked',
        429: 'Too Many Requests', 500: 'Internal Server Error', 501: 'Not Implemented', 502: 'Bad Gateway',
        503: 'Service Unavailable', 504: 'Gateway Timeout',
    };
    host.reasonOf = (status) => reasons[status] ?? '';

    class Response extends Body {
        constructor(body, { status = 200, statusText = '', headers, url = '' } = {}) {
            if (!(status >= 200 && status <= 599)) throw new RangeError('init["status"] must be in the range of 200 to 599, inclusive.');
            const own = new Headers(headers);
            super(body, own);
            Object.assign(this, { status, statusText, headers: own, url, ok: status < 300, redirected: false, type: 'default' });
        }

        static json(value, options = {}) {
            const headers = new Headers(options.headers);
            if (!headers.has('content-type')) headers.set('content-type', 'application/json');
            return new Response(JSON.stringify(value), { ...options, headers });
        }

        clone() {
            return new Response(contentOf(this), { status: this.status, statusText: this.statusText, headers: this.headers, url: this.url });
        }
    }

    class Request extends Body {
        constructor(input, init = {}) {
            const source = input instanceof Request ? input : undefined;
            const url = new URL(source ? source.url : String(input)).href;
            const method = String(init.method ?? source?.method ?? 'GET');
            const headers = new Headers(init.headers ?? source?.headers);
            const body = init.body ?? (source ? contentOf(source) : undefined);
            const verb = /^(get|head|post|put|patch|delete|options)$/i.test(method) ? method.toUpperCase() : method;
            if (body !== undefined && body !== null && (verb === 'GET' || verb === 'HEAD')) {
                throw new TypeError('Request with GET/HEAD method cannot have body.');
            }
            super(body, headers);
            Object.assign(this, { url, method: verb, headers, signal: init.signal ?? source?.signal ?? null });
        }

        clone() {
            return new Request(this);
        }
    }

    const send = async ({ url, method, headers, signal }, body) => {
        signal?.throwIfAborted();
        const meta = {
            method,
            endpoint: url,
            query: [],
            headers: [...headers],
            hasBody: body !== undefined,
            retries: 0,
            retryOn: [],
            isAuthorized: false,
        };
        const answer = host.request(meta, body, 2);
        const aborted = signal && new Promise((resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        });
        const response = await (aborted ? Promise.race([answer, aborted]) : answer);
        const received = Object.entries(response.headers)
            .flatMap(([name, value]) => [value].flat().map((each) => [name, each]));
        const isEmpty = [204, 205, 304].includes(response.status);
        return new Response(isEmpty ? null : response.data, {
            status: response.status, statusText: host.reasonOf(response.status), headers: received, url,
        });
    };

    const fetch = async (input, init) => {
        const request = new Request(input, init);
        return send(request, contentOf(request));
    };

    /// Like fetch, with all in one object and objects as JSON.
    host.fetch = async ({ url, method = 'GET', headers, body }) => {
        const sent = host.headersOf(headers);
        const content = host.bodyOf(body, sent);
        return send({ url: String(url), method: String(method).toUpperCase(), headers: new Headers(sent) }, content);
    };

    host.offer({ uncontrolledFetch: (config) => host.fetch(config) });
    host.provide({ Headers, Request, Response, fetch });
})
