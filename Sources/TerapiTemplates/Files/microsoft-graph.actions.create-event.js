'use strict';

const { createAction } = require('terapi');

/** Its times have no offset: they are given in UTC. */
const timeOf = (text) =>
    ({ dateTime: text.length === 10 ? `${text}T00:00:00` : new Date(text).toISOString().slice(0, 19), timeZone: 'UTC' });

module.exports = createAction({
    description: 'Makes an event in the main calendar, and invites',
    version: '1.0.0',
    scopes: ['Calendars.ReadWrite'],
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
        const { data } = await terapi.post({
            endpoint: '/v1.0/me/events',
            data: {
                subject: input.title,
                body: input.description === undefined ? undefined : { contentType: 'text', content: input.description },
                location: input.location === undefined ? undefined : { displayName: input.location },
                start: timeOf(input.starts_at),
                end: timeOf(input.ends_at),
                isAllDay: input.starts_at.length === 10,
                attendees: input.attendees?.map((address) => ({ emailAddress: { address }, type: 'required' })),
            },
        });
        return { id: data.id, url: data.webLink };
    },
});
