(function (host) {
    'use strict';

    const mustQuote = /^"|[\n\ud800-\udfff]/;

    // What String() makes of a missing id is no id either.
    const noID = new Set(['', 'NaN', 'undefined', 'null', '[object Object]']);

    const prepare = (record, index, model) => {
        if (typeof record !== 'object' || record === null) {
            throw new Error(`${model}: record ${index} is not an object: ${JSON.stringify(record)}`);
        }
        if (typeof record.toJSON === 'function') record = record.toJSON();
        let id = record.id;
        if (typeof id !== 'string') {
            if (typeof id !== 'number' && typeof id !== 'bigint') id = '';
            else id = String(id);
        }
        if (id.includes('\0')) id = id.replaceAll('\0', '');
        if (noID.has(id)) {
            throw new Error(`${model}: record ${index} has no id. Every record needs a member "id" that is a string or a number.`);
        }
        const isPlain = record.id === id && record._terapi_metadata === undefined && record._nango_metadata === undefined;
        if (isPlain) return record;
        const copy = { ...record, id };
        delete copy._terapi_metadata;
        delete copy._nango_metadata;
        return copy;
    };

    /// Hands over records as lines, id and document in turn: the one time that they are printed.
    /// @param checkpoint covers these records and is saved after them; undefined leaves it as it is
    host.hand = async (kind, list, model, checkpoint) => {
        if (list === undefined || list === null) list = [];
        if (!Array.isArray(list)) throw new TypeError(`${model}: expected a list of records, got ${typeof list}`);
        if (typeof model !== 'string' || model === '') throw new TypeError('The name of a model is missing.');
        // A dryrun shows what the script gave.
        const { isDryrun } = host.settings.properties;
        if (list.length === 0 && checkpoint === undefined && !isDryrun) return true;
        let records = new Array(list.length);
        for (let index = 0; index < list.length; index++) records[index] = prepare(list[index], index, model);
        const last = new Map();
        for (let index = 0; index < records.length; index++) last.set(records[index].id, index);
        if (last.size < records.length && !isDryrun) records = records.filter((record, index) => last.get(record.id) === index);
        let lines = '';
        for (let index = 0; index < records.length; index++) {
            const record = records[index];
            lines += (mustQuote.test(record.id) ? JSON.stringify(record.id) : record.id) + '\n' + JSON.stringify(isDryrun ? list[index] : record) + '\n';
        }
        await host.change(JSON.stringify({ kind, model, count: records.length, checkpoint }), lines);
        return true;
    };

    host.offer({
        batchSave: (list, model) => host.hand('save', list, model),
        batchUpdate: (list, model) => host.hand('update', list, model),
        batchDelete: (list, model) => host.hand('delete', list, model),
    });
})
