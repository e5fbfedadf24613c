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
    'steps', 'distance', 'elevation', 'soft', 'moderate', 'intense', 'active', 'calories', 'totalcalories', 'hr_average',
    'hr_min', 'hr_max',
];

const toDaily = (day) => ({
    id: day.date,
    local_date: day.date,
    steps: day.steps,
    distance_meters: day.distance,
    floors: day.elevation === undefined ? undefined : Math.round(day.elevation),
    energy_total_kcal: day.totalcalories,
    energy_active_kcal: day.calories,
    energy_basal_kcal: day.totalcalories === undefined ? undefined : Number((day.totalcalories - (day.calories ?? 0)).toFixed(2)),
    active_seconds: day.active,
    low_seconds: day.soft,
    moderate_seconds: day.moderate,
    vigorous_seconds: day.intense,
    avg_hr_bpm: day.hr_average,
    min_hr_bpm: day.hr_min,
    max_hr_bpm: day.hr_max,
    modality: 'sensed',
    custom: { timezone: day.timezone },
    source_updated_at: dateTime(day.modified),
});

module.exports = createSync({
    description: 'Movement of each day',
    version: '1.0.0',
    frequency: 'every hour',
    models: { daily: models.daily },
    scopes: ['user.activity'],
    exec: async (terapi) => {
        const checkpoint = await terapi.getCheckpoint();
        const lastupdate = Math.max((checkpoint?.since ?? 0) - 300, 0);
        // What comes while this is being read is read again.
        const since = Math.floor(Date.now() / 1000);
        let offset;
        do {
            const params = { action: 'getactivity', lastupdate, data_fields: fields.join(','), offset };
            const body = await ask(terapi, '/v2/measure', params);
            await terapi.batchSave(body.activities.map(toDaily), 'daily');
            offset = body.more ? body.offset : undefined;
        } while (offset !== undefined);
        await terapi.saveCheckpoint({ since });
    },
});
