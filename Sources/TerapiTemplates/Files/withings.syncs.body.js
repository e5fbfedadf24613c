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

const types = {
    weight: 1, height: 4, leanMass: 5, fatRatio: 6, diastolic: 9, systolic: 10, pulse: 11, temperature: 12, spo2: 54,
    bodyTemperature: 71, muscle: 76, water: 77, bone: 88,
};

const round = (value, digits = 3) => (value === undefined ? undefined : Number(value.toFixed(digits)));

const toBody = (group, timezone) => {
    const found = {};
    for (const [name, type] of Object.entries(types)) {
        const measure = group.measures.find((one) => one.type === type);
        if (measure) found[name] = measure.value * 10 ** measure.unit;
    }
    return {
        id: String(group.grpid),
        measured_at: dateTime(group.date),
        weight_kg: round(found.weight),
        height_cm: round(found.height === undefined ? undefined : found.height * 100, 1),
        body_fat_percent: round(found.fatRatio),
        muscle_mass_kg: round(found.muscle),
        bone_mass_kg: round(found.bone),
        water_percent: round(found.water && found.weight ? (100 * found.water) / found.weight : undefined, 1),
        lean_mass_kg: round(found.leanMass),
        systolic_mmhg: round(found.systolic),
        diastolic_mmhg: round(found.diastolic),
        heart_rate_bpm: round(found.pulse),
        body_temperature_celsius: round(found.bodyTemperature ?? found.temperature),
        spo2_percent: round(found.spo2),
        // Entered by hand, now or when the person signed up.
        modality: [2, 4].includes(group.attrib) ? 'self_reported' : 'sensed',
        device: group.model ?? undefined,
        custom: { timezone: group.timezone ?? timezone },
        source_created_at: dateTime(group.created),
        source_updated_at: dateTime(group.modified),
    };
};

module.exports = createSync({
    description: 'Measurements of scales, blood pressure monitors and thermometers',
    version: '1.0.0',
    frequency: 'every hour',
    models: { body: models.body },
    scopes: ['user.metrics'],
    exec: async (terapi) => {
        const checkpoint = await terapi.getCheckpoint();
        const lastupdate = Math.max((checkpoint?.since ?? 0) - 300, 0);
        let since;
        let offset;
        do {
            const params = { action: 'getmeas', category: 1, meastypes: Object.values(types).join(','), lastupdate, offset };
            const body = await ask(terapi, '/measure', params);
            // Somebody else may have stepped on the scale.
            const own = body.measuregrps.filter(({ attrib }) => attrib !== 1);
            await terapi.batchSave(own.map((group) => toBody(group, body.timezone)), 'body');
            since ??= body.updatetime;
            offset = body.more ? body.offset : undefined;
        } while (offset !== undefined);
        await terapi.saveCheckpoint({ since });
    },
});
