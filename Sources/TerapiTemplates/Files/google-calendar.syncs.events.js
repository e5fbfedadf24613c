'use strict';

const { createSync, dateTime, lookup, models, person } = require('terapi');

const personOf = (found) => (found ? person(undefined, found.displayName, found.email) : undefined);
const responses = { needsAction: 'none', declined: 'declined', tentative: 'tentative', accepted: 'accepted' };

const toEvent = (event) => ({
    id: event.id,
    title: event.summary ?? '(no title)',
    starts_at: event.start.date ?? dateTime(event.start.dateTime),
    ends_at: event.end?.date ?? dateTime(event.end?.dateTime),
    timezone: event.start.timeZone,
    all_day: event.start.date !== undefined,
    location: event.location,
    organizer: personOf(event.organizer),
    attendees: (event.attendees ?? []).map((attendee) =>
        ({ person: personOf(attendee), response: lookup(attendee.responseStatus, responses) })),
    status: lookup(event.status, { confirmed: 'confirmed', tentative: 'tentative', cancelled: 'cancelled' }),
    recurrence: event.recurrence,
    series_id: event.recurringEventId,
    conference_url: event.hangoutLink
        ?? event.conferenceData?.entryPoints?.find(({ entryPointType }) => entryPointType === 'video')?.uri,
    description: event.description,
    url: event.htmlLink,
    source_created_at: dateTime(event.created),
    source_updated_at: dateTime(event.updated),
});

module.exports = createSync({
    description: 'Events of one calendar; series as their rules, with what differs from them',
    version: '1.0.0',
    frequency: 'every 5 minutes',
    models: { calendar_event: models.calendar_event },
    scopes: ['https://www.googleapis.com/auth/calendar.events.readonly'],
    exec: async (terapi) => {
        // Another calendar than the main one stands in the connection's metadata: {"calendar_id": "…"}
        const { calendar_id: calendar = 'primary' } = (await terapi.getMetadata()) ?? {};
        const endpoint = `/calendar/v3/calendars/${encodeURIComponent(calendar)}/events`;
        const checkpoint = await terapi.getCheckpoint();

        const read = async (syncToken) => {
            let pageToken;
            for (;;) {
                const { data } = await terapi.get({ endpoint, params: { maxResults: 2500, syncToken, pageToken }, retries: 5 });
                const gone = data.items.filter(({ status, start }) => status === 'cancelled' || !start);
                const there = data.items.filter(({ status, start }) => status !== 'cancelled' && start);
                await terapi.batchDelete(gone.map(({ id }) => ({ id })), 'calendar_event');
                await terapi.batchSave(there.map(toEvent), 'calendar_event');
                pageToken = data.nextPageToken;
                if (!pageToken) return data.nextSyncToken;
            }
        };

        const readAll = async () => {
            await terapi.trackDeletesStart('calendar_event');
            const token = await read();
            await terapi.trackDeletesEnd('calendar_event');
            return token;
        };

        let token;
        if (checkpoint?.calendar === calendar) {
            try {
                token = await read(checkpoint.token);
            } catch (error) {
                if (error.response?.status !== 410) throw error;
                await terapi.log('Google has forgotten the place of the last reading: reading everything anew.');
            }
        }
        token ??= await readAll();
        await terapi.saveCheckpoint({ calendar, token });
    },
});
