(function (host) {
    'use strict';

    const at = (value, path) =>
        String(path).split('.').reduce((found, step) => (found === undefined || found === null ? undefined : found[step]), value);

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

    /// Remembers where the reading has been, so that a provider which sends us in a circle is noticed.
    const path = (request) => {
        const seen = new Set();
        return (step, what) => {
            const key = String(step);
            if (seen.has(key)) {
                throw new Error(`${request}: the provider repeated the ${what} ${JSON.stringify(key.slice(0, 200))}; the reading would never end.`);
            }
            // A bound on memory: a circle of more pages than this is not noticed.
            if (seen.size >= 10000) seen.clear();
            seen.add(key);
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
                if (isBlank(link)) return undefined;
                visit(link, 'link');
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
                visit(cursor, 'cursor');
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
                const page = items.length + JSON.stringify(items[0]) + JSON.stringify(items[items.length - 1]);
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
                next.data = { ...current.data };
                put(next.data, name, value);
            } else {
                const kept = current.params;
                next.params = typeof kept === 'string' || kept instanceof URLSearchParams
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
        const send = (current) => {
            const answer = host.send(current);
            // The next page is under way before it is wanted: its failure counts when it is asked for.
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
            pending = next === undefined ? undefined : send(current);
            if (config.paginate?.on_page) {
                await config.paginate.on_page({ nextPageParam: next?.parameter, response });
            }
            if (items.length > 0 || pending !== undefined) yield items;
            if (failure !== undefined) throw failure;
        }
    };
})
