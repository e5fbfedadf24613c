// What is printed goes into the run's log.
(function (host) {
    'use strict';
    const { clock } = host;
    const console = {};
    for (const [name, level] of Object.entries({
        log: 'info', info: 'info', dir: 'info', table: 'info', group: 'info', debug: 'debug', trace: 'debug',
        warn: 'warn', error: 'error',
    })) console[name] = (...values) => void host.log(formatted(values), null, level).catch(() => {});
    console.assert = (isTrue, ...values) => isTrue || console.error('Assertion failed:', ...values);
    const began = new Map();
    console.time = (label = 'default') => void began.set(label, clock());
    console.timeLog = (label = 'default', ...values) => console.log(`${label}: ${clock() - began.get(label)} ms`, ...values);
    console.timeEnd = (label = 'default') => {
        if (began.has(label)) console.timeLog(label);
        began.delete(label);
    };
    const counts = new Map();
    console.count = (label = 'default') => {
        counts.set(label, (counts.get(label) ?? 0) + 1);
        console.log(`${label}: ${counts.get(label)}`);
    };
    console.countReset = (label = 'default') => void counts.delete(label);
    console.groupEnd = console.clear = () => {};

    const formatted = (values) => {
        if (typeof values[0] !== 'string' || !values[0].includes('%')) return values.map(host.text).join(' ');
        const [format, ...rest] = values;
        const filled = format.replace(/%[sdifjoOc%]/g, (mark) => {
            if (mark === '%%') return '%';
            if (rest.length === 0) return mark;
            const value = rest.shift();
            switch (mark) {
                case '%d': return String(Number(value));
                case '%i': return String(parseInt(value, 10));
                case '%f': return String(parseFloat(value));
                case '%c': return '';
                default: return host.text(value);
            }
        });
        return [filled, ...rest.map(host.text)].join(' ');
    };

    host.provide({ console });
})
