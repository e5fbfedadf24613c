(function (host) {
    'use strict';

    const textOf = (value) => {
        if (value === undefined || value === null) return '';
        if (value instanceof Date) return value.toISOString();
        if (Array.isArray(value)) return value.map(textOf).join(',');
        return typeof value === 'object' ? JSON.stringify(value) : String(value);
    };

    /// Pairs of name and value. Members without a value are dropped, arrays become one parameter joined by commas.
    host.pairs = (params) => {
        if (params === undefined || params === null) return [];
        if (typeof params === 'string') return [...new URLSearchParams(params)];
        if (host.isURLSearchParams(params)) return [...params];
        const pairs = [];
        for (const name of Object.keys(params)) {
            const value = params[name];
            if (value !== undefined && value !== null) pairs.push([name, textOf(value)]);
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
    const isPlace = (value) => typeof value === 'object' && value !== null && !(value instanceof Date) && !isBytes(value);

    /// The fields of a form: nested objects as `a[b]`, lists as `a[]`, and lists of objects as `a[0][b]`.
    const formPairs = (data) => {
        const pairs = [];
        const add = (name, value) => {
            if (value === undefined || value === null) return;
            if (!isPlace(value)) {
                pairs.push([name, value instanceof Date ? value.toISOString() : String(value)]);
            } else if (Array.isArray(value) && !value.some(isPlace)) {
                for (const member of value) add(name.endsWith('[]') ? name : `${name}[]`, member);
            } else for (const key of Object.keys(value)) add(`${name}[${key}]`, value[key]);
        };
        for (const name of Object.keys(data)) add(name, data[name]);
        return pairs;
    };

    const formType = 'application/x-www-form-urlencoded';

    /// Adds the content type that the data means when the script names none.
    host.bodyOf = (data, headers) => {
        if (data === undefined || data === null) return undefined;
        const type = headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1].toLowerCase();
        const declare = (value) => {
            if (type === undefined) headers.push(['content-type', value]);
        };
        if (isBytes(data)) return data;
        if (host.isURLSearchParams(data)) {
            declare(formType);
            return data.toString();
        }
        if (typeof data === 'string') {
            declare(/^\s*[[{]/.test(data) ? 'application/json' : formType);
            return data;
        }
        const form = host.formBody(data);
        if (form !== undefined) {
            // A form's own type names the boundary, which the script cannot know.
            if (form.type.startsWith('multipart/') && type !== undefined) {
                headers.splice(headers.findIndex(([name]) => name.toLowerCase() === 'content-type'), 1, ['content-type', form.type]);
            } else declare(form.type || 'application/octet-stream');
            return form.body;
        }
        if (type?.startsWith(formType) && isPlace(data)) return new URLSearchParams(formPairs(data)).toString();
        declare('application/json');
        return JSON.stringify(data);
    };

    /// Pairs of name and value; of two names that differ only in case the later one counts.
    host.headersOf = (headers) => {
        if (headers === undefined || headers === null) return [];
        const pairs = new Map();
        const given = typeof headers[Symbol.iterator] === 'function' ? headers : Object.entries(headers);
        for (const [name, value] of given) {
            if (value !== undefined && value !== null) pairs.set(String(name).toLowerCase(), [String(name), String(value)]);
        }
        return [...pairs.values()];
    };

    const forms = { arraybuffer: 2, text: 1 };

    host.send = async (config, method) => {
        const isRequest = typeof config === 'object' && config !== null && config.endpoint !== undefined && config.endpoint !== null;
        if (!isRequest) throw new TypeError(`A request needs an object with an "endpoint"; got ${host.json(config)}`);
        const endpoint = String(config.endpoint);
        const verb = String(method ?? config.method ?? 'GET').toUpperCase();
        const query = host.pairs(config.params);
        const headers = host.headersOf(config.headers);
        const body = host.bodyOf(config.data, headers);
        const meta = {
            method: verb,
            endpoint: withoutReplaced(endpoint, query),
            baseUrl: config.baseUrlOverride ? String(config.baseUrlOverride) : undefined,
            query,
            headers,
            hasBody: body !== undefined,
            retries: Math.trunc(Number(config.retries)) || 0,
            retryOn: config.retryOn === undefined || config.retryOn === null ? [] : [config.retryOn].flat().map(Number),
            retryHeaders: config.retryHeader ? [config.retryHeader.at, config.retryHeader.after] : undefined,
            isAuthorized: true,
        };
        const form = forms[config.responseType] ?? 0;
        const response = await host.request(meta, body, form);
        if (form === 2) response.data = host.bytes.over(response.data);
        if (response.status >= 400) throw host.responseError(`${verb} ${endpoint}`, response, config);
        return response;
    };

    host.offer({
        get: (config) => host.send(config, 'GET'),
        post: (config) => host.send(config, 'POST'),
        put: (config) => host.send(config, 'PUT'),
        patch: (config) => host.send(config, 'PATCH'),
        delete: (config) => host.send(config, 'DELETE'),
        proxy: (config) => host.send(config),
    });
})
