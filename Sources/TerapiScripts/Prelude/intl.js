(function (host) {
    'use strict';
    const Intl = host.EngineIntl ?? globalThis.Intl;
    const isNumber = (form) => form === undefined || form === 'numeric' || form === '2-digit';

    /// Canada writes 2026-01-31 in Node, and scripts rely on it; some versions of the system's tables have another order.
    host.localesFor = (locales, options) => {
        const { timeZone, year, month, day, ...others } = options ?? {};
        const isPlain = Object.keys(others).length === 0 && [year, month, day].every(isNumber);
        return isPlain && [locales].flat()[0] === 'en-CA' ? 'sv-SE' : locales;
    };

    const Format = Intl.DateTimeFormat;
    const DateTimeFormat = function (locales, options) {
        return Reflect.construct(Format, [host.localesFor(locales, options), options], new.target ?? Format);
    };
    Object.defineProperty(DateTimeFormat, 'prototype', { value: Format.prototype });
    Object.defineProperty(Format.prototype, 'constructor', { value: DateTimeFormat, writable: true, configurable: true });
    DateTimeFormat.supportedLocalesOf = Format.supportedLocalesOf;
    Object.defineProperty(Intl, 'DateTimeFormat', { value: DateTimeFormat, writable: true, configurable: true });
    host.provide({ Intl });
})
