import { createAction } from 'terapi';
import * as z from 'zod';
import { RawTicket, Ticket, toTicket } from '../models.js';

export default createAction({
    description: 'Reads one ticket of the sandbox',
    version: '1.0.0',
    input: z.object({ id: z.number() }),
    output: Ticket,
    exec: async (terapi, input) => {
        const { data } = await terapi.get<RawTicket>({ endpoint: `/api/tickets/${input.id}`, retries: 3 });
        return toTicket(data);
    },
});
