'use strict';

const { createSync, dateTime, models } = require('terapi');

/** Its refusals come with the status of a success. */
const ask = async (terapi, endpoint, params) => {
    const { data } = await terapi.post({
        endpoint,
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        data: params,
        retries: 5,
    });
    if (data.status !== 0) throw new Error(`Withings answered ${endpoint} with the status ${data.status}: ${data.error ?? 'no reason'}`);
    return data.body;
};

const fields = [
    'total_timeinbed', 'total_sleep_time', 'lightsleepduration', 'deepsleepduration', 'remsleepduration', 'wakeupduration',
    'wakeupcount', 'sleep_latency', 'sleep_efficiency', 'hr_average', 'hr_min', 'rr_average', 'sleep_score',
];

/** Most devices give a ratio, some a percentage. */
const percentOf = (value) =>
    (typeof value !== 'number' ? undefined : value <= 1 ? Number((value * 100).toFixed(2)) : value);

const toSleep = ({ id, data, ...night }) => ({
    id: String(id),
    start_at: dateTime(night.startdate),
    end_at: dateTime(night.enddate),
    local_date: night.date,
    in_bed_seconds: data.total_timeinbed,
    asleep_seconds: data.total_sleep_time,
    awake_seconds: data.wakeupduration,
    light_seconds: data.lightsleepduration,
    deep_seconds: data.deepsleepduration,
    rem_seconds: data.remsleepduration,
    latency_seconds: data.sleep_latency,
    wake_count: data.wakeupcount,
    efficiency_percent: percentOf(data.sleep_efficiency),
    avg_hr_bpm: data.hr_average,
    min_hr_bpm: data.hr_min,
    respiratory_rate_bpm: data.rr_average,
    score: data.sleep_score,
    state: night.completed === false ? 'tentative' : 'final',
    modality: 'sensed',
    custom: { timezone: night.timezone },
    source_created_at: dateTime(night.created),
    source_updated_at: dateTime(night.modified),
});

module.exports = createSync({
    description: 'Nights',
    version: '1.0.0',
    frequency: 'every hour',
    models: { sleep: models.sleep },
    scopes: ['user.activity'],
    exec: async (terapi) => {
        const checkpoint = await terapi.getCheckpoint();
        const lastupdate = Math.max((checkpoint?.since ?? 0) - 300, 0);
        let since = checkpoint?.since ?? 0;
        let offset;
        do {
            const params = { action: 'getsummary', lastupdate, data_fields: fields.join(','), offset };
            const body = await ask(terapi, '/v2/sleep', params);
            await terapi.batchSave(body.series.map(toSleep), 'sleep');
            for (const { modified } of body.series) since = Math.max(since, modified);
            offset = body.more ? body.offset : undefined;
        } while (offset !== undefined);
        await terapi.saveCheckpoint({ since });
    },
});
