// Syncs that are declared in YAML: one way of reading, driven by what the file says.
(function (host) {
    'use strict';

    const compile = (file, key, names, source) => {
        try {
            // What is the run's own is nowhere else to be found in a realm of many. Of the functions for mappings come
            // those that the text names.
            const globals = host.globals ?? {};
            const own = Object.keys(globals);
            const used = host.mappingNames.filter((name) => source.includes(name));
            return new Function(...own, ...used, `return function (${names.join(', ')}) { return (${source}\n); };`)(
                ...own.map((name) => globals[name]), ...used.map((name) => host.mapping[name]));
        } catch (error) {
            throw new SyntaxError(`${file}: ${key}: ${error.message}: ${source}`);
        }
    };

    const failure = (file, key, error) => {
        const named = new Error(`${file}: ${key}: ${error?.message ?? error}`);
        named.name = error?.name ?? 'Error';
        return named;
    };

    /// A function of one item.
    const overItem = (file, key, source) => {
        const run = compile(file, key, ['item'], source);
        return (item) => {
            try {
                return run(item);
            } catch (error) {
                throw failure(file, key, error);
            }
        };
    };

    const mapping = (file, fields) => {
        const each = Object.entries(fields).map(([name, source]) => [name, overItem(file, `map.${name}`, source)]);
        const members = Object.entries(fields).map(([name, source]) => `${JSON.stringify(name)}: (${source}\n)`);
        const map = compile(file, 'map', ['item'], `{${members.join(', ')}}`);
        return (item) => {
            try {
                return map(item);
            } catch (error) {
                // One by one, to find the key whose fault it is.
                for (const [, run] of each) run(item);
                throw failure(file, 'map', error);
            }
        };
    };

    const isAlone = (source) => {
        let depth = 0;
        for (let index = 0; index < source.length; index++) {
            if (source[index] === '(') depth++;
            if (source[index] === ')' && --depth < 0) return false;
        }
        return depth === 0;
    };

    const instant = (value) => (typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value) ? Date.parse(value) : NaN);

    const isLess = (left, right) => {
        if (typeof left === 'string' && typeof right === 'string') {
            const [first, second] = [instant(left), instant(right)];
            // Times may be written with different offsets or digits.
            if (first !== second && !Number.isNaN(first) && !Number.isNaN(second)) return first < second;
        }
        return left < right;
    };

    const choosers = {
        max: (kept, value) => (kept === undefined || isLess(kept, value) ? value : kept),
        min: (kept, value) => (kept === undefined || isLess(value, kept) ? value : kept),
        first: (kept, value) => kept ?? value,
        last: (kept, value) => value,
    };

    /// Follows the checkpoint's members over the pages of one run.
    /// @param partial what a reading had reached that was cut off and goes on now
    const follower = (file, fields, stored, partial = {}) => {
        const reached = { ...stored };
        const fresh = {};
        const steps = Object.entries(fields).map(([name, source]) => {
            const key = `checkpoint.${name}`;
            const found = /^\s*(max|min|first|last)\s*\(([\s\S]*)\)\s*$/.exec(source);
            if (found && isAlone(found[2])) {
                const [, kind, inner] = found;
                const value = overItem(file, key, inner);
                // What was reached before counts only for a largest value: the place never goes back.
                if (kind === 'max' && stored?.[name] !== undefined) fresh[name] = stored[name];
                if (partial[name] !== undefined) fresh[name] = partial[name];
                return (items) => {
                    for (const item of items) {
                        const next = value(item);
                        if (next !== undefined && next !== null) fresh[name] = choosers[kind](fresh[name], next);
                    }
                    if (fresh[name] !== undefined) reached[name] = fresh[name];
                };
            }
            const run = compile(file, key, ['response', 'firstResponse', 'checkpoint'], source);
            return (items, responses) => {
                // The answers of the first part count: what changed since then in its pages must be read again.
                if (partial[name] !== undefined) {
                    reached[name] = partial[name];
                    return;
                }
                try {
                    const value = run(responses.last, responses.first, stored ?? {});
                    if (value !== undefined && value !== null) reached[name] = value;
                } catch (error) {
                    throw failure(file, key, error);
                }
            };
        });
        return (items, responses) => {
            for (const step of steps) step(items, responses);
            return { ...reached };
        };
    };

    const seconds = (date) => date.toISOString().replace(/\.\d{3}Z$/, 'Z');

    const minus = (file, name, value, overlap) => {
        if (!overlap) return value;
        if (typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value))) {
            // Above this it can only be milliseconds: as seconds it would be the year 5138.
            const number = Number(value);
            const less = number > 1e11 ? number - overlap : number - Math.ceil(overlap / 1000);
            return typeof value === 'number' ? less : String(less);
        }
        const time = Date.parse(value);
        if (Number.isNaN(time)) {
            throw new Error(`${file}: checkpoint.overlap: ${JSON.stringify(value)} in checkpoint.${name} is not a time.`);
        }
        const date = new Date(time - overlap);
        return String(value).includes('.') ? date.toISOString() : /T/.test(value) ? seconds(date) : seconds(date).slice(0, 10);
    };

    /// The run's own time, which a test stops.
    const present = () => {
        const stopped = host.settings?.properties?.now;
        return stopped === undefined ? Date.now() : Date.parse(stopped);
    };

    /// A time as the provider takes it.
    const written = (time, as) => {
        const date = new Date(time);
        switch (as) {
            case 'date': return seconds(date).slice(0, 10);
            case 'unix': return Math.floor(date / 1000);
            case 'unix_ms': return Number(date);
            default: return seconds(date);
        }
    };

    const place = /\$\{([^}]*)\}/g;
    const rootsIn = (value) => new Set([...JSON.stringify(value ?? null).matchAll(place)].map(([, path]) => path.trim().split('.')[0]));
    const valueAt = (scope, path) =>
        path.trim().split('.').reduce((value, step) => (value === undefined || value === null ? undefined : value[step]), scope);

    /// Undefined when a place in the text has no value.
    const fill = (text, scope, escape = String) => {
        let isWhole = true;
        const filled = text.replace(place, (match, path, offset) => {
            const value = valueAt(scope, path);
            if (value === undefined || value === null || value === '') isWhole = false;
            return offset === 0 ? String(value) : escape(value);
        });
        return isWhole ? filled : undefined;
    };

    const fillAll = (value, scope) => {
        if (typeof value === 'string') return fill(value, scope);
        if (Array.isArray(value)) return value.map((member) => fillAll(member, scope)).filter((member) => member !== undefined);
        if (typeof value !== 'object' || value === null) return value;
        const filled = Object.entries(value).map(([name, member]) => [name, fillAll(member, scope)]);
        return Object.fromEntries(filled.filter(([, member]) => member !== undefined));
    };

    /// - Parameter window: the part of the history that is read, `from` and `until` in milliseconds; or undefined
    const scopeOf = async (terapi, spec, stored, window) => {
        const roots = rootsIn(spec.request);
        const scope = {};
        if (roots.has('metadata')) scope.metadata = await terapi.getMetadata();
        if (roots.has('connection') || roots.has('connectionConfig')) {
            const { credentials, ...connection } = await terapi.getConnection();
            scope.connection = connection;
            scope.connectionConfig = connection.connection_config;
        }
        const names = Object.keys(spec.checkpoint?.fields ?? {});
        scope.checkpoint = {};
        for (const name of names) {
            if (stored?.[name] !== undefined) scope.checkpoint[name] = minus(spec.file, name, stored[name], spec.checkpoint.overlap);
            else if (window) scope.checkpoint[name] = written(window.from, spec.backfill.as);
        }
        // Behind the history an end that the provider insists on: now, and as a day one that is over nowhere.
        const now = present() + (spec.backfill?.as === 'date' ? 86400000 : 0);
        const until = window?.until ?? (spec.backfill?.until === 'always' ? now : undefined);
        scope.backfill = until === undefined ? {} : { until: written(until, spec.backfill.as) };
        return scope;
    };

    const requestOf = (spec, scope) => {
        const { endpoint, method, params, headers, data, retries, paginate } = spec.request;
        const filled = fill(endpoint, scope, encodeURIComponent);
        if (filled === undefined) {
            const missing = [...endpoint.matchAll(place)].map(([match]) => match).filter((match) => fill(match, scope) === undefined);
            throw new Error(`${spec.file}: request.endpoint: ${missing.join(', ')} has no value for this connection.`);
        }
        return { endpoint: filled, method, params: fillAll(params, scope), headers: fillAll(headers, scope), data: fillAll(data, scope), retries, paginate };
    };

    /// The members of a checkpoint that hold where a reading which was cut off goes on, and what it had reached; and those
    /// that hold how far the history is read.
    const pagePlace = '_page';
    const historyPlace = '_history';
    const under = (place, members) => Object.fromEntries(Object.entries(members ?? {}).map(([name, value]) => [`${place}.${name}`, value]));
    const split = (checkpoint) => {
        const parts = { from: checkpoint?.[pagePlace], stored: {}, partial: {}, history: undefined };
        for (const [name, value] of Object.entries(checkpoint ?? {})) {
            if (name.startsWith(`${pagePlace}.`)) parts.partial[name.slice(pagePlace.length + 1)] = value;
            else if (name.startsWith(`${historyPlace}.`)) parts.history = { ...parts.history, [name.slice(historyPlace.length + 1)]: value };
            else if (name !== pagePlace) parts.stored[name] = value;
        }
        return parts;
    };

    /// Pages with the responses that they came in.
    /// @param from where an earlier reading was cut off, or undefined
    const pagesOf = async function* (terapi, spec, config, responses, from) {
        const note = (response, next) => {
            responses.first ??= response;
            responses.last = response;
            responses.next = next;
        };
        if (config.paginate) {
            config.paginate = {
                strict: true, ...config.paginate, from, on_page: ({ response, nextPageParam }) => note(response, nextPageParam),
            };
            yield* terapi.paginate(config);
            return;
        }
        const response = await terapi.proxy(config);
        note(response);
        yield host.itemsOf(response, { strict: true, response_path: spec.request.response_path }, `${config.method} ${config.endpoint}`);
    };

    const listOf = (value) => (Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]);

    /// A request with another put over it, parameter by parameter.
    const over = (request, part) => ({ ...request, ...part, params: { ...request.params, ...part.params } });

    /// A record's id is text. The items are ours, just parsed: changing one costs less than copying it.
    const nameByText = (item) => {
        if (typeof item?.id === 'number') item.id = String(item.id);
    };

    const isPlace = (value) => typeof value === 'string' || typeof value === 'number';

    /// Names the request whose page holds a record that cannot be saved; what the server refuses stays as it is.
    const save = async (spec, records, checkpoint) => {
        try {
            await host.hand('save', records, spec.model, checkpoint);
        } catch (error) {
            if (error?.name === 'TerapiError') throw error;
            throw failure(spec.file, `${spec.request.method} ${spec.request.endpoint}`, error);
        }
    };

    host.declaredSync = (spec) => {
        const { file, model } = spec;
        const isDeleted = spec.deleted === undefined ? undefined : overItem(file, 'deleted', spec.deleted);
        const isWanted = spec.where === undefined ? undefined : overItem(file, 'where', spec.where);
        const idOf = spec.id ?? spec.map?.id;
        const id = idOf === undefined ? (item) => item.id : overItem(file, spec.id === undefined ? 'map.id' : 'id', idOf);
        const map = spec.map !== undefined ? mapping(file, spec.id === undefined ? spec.map : { id: spec.id, ...spec.map })
            : spec.id !== undefined ? (item) => ({ ...item, id: id(item) }) : undefined;

        const exec = async (terapi) => {
            const place = split(await terapi.getCheckpoint());
            const isFirst = place.from === undefined && Object.keys(place.stored).length === 0;
            if (spec.backfill && (place.history || isFirst)) await readHistory(terapi, place);
            else await readOn(terapi, place);
        };

        /// Goes on where an earlier reading was cut off.
        const readOn = async (terapi, place) => {
            if (place.from === undefined) return read(terapi, place);
            try {
                return await read(terapi, place);
            } catch (error) {
                const status = error?.response?.status;
                if (![400, 404, 410, 422].includes(status)) throw error;
                await terapi.log(`The provider refuses the page at which the last run was cut off (${status}): reading from the start.`, {}, { level: 'warn' });
                // What the windows before have reached stays.
                return read(terapi, { ...place, from: undefined, partial: place.window ? place.partial : {} });
            }
        };

        /// What was there before the first run, from its beginning on. Where the request takes an end, window after window;
        /// a run that is cut off goes on in its window.
        const readHistory = async (terapi, place) => {
            const now = Math.floor(present() / 1000) * 1000;
            const history = place.history ?? {
                from: now - spec.backfill.days * 86400000, until: now, done: 0,
                // As it is now: another size later must not leave out a part.
                ...(spec.backfill.window === undefined ? {} : { size: spec.backfill.window }),
            };
            // A run that is cut off at once does not begin another history.
            if (!place.history) await terapi.saveCheckpoint(under(historyPlace, history));
            const { size } = history;
            const windows = size === undefined ? 1 : Math.ceil((history.until - history.from) / size);
            const endOf = (window) => (window === 0 ? history.from : Math.min(history.from + window * (size ?? Infinity), history.until));
            const tell = (facts) => terapi.reportBackfill({
                from: seconds(new Date(history.from)), until: seconds(new Date(history.until)), windows, windows_done: history.done, ...facts,
            });
            const begun = size === undefined ? timeIn(place.stored, history) : undefined;
            await tell({ reached: seconds(new Date(begun ?? endOf(history.done))) });
            while (history.done < windows) {
                const window = size === undefined
                    ? { from: history.from } : { from: endOf(history.done), until: endOf(history.done + 1) };
                const stored = size === undefined ? place.stored : {};
                const reached = await readOn(terapi, { ...place, stored, history, window, tell });
                history.done += 1;
                place = { stored: {}, partial: reached, history };
                await terapi.saveCheckpoint({ ...under(pagePlace, reached), ...under(historyPlace, history) });
                if (history.done < windows) await tell({ reached: seconds(new Date(endOf(history.done))) });
            }
            // Told before the last trace of it is gone from the checkpoint: a run that is cut off here tells it again.
            await tell({ finished: true });
            const checkpoint = { ...place.partial };
            for (const name of Object.keys(spec.checkpoint.fields)) {
                // Nothing was there to learn a place from. The provider's clock may be behind ours.
                checkpoint[name] ??= written(history.until - 3600000, spec.backfill.as);
            }
            await terapi.saveCheckpoint(checkpoint);
        };

        /// The time that a reading in ascending order has reached, where its checkpoint tells one.
        const timeIn = (reached, { from, until }) =>
            Object.values(reached ?? {}).map(instant).find((time) => time >= from && time <= until);

        /// At most every other second, how far a history without windows has come.
        const teller = (tell, history) => {
            let last = host.clock();
            return async (reached) => {
                const time = timeIn(reached, history);
                if (time === undefined || host.clock() - last < 2000) return;
                last = host.clock();
                await tell({ reached: seconds(new Date(time)) });
            };
        };

        /// @param place where to begin, and the window of a history that is being read
        /// @returns what the checkpoint's members have reached; a reading that is no part of a history has saved it
        const read = async (terapi, { from, stored, partial, history, window, tell }) => {
            const scope = await scopeOf(terapi, spec, stored, window);
            const advance = spec.checkpoint ? follower(file, spec.checkpoint.fields, stored, partial) : undefined;
            const responses = {};
            const isAscending = spec.checkpoint?.order === 'ascending' && window?.until === undefined;
            const advanced = window && isAscending ? teller(tell, history) : undefined;
            const marks = window ? under(historyPlace, history) : {};
            let reached;
            // One page is handed over while the next is being read, never more: a failure stops the reading.
            let handing;
            // Pages may have shifted while the reading was cut off: only one that went through may delete.
            const detectsDeletions = spec.trackDeletes && from === undefined;
            if (detectsDeletions) await terapi.trackDeletesStart(model);
            const readPage = async (page) => {
                let items = page;
                if (isDeleted) {
                    const gone = items.filter(isDeleted);
                    if (gone.length > 0) {
                        // A record may have been in the page before.
                        await handing;
                        await terapi.batchDelete(gone.map((item) => ({ id: id(item) })), model);
                        items = items.filter((item) => !isDeleted(item));
                    }
                }
                if (isWanted) items = items.filter(isWanted);
                if (!map) items.forEach(nameByText);
                const records = map ? items.map(map) : items;
                reached = advance?.(page, responses);
                let checkpoint;
                if (isAscending) checkpoint = { ...reached, ...marks };
                else if (isPlace(responses.next)) checkpoint = { ...stored, [pagePlace]: responses.next, ...under(pagePlace, reached), ...marks };
                await handing;
                handing = save(spec, records, checkpoint);
                // Heard when it is awaited, after the next page has come.
                handing.catch(() => {});
                await advanced?.(reached);
            };
            try {
                for await (const page of pagesOf(terapi, spec, requestOf(spec, scope), responses, from)) await readPage(page);
            } finally {
                await handing;
            }
            if (detectsDeletions) await terapi.trackDeletesEnd(model);
            else if (spec.trackDeletes) await terapi.log('This run went on where the last one was cut off. The next run looks for deletions.');
            // A reading without any page may still say where it ended.
            if (window) return reached ?? advance([], responses);
            if (spec.checkpoint?.order === 'ascending') return;
            if (advance) await terapi.saveCheckpoint(reached ?? advance([], responses));
            else await terapi.clearCheckpoint();
        };
        const take = async (terapi, items) => {
            await forget(terapi, isDeleted ? items.filter(isDeleted).map(id) : []);
            let rest = isDeleted ? items.filter((item) => !isDeleted(item)) : items;
            if (isWanted) rest = rest.filter(isWanted);
            if (!map) rest.forEach(nameByText);
            if (rest.length > 0) await save(spec, map ? rest.map(map) : rest);
        };
        const forget = async (terapi, ids) => {
            if (ids.length > 0) await terapi.batchDelete(ids.map((gone) => ({ id: String(gone) })), model);
        };

        /// What a provider's webhook brings: the record itself, or where to fetch what has changed.
        const onWebhook = async (terapi, event) => {
            const { apply, fetch, window, deleted, id: idSource } = spec.webhook;
            const webhook = terapi.webhook ?? {};
            const valueOf = (name, source) => {
                const run = compile(file, `webhook.${name}`, ['event', 'webhook'], source);
                try {
                    return run(event, webhook);
                } catch (error) {
                    throw failure(file, `webhook.${name}`, error);
                }
            };
            const isGone = deleted !== undefined && valueOf('deleted', deleted);
            if (apply !== undefined) {
                const items = listOf(valueOf('apply', apply));
                return isGone ? forget(terapi, items.map(id)) : take(terapi, items);
            }
            if (isGone) return forget(terapi, listOf(valueOf('id', idSource)));
            const own = { ...spec, request: fetch ?? over(spec.request, window) };
            const config = requestOf(own, { ...await scopeOf(terapi, own, {}), event, webhook });
            if (!fetch) {
                for await (const page of pagesOf(terapi, own, config, {})) await take(terapi, page);
                return undefined;
            }
            try {
                const { data } = await terapi.proxy(config);
                await take(terapi, listOf(fetch.response_path ? valueAt(data, fetch.response_path) : data));
            } catch (error) {
                // Gone before it could be fetched.
                if (idSource === undefined || ![404, 410].includes(error?.response?.status)) throw error;
                await forget(terapi, listOf(valueOf('id', idSource)));
            }
            return undefined;
        };
        const sync = { type: 'sync', description: spec.description, models: [model], frequency: spec.frequency, exec };
        return spec.webhook ? { ...sync, onWebhook } : sync;
    };
})
