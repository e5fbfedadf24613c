import { createSync } from 'terapi';
import * as z from 'zod';
import { RawTicket, Ticket, toTicket } from '../models.js';

const checkpoint = z.object({ updated_since: z.string() });

export default createSync({
    description: 'Tickets of the sandbox, with those that were deleted',
    version: '1.0.0',
    frequency: 'every hour',
    models: { Ticket },
    checkpoint,
    exec: async (terapi) => {
        const reached = await terapi.getCheckpoint();
        const pages = terapi.paginate<RawTicket>({
            endpoint: '/api/tickets',
            params: { per_page: 100, include_deleted: true, updated_since: reached?.updated_since },
            paginate: { type: 'link', link_path_in_response_body: 'next', response_path: 'tickets' },
            retries: 3,
        });
        for await (const page of pages) {
            const gone = page.filter((ticket) => ticket.deleted);
            const there = page.filter((ticket) => !ticket.deleted);
            await terapi.batchDelete(gone.map(({ id }) => ({ id: String(id) })), 'Ticket');
            await terapi.batchSave(there.map(toTicket), 'Ticket');
            // What was saved stays saved: a run that breaks off goes on here.
            const last = page[page.length - 1];
            if (last) await terapi.saveCheckpoint({ updated_since: last.updated_at });
        }
    },
});
