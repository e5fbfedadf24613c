// What mappings onto models need again and again: units, times and words. What a source leaves out stays left out.
(function (host) {
    'use strict';
    const isAbsent = (value) => value === undefined || value === null || value === '';

    const number = (value) => {
        if (isAbsent(value) || typeof value === 'boolean') return undefined;
        const found = Number(value);
        return Number.isFinite(found) ? found : undefined;
    };

    // MARK: Units. Each with what it measures and how many of the first of its kind it is.

    const units = {
        m: ['length', 1], km: ['length', 1000], cm: ['length', 0.01], mm: ['length', 0.001], mi: ['length', 1609.344],
        yd: ['length', 0.9144], ft: ['length', 0.3048], in: ['length', 0.0254],
        kg: ['mass', 1], g: ['mass', 0.001], lb: ['mass', 0.45359237], oz: ['mass', 0.028349523125], st: ['mass', 6.35029318],
        s: ['time', 1], ms: ['time', 0.001], min: ['time', 60], h: ['time', 3600], d: ['time', 86400],
        kcal: ['energy', 1], cal: ['energy', 0.001], kj: ['energy', 1 / 4.184], j: ['energy', 1 / 4184],
        mps: ['speed', 1], kmh: ['speed', 1 / 3.6], mph: ['speed', 0.44704], mmps: ['speed', 0.001], kn: ['speed', 1852 / 3600],
        percent: ['ratio', 1], fraction: ['ratio', 100],
        // Of glucose, whose mole weighs 180.156 g.
        mg_dl: ['glucose', 1], mmol_l: ['glucose', 18.0156],
        mmhg: ['pressure', 1], kpa: ['pressure', 7.50061683],
        celsius: ['temperature', 1, 0], kelvin: ['temperature', 1, -273.15], fahrenheit: ['temperature', 5 / 9, -160 / 9],
    };

    const unit = (name) => {
        if (Object.hasOwn(units, name)) return units[name];
        throw new Error(`convert: "${name}" is no unit that is known. Known are ${Object.keys(units).join(', ')}.`);
    };

    const convert = (value, from, to) => {
        const [kind, factor, zero = 0] = unit(from);
        const [wanted, divisor, start = 0] = unit(to);
        if (kind !== wanted) throw new Error(`convert: ${from} measures ${kind} and ${to} measures ${wanted}.`);
        const found = number(value);
        // The digits beyond are made by binary fractions.
        return found === undefined ? undefined : Number(((found * factor + zero - start) / divisor).toPrecision(12));
    };

    // MARK: Times

    const form = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d))?(?:\.(\d+))?\s*(Z|UTC|[+-]\d\d(?::?\d\d)?)?)?$/i;

    const pad = (value) => String(Math.abs(value)).padStart(2, '0');
    const written = (minutes) =>
        minutes === 0 ? 'Z' : `${minutes < 0 ? '-' : '+'}${pad(Math.trunc(minutes / 60))}:${pad(minutes % 60)}`;

    const offsetMinutes = (value) => {
        if (typeof value === 'number') return value;
        const text = String(value ?? '').trim();
        if (/^(z|utc|gmt)$/i.test(text)) return 0;
        const seconds = /^([+-]?\d+(?:\.\d+)?)s$/.exec(text);
        if (seconds !== null) return Math.round(Number(seconds[1]) / 60);
        const found = /(?:^|T[\d:.]+)([+-])(\d\d):?(\d\d)?$/.exec(text);
        if (found === null) return /T[\d:.]+Z$/.test(text) ? 0 : undefined;
        return (found[1] === '-' ? -1 : 1) * (Number(found[2]) * 60 + Number(found[3] ?? 0));
    };

    const instantOf = (value) => {
        if (value instanceof Date) return Number(value);
        const found = number(value);
        // As milliseconds a smaller number would be in 1973, as seconds this one is in the year 5138.
        if (found !== undefined) return Math.abs(found) < 1e11 ? found * 1000 : found;
        return Date.parse(dateTime(value) ?? '');
    };

    const shifted = (instant, minutes) => {
        if (Number.isNaN(instant)) return undefined;
        const text = new Date(instant + minutes * 60000).toISOString().replace(/\.000Z$/, 'Z');
        return text.slice(0, -1) + written(minutes);
    };

    /// @param offset of the person's own time: `+02:00`, `-14400s` or minutes
    const dateTime = (value, offset) => {
        if (isAbsent(value)) return undefined;
        if (offset !== undefined && offset !== null) return shifted(instantOf(value), offsetMinutes(offset) ?? 0);
        if (typeof value !== 'string' || number(value) !== undefined) return shifted(instantOf(value), 0);
        const found = form.exec(value.trim());
        if (found === null) return undefined;
        const [, day, time = '00:00', seconds = '00', digits = '', zone = 'Z'] = found;
        const fraction = digits.slice(0, 6).replace(/0+$/, '');
        const text = `${day}T${time}:${seconds}${fraction === '' ? '' : `.${fraction}`}`;
        const minutes = offsetMinutes(zone);
        return text + (minutes === 0 ? 'Z' : written(minutes));
    };

    /// The day as the source writes it: a time is never moved to another zone before it is cut.
    const localDate = (value, offset) => {
        if (offset !== undefined && offset !== null) return dateTime(value, offset)?.slice(0, 10);
        if (typeof value === 'string' && /^\d{4}-\d\d-\d\d/.test(value)) return value.slice(0, 10);
        return dateTime(value)?.slice(0, 10);
    };

    const secondsBetween = (start, end) => {
        if (isAbsent(start) || isAbsent(end)) return undefined;
        const seconds = (instantOf(end) - instantOf(start)) / 1000;
        return Number.isNaN(seconds) ? undefined : seconds;
    };

    const later = (start, seconds) => {
        const [text, count] = [dateTime(start), number(seconds)];
        return text === undefined || count === undefined ? undefined : shifted(Date.parse(text) + count * 1000, offsetMinutes(text) ?? 0);
    };

    // MARK: Words

    /// @param table our word by the source's; case does not count
    const lookup = (value, table, otherwise = 'unknown') => {
        if (isAbsent(value)) return undefined;
        const text = String(value).toLowerCase();
        for (const name of Object.keys(table)) if (name.toLowerCase() === text) return table[name];
        return otherwise;
    };

    const sports = {
        running: 'run running jogging jog outdoorrun virtualrun trackrunning',
        trail_running: 'trailrun trailrunning', treadmill_running: 'treadmill treadmillrunning indoorrun indoorrunning',
        walking: 'walk walking powerwalking nordicwalking strollerwalking dogwalking', hiking: 'hike hiking rucking hikingrucking',
        cycling: 'ride cycling biking bike roadbiking roadcycling velomobile', mountain_biking: 'mountainbikeride mountainbiking emountainbikeride',
        gravel_cycling: 'gravelride gravelcycling', indoor_cycling: 'virtualride spin spinning indoorcycling stationarybike assaultbike',
        e_biking: 'ebikeride ebiking', swimming: 'swim swimming lapswimming swimmingpool poolswimming',
        open_water_swimming: 'openwater openwaterswimming swimmingopenwater', rowing: 'rowing row', indoor_rowing: 'virtualrow rowingmachine indoorrowing',
        canoeing: 'canoeing', kayaking: 'kayaking', paddling: 'standuppaddling paddleboarding paddling standuppaddleboarding', surfing: 'surfing',
        sailing: 'sail sailing', kitesurfing: 'kitesurf kitesurfing kiteboarding', windsurfing: 'windsurf windsurfing',
        alpine_skiing: 'alpineski skiing downhillskiing alpineskiing', backcountry_skiing: 'backcountryski backcountryskiing',
        cross_country_skiing: 'nordicski crosscountryskiing rollerski rollerskiing', snowboarding: 'snowboard snowboarding',
        snowshoeing: 'snowshoe snowshoeing', ice_skating: 'iceskate iceskating', inline_skating: 'inlineskate inlineskating rollerblading',
        skateboarding: 'skateboard skateboarding', functional_training: 'functionalfitness functionaltraining',
        strength_training: 'weighttraining weights weightlifting strengthtraining powerlifting strength strengthtrainer',
        interval_training: 'highintensityintervaltraining hiit intervalworkout', crossfit: 'crossfit', cardio: 'cardio aerobicworkout aerobics aerobic workout exercise cardioworkout',
        elliptical: 'elliptical', stair_climbing: 'stairstepper stairclimbing stairmaster stairs', yoga: 'yoga hotyoga', pilates: 'pilates',
        stretching: 'stretching flexibility', meditation: 'meditation', dancing: 'dance dancing', climbing: 'rockclimbing climbing bouldering',
        golf: 'golf', tennis: 'tennis', table_tennis: 'tabletennis', squash: 'squash', badminton: 'badminton', pickleball: 'pickleball',
        racquetball: 'racquetball', padel: 'padel paddletennis', soccer: 'soccer football', american_football: 'americanfootball',
        basketball: 'basketball', volleyball: 'volleyball', handball: 'handball', baseball: 'baseball softball', hockey: 'hockey icehockey fieldhockey',
        rugby: 'rugby', cricket: 'cricket', boxing: 'boxing kickboxing', martial_arts: 'martialarts judo karate jiujitsu taekwondo',
        horse_riding: 'horsebackriding horseriding', wheelchair: 'wheelchair wheelchairpushing', handcycling: 'handcycle handcycling',
        other: 'other activity sport multisport',
    };
    let sportsByWord;

    const sport = (value) => {
        if (isAbsent(value)) return undefined;
        if (sportsByWord === undefined) {
            sportsByWord = new Map();
            for (const name of Object.keys(sports)) for (const word of sports[name].split(' ')) sportsByWord.set(word, name);
        }
        return sportsByWord.get(String(value).toLowerCase().replace(/[^a-z]/g, '')) ?? 'unknown';
    };

    /// A person, or nothing when nothing is known of them.
    const person = (id, name, email) => {
        const found = {};
        if (!isAbsent(id)) found.id = String(id);
        if (!isAbsent(name)) found.name = String(name);
        if (!isAbsent(email)) found.email = String(email);
        return Object.keys(found).length === 0 ? undefined : found;
    };

    const entities = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

    /// The text of a piece of HTML.
    const plainText = (html) => {
        if (isAbsent(html)) return undefined;
        const text = String(html)
            .replace(/<(script|style)[^>]*>[\s\S]*?<\/\1>/gi, '')
            .replace(/<(br|\/p|\/div|\/li|\/h[1-6]|\/tr)[^>]*>/gi, '\n')
            .replace(/<[^>]*>/g, '')
            .replace(/&(?:#(\d+)|#x([0-9a-f]+)|([a-z]+));/gi, (match, decimal, hex, name) => {
                const code = decimal !== undefined ? Number(decimal) : hex !== undefined ? parseInt(hex, 16) : undefined;
                if (code !== undefined) return code <= 0x10ffff ? String.fromCodePoint(code) : match;
                return Object.hasOwn(entities, name.toLowerCase()) ? entities[name.toLowerCase()] : match;
            });
        return text.replace(/[ \t]+\n/g, '\n').replace(/\n{3,}/g, '\n\n').trim();
    };

    host.mapping = Object.freeze({
        convert, dateTime, later, localDate, lookup, number, offsetMinutes, person, plainText, secondsBetween, sport,
    });
    // All runs of a realm get the same ones.
    for (const name of Object.keys(host.mapping)) Object.freeze(host.mapping[name]);
})
