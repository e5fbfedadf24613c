'use strict';

const { createAction } = require('terapi');

module.exports = createAction({
    description: 'Enters an activity by hand',
    version: '1.0.0',
    scopes: ['activity:write'],
    input: {
        type: 'object',
        required: ['name', 'sport', 'start_at', 'duration_seconds'],
        properties: {
            name: { type: 'string' },
            sport: { type: 'string', description: 'As Strava calls it: Run, Ride, Swim' },
            start_at: { type: 'string', description: 'In the person\'s own time' },
            duration_seconds: { type: 'integer', minimum: 1 },
            distance_meters: { type: 'number', minimum: 0 },
            description: { type: 'string' },
        },
    },
    output: { type: 'object', required: ['id'], properties: { id: { type: 'string' } } },
    exec: async (terapi, input) => {
        const { data } = await terapi.post({
            endpoint: '/api/v3/activities',
            headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
            data: {
                name: input.name,
                sport_type: input.sport,
                // The clock of the place, without its offset.
                start_date_local: input.start_at.slice(0, 19),
                elapsed_time: input.duration_seconds,
                distance: input.distance_meters,
                description: input.description,
            },
        });
        return { id: String(data.id) };
    },
});
