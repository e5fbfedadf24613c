'use strict';

const { createAction } = require('terapi');

const timeOf = (text, timeZone) => (text.length === 10 ? { date: text } : { dateTime: text, timeZone });

module.exports = createAction({
    description: 'Makes an event in the main calendar, or in that of the metadata, and invites',
    version: '1.0.0',
    scopes: ['https://www.googleapis.com/auth/calendar.events'],
    input: {
        type: 'object',
        required: ['title', 'starts_at', 'ends_at'],
        properties: {
            title: { type: 'string' },
            description: { type: 'string' },
            location: { type: 'string' },
            starts_at: { type: 'string', description: 'A time with its offset, or a date' },
            ends_at: { type: 'string', description: 'As starts_at; for whole days the day after the last one' },
            timezone: { type: 'string', description: 'As IANA names it' },
            attendees: { type: 'array', items: { type: 'string' }, description: 'Addresses' },
        },
    },
    output: {
        type: 'object',
        required: ['id', 'url'],
        properties: { id: { type: 'string' }, url: { type: 'string' } },
    },
    exec: async (terapi, input) => {
        const { calendar_id: calendar = 'primary' } = (await terapi.getMetadata()) ?? {};
        const { data } = await terapi.post({
            endpoint: `/calendar/v3/calendars/${encodeURIComponent(calendar)}/events`,
            params: { sendUpdates: 'all' },
            data: {
                summary: input.title,
                description: input.description,
                location: input.location,
                start: timeOf(input.starts_at, input.timezone),
                end: timeOf(input.ends_at, input.timezone),
                attendees: input.attendees?.map((email) => ({ email })),
            },
        });
        return { id: data.id, url: data.htmlLink };
    },
});
