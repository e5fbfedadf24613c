(function (host) {
    'use strict';

    const textOf = (value) => {
        if (value instanceof Date) return value.toISOString();
        return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
    };

    /// Pairs of name and value. Members without a value are dropped, arrays become one parameter joined by commas.
    host.pairs = (params) => {
        if (params === undefined || params === null) return [];
        if (typeof params === 'string') return [...new URLSearchParams(params)];
        if (params instanceof URLSearchParams) return [...params];
        const pairs = [];
        for (const [name, value] of Object.entries(params)) {
            if (value === undefined || value === null) continue;
            pairs.push([name, Array.isArray(value) ? value.map(textOf).join(',') : textOf(value)]);
        }
        return pairs;
    };

    /// The endpoint without those parameters of its own that `pairs` sets again.
    const withoutReplaced = (endpoint, pairs) => {
        const mark = endpoint.indexOf('?');
        if (mark < 0 || pairs.length === 0) return endpoint;
        const names = new Set(pairs.map(([name]) => name));
        const hash = endpoint.indexOf('#', mark);
        const query = endpoint.slice(mark + 1, hash < 0 ? undefined : hash);
        const kept = query.split('&').filter((part) => !names.has([...new URLSearchParams(part)][0]?.[0]));
        return endpoint.slice(0, mark) + (kept.length > 0 ? '?' + kept.join('&') : '');
    };

    const isBytes = (value) => value instanceof ArrayBuffer || ArrayBuffer.isView(value);

    const bodyOf = (data, headers) => {
        if (data === undefined || data === null) return undefined;
        const type = headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1];
        const declare = (value) => {
            if (type === undefined) headers.push(['content-type', value]);
        };
        if (isBytes(data)) return data;
        if (data instanceof URLSearchParams) {
            declare('application/x-www-form-urlencoded');
            return data.toString();
        }
        if (typeof data === 'string') return data;
        if (type?.toLowerCase().startsWith('application/x-www-form-urlencoded')) {
            return new URLSearchParams(host.pairs(data)).toString();
        }
        declare('application/json');
        return JSON.stringify(data);
    };

    const headersOf = (headers) =>
        Object.entries(headers ?? {})
            .filter(([, value]) => value !== undefined && value !== null)
            .map(([name, value]) => [name, String(value)]);

    host.send = async (config, method) => {
        if (typeof config !== 'object' || config === null || typeof config.endpoint !== 'string') {
            throw new TypeError(`A request needs an object with an "endpoint"; got ${JSON.stringify(config)}`);
        }
        const verb = String(method ?? config.method ?? 'GET').toUpperCase();
        const query = host.pairs(config.params);
        const headers = headersOf(config.headers);
        const body = bodyOf(config.data, headers);
        const meta = {
            method: verb,
            endpoint: withoutReplaced(config.endpoint, query),
            baseUrl: config.baseUrlOverride ?? undefined,
            query,
            headers,
            hasBody: body !== undefined,
            retries: config.retries ?? 0,
            retryOn: config.retryOn ?? [],
            isAuthorized: true,
        };
        const response = await host.request(meta, body, config.responseType === 'arraybuffer' ? 2 : 0);
        if (response.status >= 400) throw host.responseError(`${verb} ${config.endpoint}`, response);
        return response;
    };

    host.fetch = async ({ url, method = 'GET', headers, body }) => {
        const sent = headersOf(headers);
        const content = bodyOf(body, sent);
        const meta = {
            method: String(method).toUpperCase(),
            endpoint: String(url),
            query: [],
            headers: sent,
            hasBody: content !== undefined,
            retries: 0,
            retryOn: [],
            isAuthorized: false,
        };
        const response = await host.request(meta, content, 1);
        return {
            status: response.status,
            ok: response.status >= 200 && response.status < 300,
            headers: {
                get: (name) => response.headers[String(name).toLowerCase()] ?? null,
                has: (name) => String(name).toLowerCase() in response.headers,
                entries: () => Object.entries(response.headers)[Symbol.iterator](),
            },
            text: async () => response.data,
            json: async () => JSON.parse(response.data),
        };
    };
})
