(function (host) {
    'use strict';

    /// The member at a path like `a.b[0].c`. Names with dots in them are found too: `@odata.nextLink`.
    const at = (value, path) => {
        const whole = String(path);
        if (value === undefined || value === null || whole === '') return value;
        if (typeof value === 'object' && whole in value) return value[whole];
        const [, step, rest] = /^\[?([^.[\]]*)\]?\.?([\s\S]*)$/.exec(whole);
        const found = value[step.replace(/^['"]|['"]$/g, '')];
        return step.length < whole.length ? at(found, rest) : found;
    };

    const kindOf = (value) => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value === 'string' ? 'text' : typeof value);

    const put = (target, path, value) => {
        const steps = path.split('.');
        const last = steps.pop();
        let place = target;
        for (const step of steps) {
            place[step] = typeof place[step] === 'object' && place[step] !== null ? { ...place[step] } : {};
            place = place[step];
        }
        place[last] = value;
    };

    /// The target of `rel` in a Link header (RFC 8288).
    const linkWithRel = (header, rel) => {
        const form = /<([^>]*)>((?:\s*;\s*[\w!#$&+.^`|~*-]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^",;\s]+))?)*)/g;
        for (const [, target, parameters] of String(header ?? '').matchAll(form)) {
            const found = /;\s*rel\s*=\s*(?:"([^"]*)"|([^",;\s]+))/i.exec(parameters);
            const rels = (found?.[1] ?? found?.[2] ?? '').toLowerCase().split(/\s+/);
            if (rels.includes(rel.toLowerCase())) return target;
        }
        return undefined;
    };

    const isBlank = (value) => value === undefined || value === null || value === '' || value === false;

    /// A number for what stands on a page, to tell pages apart.
    const trace = (items) => {
        const text = `${items.length}${JSON.stringify(items[0])}${JSON.stringify(items[items.length - 1])}`;
        let number = 0;
        for (let index = 0; index < text.length; index++) number = (Math.imul(number, 31) + text.charCodeAt(index)) | 0;
        return number;
    };

    /// Remembers where the reading has been, so that a provider which sends us in a circle is noticed. A place may come
    /// again with other items: some cursors name the whole reading, not a page of it.
    const path = (request) => {
        const seen = new Map();
        return (step, what, items) => {
            const key = String(step);
            const page = trace(items);
            if (seen.get(key) === page) {
                throw new Error(`${request}: the provider repeated the ${what} ${JSON.stringify(key.slice(0, 200))}; the reading would never end.`);
            }
            // A bound on memory: a circle of more pages than this is not noticed.
            if (seen.size >= 10000) seen.clear();
            seen.set(key, page);
        };
    };

    /// What follows a page: `next` answers the request after it, or nothing at the end, together with the place that the
    /// request stands for; `at` answers the request for such a place.
    const kinds = {
        link(rule, first, request) {
            const visit = path(request);
            if (!rule.link_rel_in_response_header && !rule.link_in_response_header && !rule.link_path_in_response_body) {
                throw new Error(`${request}: link pagination needs link_rel_in_response_header, link_in_response_header or link_path_in_response_body.`);
            }
            let previous;
            const requestAt = (link, config) => {
                const next = { ...config, endpoint: String(link) };
                if (next.endpoint.startsWith('?')) next.endpoint = config.endpoint.split('?')[0] + next.endpoint;
                // The link carries its own parameters.
                delete next.params;
                return next;
            };
            const next = (response, items, config) => {
                const link = rule.link_rel_in_response_header
                    ? linkWithRel(response.headers.link, rule.link_rel_in_response_header)
                    : rule.link_in_response_header
                      ? response.headers[rule.link_in_response_header.toLowerCase()]
                      : at(response.data, rule.link_path_in_response_body);
                // The last page of some providers names itself.
                if (isBlank(link) || (link === previous && !rule.strict)) return undefined;
                visit(link, 'link', items);
                previous = link;
                return { config: requestAt(link, config), parameter: link };
            };
            return { next, at: requestAt };
        },

        cursor(rule, first, request, set) {
            const visit = path(request);
            if (!rule.cursor_path_in_response || !rule.cursor_name_in_request) {
                throw new Error(`${request}: cursor pagination needs cursor_path_in_response and cursor_name_in_request.`);
            }
            const requestAt = (cursor, config) => set(config, rule.cursor_name_in_request, cursor);
            const next = (response, items, config) => {
                const cursor = at(response.data, rule.cursor_path_in_response);
                const isUsable = typeof cursor === 'number' || (typeof cursor === 'string' && cursor.trim() !== '');
                if (items.length === 0 || !isUsable) return undefined;
                visit(cursor, 'cursor', items);
                return { config: requestAt(cursor, config), parameter: cursor };
            };
            return { next, at: requestAt };
        },

        offset(rule, first, request, set) {
            if (!rule.offset_name_in_request) throw new Error(`${request}: offset pagination needs offset_name_in_request.`);
            let offset = Number(rule.offset_start_value ?? 0);
            let previous;
            first.config = set(first.config, rule.offset_name_in_request, offset);
            const requestAt = (place, config) => {
                offset = Number(place);
                return set(config, rule.offset_name_in_request, offset);
            };
            const next = (response, items, config) => {
                if (items.length === 0 || (rule.limit && items.length < Number(rule.limit))) return undefined;
                const page = trace(items);
                if (page === previous) {
                    throw new Error(`${request}: the provider answered the same page again at ${rule.offset_name_in_request} ${offset}; the reading would never end.`);
                }
                previous = page;
                offset += rule.offset_calculation_method === 'per-page' ? 1 : items.length;
                return { config: requestAt(offset, config), parameter: offset };
            };
            return { next, at: requestAt };
        },
    };

    const whatIs = (response, found) => {
        if (typeof response.data !== 'string') return found === undefined ? 'nothing' : kindOf(found);
        const isPage = /^\s*<(!doctype|html)/i.test(response.data);
        return isPage ? 'a web page (HTML)' : `text that is not JSON: ${JSON.stringify(response.data.slice(0, 80))}`;
    };

    const itemsOf = (response, rule, request) => {
        const found = rule.response_path ? at(response.data, rule.response_path) : response.data;
        if (Array.isArray(found)) return found;
        const isAbsent = (found === undefined || found === null) && typeof response.data === 'object';
        if (isAbsent && !rule.strict) return [];
        const where = rule.response_path ? ` at "${rule.response_path}"` : '';
        throw new Error(`${request}: expected a JSON array${where} in the answer, found ${whatIs(response, found)}.`);
    };

    host.itemsOf = itemsOf;

    host.paginate = async function* (config) {
        if (typeof config !== 'object' || config === null) throw new TypeError('paginate needs an object with an "endpoint".');
        const rule = { ...host.settings.properties.paginate, ...config.paginate };
        const method = String(config.method ?? 'GET').toUpperCase();
        const request = `${method} ${config.endpoint}`;
        const make = Object.hasOwn(kinds, rule.type) ? kinds[rule.type] : undefined;
        if (make === undefined) {
            throw new Error(`${request}: "${rule.type}" is not a kind of pagination; known are link, cursor and offset.`);
        }
        const isInBody = rule.in_body ?? ['POST', 'PUT', 'PATCH'].includes(method);
        const set = (current, name, value) => {
            const next = { ...current };
            if (isInBody) {
                const isText = typeof current.data === 'string' && /^\s*\{/.test(current.data);
                if (host.isURLSearchParams(current.data)) {
                    next.data = new URLSearchParams(current.data);
                    next.data.set(name, value);
                    return next;
                }
                next.data = isText ? JSON.parse(current.data) : { ...current.data };
                put(next.data, name, value);
                if (isText) next.data = JSON.stringify(next.data);
            } else {
                const kept = current.params;
                next.params = typeof kept === 'string' || host.isURLSearchParams(kept)
                    ? Object.fromEntries(host.pairs(kept)) : { ...kept };
                next.params[name] = value;
            }
            return next;
        };
        const first = { config: { ...config, method } };
        delete first.config.paginate;
        if (rule.limit && rule.limit_name_in_request) {
            first.config = set(first.config, rule.limit_name_in_request, rule.limit);
        }
        const following = make(rule, first, request, set);
        // A sync works on a page while the next one is under way. An action may want no more than the first: it asks for
        // what it wants.
        const readsAhead = host.settings.kind === 'sync';
        const send = (current) => {
            const answer = host.send(current);
            // Its failure counts when the page is asked for.
            answer.catch(() => {});
            return answer;
        };

        // `from` is a place that `on_page` told an earlier reading, which broke off there.
        const from = config.paginate?.from;
        let current = from === undefined ? first.config : following.at(from, first.config);
        let pending = send(current);
        while (pending !== undefined) {
            const response = await pending;
            const items = itemsOf(response, rule, request);
            let failure;
            let next;
            try {
                next = following.next(response, items, current);
            } catch (error) {
                failure = error;
            }
            if (next !== undefined) current = next.config;
            pending = next === undefined || !readsAhead ? undefined : send(current);
            if (config.paginate?.on_page) {
                await config.paginate.on_page({ nextPageParam: next?.parameter, response });
            }
            if (items.length > 0 || next !== undefined) yield items;
            if (failure !== undefined) throw failure;
            if (next !== undefined) pending ??= send(current);
        }
    };

    host.offer({ paginate: (config) => host.paginate(config) });
})
