'use strict';

const { createSync, dateTime, lookup, models, person, plainText } = require('terapi');

const headers = { Prefer: 'odata.maxpagesize=200, outlook.timezone="UTC", IdType="ImmutableId"' };
const day = 86400000;

const personOf = (found) => (found?.emailAddress ? person(undefined, found.emailAddress.name, found.emailAddress.address) : undefined);
const responses = {
    none: 'none', notResponded: 'none', organizer: 'accepted', accepted: 'accepted', tentativelyAccepted: 'tentative',
    declined: 'declined',
};
const statusOf = (event) => (event.isCancelled ? 'cancelled' : event.showAs === 'tentative' ? 'tentative' : 'confirmed');

const toEvent = (event) => ({
    id: event.id,
    title: event.subject || '(no title)',
    starts_at: event.isAllDay ? event.start.dateTime.slice(0, 10) : dateTime(event.start.dateTime),
    ends_at: event.isAllDay ? event.end.dateTime.slice(0, 10) : dateTime(event.end.dateTime),
    timezone: event.originalStartTimeZone,
    all_day: event.isAllDay,
    location: event.location?.displayName || undefined,
    organizer: personOf(event.organizer),
    attendees: (event.attendees ?? []).map((attendee) =>
        ({ person: personOf(attendee), response: lookup(attendee.status?.response, responses) })),
    status: statusOf(event),
    series_id: event.seriesMasterId ?? undefined,
    conference_url: event.onlineMeeting?.joinUrl,
    description: event.body?.contentType === 'html' ? plainText(event.body.content) : event.body?.content ?? event.bodyPreview,
    url: event.webLink,
    source_created_at: dateTime(event.createdDateTime),
    source_updated_at: dateTime(event.lastModifiedDateTime),
});

module.exports = createSync({
    description: 'Events of the main calendar from 90 days ago until a year from now, each of a series by itself',
    version: '1.0.0',
    frequency: 'every 15 minutes',
    models: { calendar_event: models.calendar_event },
    scopes: ['Calendars.Read', 'offline_access'],
    exec: async (terapi) => {
        const checkpoint = await terapi.getCheckpoint();
        const masters = new Map();

        /** Of an occurrence only its times may come: the rest is that of its series. */
        const whole = async (event) => {
            if (event.type !== 'occurrence' || event.subject !== undefined) return event;
            const id = event.seriesMasterId;
            if (!masters.has(id)) {
                const { data } = await terapi.get({ endpoint: `/v1.0/me/events/${encodeURIComponent(id)}`, headers, retries: 5 });
                masters.set(id, data);
            }
            return { ...masters.get(id), ...event };
        };

        const read = async (request) => {
            for (let next = request; ;) {
                const { data } = await terapi.get({ ...next, headers, retries: 5 });
                for (const event of data.value) if (event.type === 'seriesMaster') masters.set(event.id, event);
                const gone = data.value.filter((event) => event['@removed']);
                await terapi.batchDelete(gone.map(({ id }) => ({ id })), 'calendar_event');
                const there = [];
                for (const event of data.value) {
                    if (!event['@removed'] && event.type !== 'seriesMaster') there.push(toEvent(await whole(event)));
                }
                await terapi.batchSave(there, 'calendar_event');
                if (data['@odata.deltaLink']) return data['@odata.deltaLink'];
                next = { endpoint: data['@odata.nextLink'] };
            }
        };

        let link;
        // A window that is half over is replaced by the next one.
        if (checkpoint && Date.now() < Date.parse(checkpoint.until) - 180 * day) {
            try {
                link = await read({ endpoint: checkpoint.link });
                await terapi.saveCheckpoint({ link, until: checkpoint.until });
                return;
            } catch (error) {
                if (error.response?.status !== 410) throw error;
                await terapi.log('Microsoft has forgotten the place of the last reading: reading everything anew.');
            }
        }
        const startDateTime = new Date(Date.now() - 90 * day).toISOString();
        const until = new Date(Date.now() + 365 * day).toISOString();
        await terapi.trackDeletesStart('calendar_event');
        link = await read({ endpoint: '/v1.0/me/calendarView/delta', params: { startDateTime, endDateTime: until } });
        await terapi.trackDeletesEnd('calendar_event');
        await terapi.saveCheckpoint({ link, until });
    },
});
