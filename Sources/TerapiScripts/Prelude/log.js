(function (host) {
    'use strict';
    /// A line of the run's log; whatever the values are, writing them down does not fail the run.
    host.log = (message, meta, level) =>
        host.callPrinted('log', `[${JSON.stringify(message)},${host.json(meta) ?? null},${JSON.stringify({ level })}]`);

    const isOptions = (value) => typeof value === 'object' && value !== null && typeof value.level === 'string';

    const log = async (message, ...rest) => {
        const options = rest.length > 0 && isOptions(rest[rest.length - 1]) ? rest.pop() : { level: 'info' };
        const [first] = rest;
        const isPlain = rest.length === 1 && typeof first === 'object' && first !== null && !Array.isArray(first) && !(first instanceof Error);
        const given = rest.filter((value) => value !== undefined && value !== null);
        const meta = given.length === 0 ? null : isPlain ? first : given[0] instanceof Error && given.length === 1 ? { error: first } : { meta: given };
        await host.log(host.text(message), meta, options.level);
    };
    host.offer({ log, setLogger() {} });
})
