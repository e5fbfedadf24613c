// URL and URLSearchParams after the WHATWG standard. Of IDNA's tables it knows what Unicode's normal form says.
(function (host) {
    'use strict';
    const encoder = new TextEncoder();
    const decoder = new TextDecoder();
    const hex = (byte) => '%' + byte.toString(16).toUpperCase().padStart(2, '0');

    const encode = (text, isSafe) => {
        let out = '';
        for (const letter of text) {
            if (isSafe.test(letter)) out += letter;
            else for (const byte of encoder.encode(letter)) out += hex(byte);
        }
        return out;
    };
    const decode = (text) => {
        if (!text.includes('%')) return text;
        const source = encoder.encode(text);
        const bytes = [];
        for (let index = 0; index < source.length; index++) {
            const digits = String.fromCharCode(source[index + 1] ?? 0, source[index + 2] ?? 0);
            if (source[index] === 0x25 && /^[0-9a-f]{2}$/i.test(digits)) {
                bytes.push(parseInt(digits, 16));
                index += 2;
            } else bytes.push(source[index]);
        }
        return decoder.decode(new Uint8Array(bytes));
    };

    const formSafe = /^[A-Za-z0-9*\-._]$/;
    const formEncode = (text) => encode(text.toWellFormed(), formSafe).replaceAll('%20', '+');
    const parseForm = (text) =>
        text.split('&').filter((part) => part !== '').map((part) => {
            const mark = part.indexOf('=');
            const [name, value] = mark < 0 ? [part, ''] : [part.slice(0, mark), part.slice(mark + 1)];
            return [decode(name.replaceAll('+', ' ')), decode(value.replaceAll('+', ' '))];
        });

    let notify = () => {};
    let attach;

    class URLSearchParams {
        #list = [];
        #owner;
        static {
            attach = (params, list, owner) => {
                params.#list = list;
                params.#owner = owner;
            };
        }

        constructor(source = '') {
            if (typeof source === 'object' && source !== null) {
                if (typeof source[Symbol.iterator] === 'function') {
                    for (const pair of source) {
                        const entry = [...pair];
                        if (entry.length !== 2) throw new TypeError('A parameter is a pair of name and value.');
                        this.#list.push(entry.map(String));
                    }
                } else for (const name of Object.keys(source)) this.#list.push([name, String(source[name])]);
            } else if (source !== null) this.#list = parseForm(String(source).toWellFormed().replace(/^\?/, ''));
        }

        #changed() {
            if (this.#owner) notify(this.#owner, this.toString());
        }

        get size() {
            return this.#list.length;
        }

        append(name, value) {
            this.#list.push([String(name), String(value)]);
            this.#changed();
        }

        delete(name, value) {
            this.#list = this.#list.filter((pair) => pair[0] !== String(name) || (value !== undefined && pair[1] !== String(value)));
            this.#changed();
        }

        get(name) {
            return this.#list.find((pair) => pair[0] === String(name))?.[1] ?? null;
        }

        getAll(name) {
            return this.#list.filter((pair) => pair[0] === String(name)).map((pair) => pair[1]);
        }

        has(name, value) {
            return this.#list.some((pair) => pair[0] === String(name) && (value === undefined || pair[1] === String(value)));
        }

        set(name, value) {
            const first = this.#list.find((pair) => pair[0] === String(name));
            if (first === undefined) this.#list.push([String(name), String(value)]);
            else {
                first[1] = String(value);
                this.#list = this.#list.filter((pair) => pair === first || pair[0] !== String(name));
            }
            this.#changed();
        }

        sort() {
            this.#list.sort((left, right) => (left[0] < right[0] ? -1 : left[0] > right[0] ? 1 : 0));
            this.#changed();
        }

        forEach(callback, receiver) {
            for (const [name, value] of this.#list) callback.call(receiver, value, name, this);
        }

        *entries() {
            for (const [name, value] of this.#list) yield [name, value];
        }

        *keys() {
            for (const [name] of this.#list) yield name;
        }

        *values() {
            for (const [, value] of this.#list) yield value;
        }

        toString() {
            return this.#list.map(([name, value]) => formEncode(name) + '=' + formEncode(value)).join('&');
        }

        get [Symbol.toStringTag]() {
            return 'URLSearchParams';
        }
    }
    Object.defineProperty(URLSearchParams.prototype, Symbol.iterator, {
        value: URLSearchParams.prototype.entries, writable: true, configurable: true,
    });

    const ports = { 'http:': '80', 'https:': '443', 'ws:': '80', 'wss:': '443', 'ftp:': '21', 'file:': '' };
    const isSpecial = (protocol) => Object.hasOwn(ports, protocol);
    const ascii = '[\\x21-\\x7e]';
    const safe = (unsafe) => new RegExp(`^(?!${unsafe})${ascii}$`);
    const pathSafe = safe('[\\x22#<>?`{}^]');
    const querySafe = safe('[\\x22#<>]');
    const specialQuerySafe = safe('[\\x22#<>\\x27]');
    const fragmentSafe = safe('[\\x22<>`]');
    const userSafe = safe('[\\x22#<>?`{}/:;=@\\[\\\\\\]^|]');
    const opaqueSafe = /^[\x20-\x7e]$/;

    const fail = (text) => {
        const error = new TypeError(`"${text}" is not a URL.`);
        error.code = 'ERR_INVALID_URL';
        throw error;
    };

    const ipv4Number = (part) => {
        if (part === '') return NaN;
        if (/^0x[0-9a-f]*$/i.test(part)) return part.length === 2 ? 0 : parseInt(part.slice(2), 16);
        if (/^0[0-7]*$/.test(part)) return parseInt(part, 8);
        return /^[0-9]+$/.test(part) ? Number(part) : NaN;
    };

    const ipv6 = (text, whole) => {
        const halves = text.split('::');
        if (halves.length > 2) fail(whole);
        const pieces = (half) => {
            if (half === '') return [];
            return half.split(':').flatMap((piece, index, all) => {
                if (index === all.length - 1 && piece.includes('.')) {
                    const bytes = piece.split('.').map((part) => (/^(0|[1-9][0-9]{0,2})$/.test(part) ? Number(part) : 256));
                    if (bytes.length !== 4 || bytes.some((byte) => byte > 255)) fail(whole);
                    return [bytes[0] * 256 + bytes[1], bytes[2] * 256 + bytes[3]];
                }
                if (!/^[0-9a-f]{1,4}$/i.test(piece)) fail(whole);
                return [parseInt(piece, 16)];
            });
        };
        const [left, right] = [pieces(halves[0]), halves.length === 2 ? pieces(halves[1]) : []];
        const missing = 8 - left.length - right.length;
        if (halves.length === 2 ? missing < 1 : missing !== 0) fail(whole);
        const all = [...left, ...new Array(Math.max(missing, 0)).fill(0), ...right];
        let best = { start: -1, length: 1 };
        for (let start = 0; start < 8; start++) {
            let length = 0;
            while (start + length < 8 && all[start + length] === 0) length++;
            if (length > best.length) best = { start, length };
        }
        const words = all.map((word) => word.toString(16));
        if (best.start < 0) return `[${words.join(':')}]`;
        return `[${words.slice(0, best.start).join(':')}::${words.slice(best.start + best.length).join(':')}]`;
    };

    /// RFC 3492: letters outside ASCII as places and distances after what is ASCII.
    const punycode = (label) => {
        const points = [...label].map((letter) => letter.codePointAt(0));
        const digit = (value) => String.fromCharCode(value < 26 ? value + 97 : value + 22);
        let out = points.filter((point) => point < 128).map((point) => String.fromCharCode(point)).join('');
        const basic = out.length;
        let [done, point, delta, bias] = [basic, 128, 0, 72];
        if (basic > 0) out += '-';
        while (done < points.length) {
            const next = Math.min(...points.filter((each) => each >= point));
            delta += (next - point) * (done + 1);
            point = next;
            for (const each of points) {
                if (each < point) delta++;
                if (each !== point) continue;
                let rest = delta;
                for (let base = 36; ; base += 36) {
                    const least = Math.min(Math.max(base - bias, 1), 26);
                    if (rest < least) break;
                    out += digit(least + ((rest - least) % (36 - least)));
                    rest = Math.floor((rest - least) / (36 - least));
                }
                out += digit(rest);
                delta = Math.floor(delta / (done === basic ? 700 : 2));
                delta += Math.floor(delta / (done + 1));
                let step = 0;
                for (; delta > 455; step += 36) delta = Math.floor(delta / 35);
                bias = step + Math.floor((36 * delta) / (delta + 38));
                delta = 0;
                done++;
            }
            delta++;
            point++;
        }
        return out;
    };

    const toASCII = (host) => {
        const lower = host.toLowerCase();
        if (/^[\0-\x7f]*$/.test(lower)) return lower;
        const labels = lower.normalize('NFKC').toLowerCase().normalize('NFKC').replace(/[\u3002\uff0e\uff61]/g, '.').replace(/\u00ad/g, '').split('.');
        return labels.map((label) => (/^[\0-\x7f]*$/.test(label) ? label : 'xn--' + punycode(label))).join('.');
    };

    const parseHost = (text, protocol, whole) => {
        if (text.startsWith('[')) {
            if (!text.endsWith(']')) fail(whole);
            return ipv6(text.slice(1, -1), whole);
        }
        if (!isSpecial(protocol)) {
            if (/[\0\t\n\r #/<>?@[\\\]^|]/.test(text)) fail(whole);
            return encode(text, /^[\x20-\x7e]$/);
        }
        const host = toASCII(decode(text));
        if (host === '' || /[^\x21-\x7e]|[#/:<>?@[\\\]^|%]/.test(host)) fail(whole);
        const parts = host.split('.');
        if (parts.length > 1 && parts[parts.length - 1] === '') parts.pop();
        const last = parts[parts.length - 1];
        if (!/^[0-9]+$/.test(last) && !/^0x[0-9a-f]*$/.test(last)) return host;
        const numbers = parts.map(ipv4Number);
        if (numbers.length > 4 || numbers.some(Number.isNaN)) fail(whole);
        const end = numbers.pop();
        if (numbers.some((number) => number > 255) || end >= 256 ** (4 - numbers.length)) fail(whole);
        let address = end;
        numbers.forEach((number, index) => (address += number * 256 ** (3 - index)));
        return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
    };

    const isSingleDot = (segment) => /^(\.|%2e)$/i.test(segment);
    const isDoubleDot = (segment) => /^(\.|%2e){2}$/i.test(segment);

    const parsePath = (text, base, record) => {
        const special = isSpecial(record.protocol);
        const segments = (special ? text.replaceAll('\\', '/') : text).split('/');
        const path = [...base];
        segments.forEach((segment, index) => {
            const isLast = index === segments.length - 1;
            if (isDoubleDot(segment)) {
                path.pop();
                if (isLast) path.push('');
            } else if (isSingleDot(segment)) {
                if (isLast) path.push('');
            } else path.push(encode(segment, pathSafe));
        });
        return path;
    };

    const parseAuthority = (text, record, whole) => {
        const mark = text.lastIndexOf('@');
        if (mark >= 0) {
            const user = text.slice(0, mark);
            const colon = user.indexOf(':');
            record.username = encode(colon < 0 ? user : user.slice(0, colon), userSafe);
            record.password = colon < 0 ? '' : encode(user.slice(colon + 1), userSafe);
        }
        const [, host, port] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/s.exec(text.slice(mark + 1)) ?? fail(whole);
        if (host === '' && (mark >= 0 || port !== undefined || (isSpecial(record.protocol) && record.protocol !== 'file:'))) fail(whole);
        record.host = host === '' ? '' : parseHost(host, record.protocol, whole);
        if (record.protocol === 'file:' && record.host === 'localhost') record.host = '';
        setPort(record, port ?? '', whole);
    };

    const setPort = (record, port, whole) => {
        if (port === '') {
            record.port = '';
            return;
        }
        if (!/^[0-9]+$/.test(port) || Number(port) > 65535) fail(whole);
        record.port = String(Number(port)) === ports[record.protocol] ? '' : String(Number(port));
    };

    const trim = (text) => text.replace(/^[\0-\x20]+|[\0-\x20]+$/g, '').replace(/[\t\n\r]/g, '');

    const parse = (input, base) => {
        let text = trim(String(input).toWellFormed());
        const whole = text;
        const record = { protocol: '', username: '', password: '', host: null, port: '', path: [], opaque: null, query: null, fragment: null };
        const hash = text.indexOf('#');
        if (hash >= 0) {
            record.fragment = encode(text.slice(hash + 1), fragmentSafe);
            text = text.slice(0, hash);
        }
        const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text);
        let rest = text;
        let relative = base;
        if (scheme) {
            record.protocol = scheme[0].toLowerCase();
            rest = text.slice(scheme[0].length);
            const isRelativeSpecial = isSpecial(record.protocol) && base?.protocol === record.protocol && !/^[/\\]/.test(rest);
            if (!isRelativeSpecial) relative = undefined;
        } else if (!base || (base.opaque !== null && (text !== '' || hash < 0))) fail(whole);
        else record.protocol = base.protocol;

        const special = isSpecial(record.protocol);
        const query = rest.indexOf('?');
        if (query >= 0) {
            record.query = encode(rest.slice(query + 1), special ? specialQuerySafe : querySafe);
            rest = rest.slice(0, query);
        }
        const slashes = special ? /^[/\\]{2}/ : /^\/\//;
        const isAuthority = scheme && !relative && special && record.protocol !== 'file:' ? true : slashes.test(rest);
        if (isAuthority) {
            const start = scheme && !relative && special && record.protocol !== 'file:' ? rest.replace(/^[/\\]*/, '') : rest.slice(2);
            const end = start.search(special ? /[/\\]/ : /\//);
            parseAuthority(end < 0 ? start : start.slice(0, end), record, whole);
            const path = end < 0 ? '' : start.slice(end + 1);
            if (end >= 0) record.path = parsePath(path, [], record);
        } else if (relative) {
            Object.assign(record, { username: base.username, password: base.password, host: base.host, port: base.port, opaque: base.opaque });
            if (rest === '') {
                record.path = [...base.path];
                if (query < 0) record.query = base.query;
            } else if (/^[/\\]/.test(rest) && (special || rest[0] === '/')) record.path = parsePath(rest.slice(1), [], record);
            else record.path = parsePath(rest, base.path.slice(0, -1), record);
        } else if (rest.startsWith('/') || special) {
            if (special) record.host = '';
            record.path = parsePath(rest.replace(/^[/\\]/, ''), [], record);
        } else record.opaque = encode(rest, opaqueSafe);
        if (special && record.path.length === 0) record.path = [''];
        return record;
    };

    const pathText = (record) => (record.opaque !== null ? record.opaque : record.path.map((segment) => '/' + segment).join(''));
    const serialize = (record) => {
        let out = record.protocol;
        if (record.host !== null) {
            out += '//';
            if (record.username !== '' || record.password !== '') {
                out += record.username + (record.password === '' ? '' : ':' + record.password) + '@';
            }
            out += record.host + (record.port === '' ? '' : ':' + record.port);
        } else if (record.opaque === null && record.path.length > 1 && record.path[0] === '') out += '/.';
        out += pathText(record);
        if (record.query !== null) out += '?' + record.query;
        if (record.fragment !== null) out += '#' + record.fragment;
        return out;
    };

    class URL {
        #record;
        #params = new URLSearchParams();
        static {
            notify = (url, query) => (url.#record.query = query === '' ? null : query);
        }

        constructor(url, base) {
            this.#record = parse(url, base === undefined ? undefined : parse(base));
            this.#refresh();
        }

        #refresh() {
            attach(this.#params, parseForm(this.#record.query ?? ''), this);
        }

        static canParse(url, base) {
            return URL.parse(url, base) !== null;
        }

        static parse(url, base) {
            try {
                return new URL(url, base);
            } catch {
                return null;
            }
        }

        get href() {
            return serialize(this.#record);
        }

        set href(value) {
            this.#record = parse(value);
            this.#refresh();
        }

        get origin() {
            const { protocol, host, port } = this.#record;
            return isSpecial(protocol) && protocol !== 'file:' ? `${protocol}//${host}${port === '' ? '' : ':' + port}` : 'null';
        }

        get protocol() {
            return this.#record.protocol;
        }

        set protocol(value) {
            const scheme = /^([A-Za-z][A-Za-z0-9+.-]*)(:|$)/.exec(String(value));
            if (!scheme) return;
            const next = scheme[1].toLowerCase() + ':';
            if (isSpecial(next) !== isSpecial(this.#record.protocol)) return;
            this.#record.protocol = next;
            if (this.#record.port === ports[next]) this.#record.port = '';
        }

        get username() {
            return this.#record.username;
        }

        set username(value) {
            if (this.#record.host) this.#record.username = encode(String(value), userSafe);
        }

        get password() {
            return this.#record.password;
        }

        set password(value) {
            if (this.#record.host) this.#record.password = encode(String(value), userSafe);
        }

        get host() {
            return (this.#record.host ?? '') + (this.#record.port === '' ? '' : ':' + this.#record.port);
        }

        set host(value) {
            const [, host, port] = /^(\[[^\]]*\]|[^:/?#\\]*)(?::([0-9]*))?/.exec(String(value));
            this.hostname = host;
            if (port) this.port = port;
        }

        get hostname() {
            return this.#record.host ?? '';
        }

        set hostname(value) {
            if (this.#record.opaque !== null) return;
            try {
                this.#record.host = parseHost(trim(String(value)), this.#record.protocol, value);
            } catch {
                // The standard: a host that cannot be parsed changes nothing.
            }
        }

        get port() {
            return this.#record.port;
        }

        set port(value) {
            const digits = /^[0-9]*/.exec(trim(String(value)))[0];
            if (!this.#record.host || (digits === '' && String(value) !== '') || Number(digits) > 65535) return;
            setPort(this.#record, digits, value);
        }

        get pathname() {
            return pathText(this.#record);
        }

        set pathname(value) {
            if (this.#record.opaque !== null) return;
            const text = String(value).replace(/[\t\n\r]/g, '');
            this.#record.path = parsePath(text.replace(isSpecial(this.#record.protocol) ? /^[/\\]/ : /^\//, ''), [], this.#record);
        }

        get search() {
            return this.#record.query ? '?' + this.#record.query : '';
        }

        set search(value) {
            const given = String(value).toWellFormed();
            const text = given.replace(/^\?/, '').replace(/[\t\n\r]/g, '');
            const isSafe = isSpecial(this.#record.protocol) ? specialQuerySafe : querySafe;
            this.#record.query = given === '' ? null : encode(text, isSafe);
            this.#refresh();
        }

        get searchParams() {
            return this.#params;
        }

        get hash() {
            return this.#record.fragment ? '#' + this.#record.fragment : '';
        }

        set hash(value) {
            const text = String(value).replace(/^#/, '').replace(/[\t\n\r]/g, '');
            this.#record.fragment = text === '' ? null : encode(text, fragmentSafe);
        }

        toString() {
            return this.href;
        }

        toJSON() {
            return this.href;
        }

        get [Symbol.toStringTag]() {
            return 'URL';
        }
    }

    host.isURLSearchParams = (value) => value instanceof URLSearchParams;
    host.provide({ URL, URLSearchParams });

    const query = (text) => {
        const members = Object.create(null);
        for (const [name, value] of parseForm(text)) {
            members[name] = name in members ? [members[name], value].flat() : value;
        }
        return members;
    };
    /// Node's older interface, as far as the parts of a URL go.
    const legacy = (text, parsesQuery = false) => {
        const names = ['protocol', 'slashes', 'auth', 'host', 'port', 'hostname', 'hash', 'search', 'query', 'pathname', 'path', 'href'];
        const parts = Object.fromEntries(names.map((name) => [name, null]));
        const url = URL.parse(text);
        const relative = url ?? URL.parse(text, 'http://relative.invalid');
        if (url !== null) {
            const auth = url.username === '' ? null : decode(url.username + (url.password === '' ? '' : ':' + url.password));
            Object.assign(parts, { protocol: url.protocol, slashes: url.href.startsWith(url.protocol + '//') || null, auth, host: url.host, port: url.port || null, hostname: url.hostname });
        }
        if (relative === null) return parts;
        const pathname = url !== null || /^[/\\]/.test(text) ? relative.pathname : relative.pathname.slice(1);
        Object.assign(parts, { hash: relative.hash || null, search: relative.search || (parsesQuery ? '' : null), pathname: pathname || null });
        parts.query = parsesQuery ? query(relative.search.slice(1)) : relative.search === '' ? null : relative.search.slice(1);
        parts.path = pathname + relative.search || null;
        parts.href = url !== null ? url.href : pathname + relative.search + relative.hash;
        return parts;
    };
    const format = (value) => {
        if (typeof value === 'string' || value instanceof URL) return String(value);
        const { protocol, auth, hash, pathname = '', port } = value;
        const hostname = value.hostname && value.hostname + (port ? ':' + port : '');
        const host = value.host ?? hostname;
        const scheme = protocol ? protocol.replace(/:?$/, ':') : '';
        const slashes = value.slashes || (isSpecial(scheme) && host) ? '//' : '';
        const search = value.search ?? (value.query ? '?' + (typeof value.query === 'string' ? value.query : String(new URLSearchParams(value.query)).replaceAll('+', '%20')) : '');
        return scheme + slashes + (auth ? encodeURIComponent(auth).replace('%3A', ':') + '@' : '') + (host ?? '')
            + (host && pathname && pathname[0] !== '/' ? '/' : '') + pathname
            + (search && search[0] !== '?' ? '?' : '') + (search ?? '') + (hash ? hash.replace(/^#?/, '#') : '');
    };
    host.urlModule = { URL, URLSearchParams, parse: legacy, format, resolve: (from, to) => new URL(to, from).href };
})
