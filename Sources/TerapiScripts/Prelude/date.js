// Date as scripts know it from Node, which understands more texts than this engine: `2026-01-05 10:00:00 UTC`,
// `2026-01-05 10:00 PM`, `Jan 2026`. The rules are those of V8's lenient parser. Local time is UTC here.
(function (host) {
    'use strict';
    const Clock = host.EngineDate;
    const now = host.settings?.properties.now;
    const frozen = now === undefined ? undefined : Clock.parse(now);

    const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
    const zones = { utc: 0, ut: 0, gmt: 0, z: 0, est: -5, edt: -4, cst: -6, cdt: -5, mst: -7, mdt: -6, pst: -8, pdt: -7 };
    const token = /\((?:[^()]|\([^()]*\))*\)?|\d+|[a-z]+|\s+|[^]/giu;
    const isIn = (value, least, most) => value >= least && value <= most;

    /// Milliseconds since 1970, or NaN.
    const lenient = (text, isStandard) => {
        const tokens = text.match(token) ?? [];
        const days = [];
        const times = [];
        let month;
        let offsetOfHalf;
        let zone;
        let hasNumber = false;
        for (let at = 0; at < tokens.length; at++) {
            const [current, next] = [tokens[at], tokens[at + 1]];
            if (/^\d/.test(current)) {
                hasNumber = true;
                const number = Number(current.slice(0, 9));
                if (next === ':') {
                    if (times.length > 2) return NaN;
                    times.push(number);
                    at++;
                } else if (next === '.' && isIn(times.length, 1, 2)) {
                    times.push(number);
                    at++;
                    if (!/^\d/.test(tokens[at + 1] ?? '')) return NaN;
                    at++;
                    while (times.length < 3) times.push(0);
                    times.push(Number(tokens[at].slice(0, 3).padEnd(3, '0')));
                } else if (isIn(times.length, 1, 2) && number < 60) {
                    times.push(number);
                    while (times.length < 4) times.push(0);
                    if (next !== undefined && !/^(?:\s+|[-+z])$/i.test(next)) return NaN;
                } else {
                    if (days.length > 2) return NaN;
                    days.push(number);
                    if (next === '-' || next === '.') at++;
                }
            } else if (/^[a-z]/i.test(current)) {
                const word = current.toLowerCase();
                if ((word === 'am' || word === 'pm') && times.length > 0) {
                    offsetOfHalf = word === 'pm' ? 12 : 0;
                } else if (months.includes(word.slice(0, 3)) && word.length > 2) {
                    month = months.indexOf(word.slice(0, 3));
                    if (next === '-') at++;
                } else if (Object.hasOwn(zones, word) && hasNumber) {
                    zone = zones[word] * 60;
                } else if (hasNumber ? word !== 't' || !isStandard : /^\d/.test(next ?? '')) return NaN;
            } else if ((current === '+' || current === '-') && (zone === 0 || times.length > 0)) {
                if (!/^\d/.test(next ?? '')) return NaN;
                at++;
                let [hours, minutes] = [Number(next), 0];
                if (next.length > 2) [hours, minutes] = [Math.floor(hours / 100), hours % 100];
                if (tokens[at + 1] === ':' && /^\d/.test(tokens[at + 2] ?? '')) {
                    minutes = Number(tokens[at + 2]);
                    at += 2;
                }
                zone = (current === '+' ? 1 : -1) * (hours * 60 + minutes);
            } else if ((current === '+' || current === '-' || current === ')') && hasNumber) return NaN;
        }

        if (days.length === 0) return NaN;
        while (days.length < 3) days.push(1);
        let [year, day] = [0, 0];
        if (month === undefined) {
            if (!isIn(days[0], 1, 31)) [year, month, day] = [days[0], days[1] - 1, days[2]];
            else [month, day, year] = [days[0] - 1, days[1], days[2]];
        } else if (!isIn(days[0], 1, 31)) [year, day] = days;
        else [day, year] = days;
        if (year < 50) year += 2000;
        else if (year < 100) year += 1900;
        if (!isIn(month, 0, 11) || !isIn(day, 1, 31)) return NaN;

        let [hour = 0, minute = 0, second = 0, millisecond = 0] = times;
        if (offsetOfHalf !== undefined) {
            if (!isIn(hour, 0, 12)) return NaN;
            hour = (hour % 12) + offsetOfHalf;
        }
        const isMidnight = hour === 24 && minute + second + millisecond === 0;
        if (!isMidnight && !(isIn(hour, 0, 23) && isIn(minute, 0, 59) && isIn(second, 0, 59))) return NaN;
        return Clock.UTC(year, month, day, hour, minute - (zone ?? 0), second, millisecond);
    };

    const standard = /^(?:[-+]\d{6}|\d{4})(?:-\d\d(?:-\d\d)?)?(?:T\d\d:\d\d(?::[0-5]\d(?:[.,]\d+)?)?(?:Z|[-+]\d\d:?\d\d)?)?$/i;
    const parse = (text) => {
        const isStandard = standard.test(text);
        const found = isStandard ? Clock.parse(text) : NaN;
        return Number.isNaN(found) ? lenient(text, isStandard) : found;
    };

    /// What the language makes of an object here: a number or a text.
    const primitive = (value) => {
        if (typeof value !== 'object' || value === null || value instanceof Clock) return value;
        if (value[Symbol.toPrimitive] !== undefined) return value[Symbol.toPrimitive]('default');
        const own = value.valueOf();
        return typeof own === 'object' ? value.toString() : own;
    };

    function Date(...given) {
        if (new.target === undefined) return new Clock(frozen ?? Clock.now()).toString();
        if (given.length === 0 && frozen !== undefined) given = [frozen];
        if (given.length === 1) {
            const value = primitive(given[0]);
            given = [typeof value === 'string' ? parse(value) : value];
        }
        return Reflect.construct(Clock, given, new.target);
    }
    Date.prototype = Clock.prototype;
    Object.defineProperty(Date, 'length', { value: 7 });
    const own = { parse: (text) => parse(String(text)), UTC: Clock.UTC, now: frozen === undefined ? Clock.now : () => frozen };
    for (const name of Object.keys(own)) {
        Object.defineProperty(Date, name, { value: own[name], writable: true, configurable: true, enumerable: false });
    }
    Object.defineProperty(Clock.prototype, 'constructor', { value: Date, writable: true, configurable: true });

    const { toLocaleDateString } = Clock.prototype;
    const shown = function (locales, options) {
        return toLocaleDateString.call(this, host.localesFor(locales, options), options);
    };
    Object.defineProperty(Clock.prototype, 'toLocaleDateString', { value: shown, writable: true, configurable: true });

    host.provide({ Date });
})
