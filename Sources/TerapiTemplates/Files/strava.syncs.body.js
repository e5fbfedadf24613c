'use strict';

const { createSync, dateTime, localDate, models } = require('terapi');

module.exports = createSync({
    description: 'The weight in the profile, once a day; Strava does not say when it was measured',
    version: '1.0.0',
    frequency: 'every day',
    models: { body: models.body },
    scopes: ['profile:read_all'],
    exec: async (terapi) => {
        const { data: athlete } = await terapi.get({ endpoint: '/api/v3/athlete', retries: 5 });
        if (!athlete.weight) return;
        const now = dateTime(new Date());
        const record = {
            id: localDate(now),
            measured_at: now,
            local_date: localDate(now),
            weight_kg: athlete.weight,
            modality: 'self_reported',
            source_updated_at: dateTime(athlete.updated_at),
        };
        await terapi.batchSave([record], 'body');
    },
});
