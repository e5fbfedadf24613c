import * as z from 'zod';

export const Ticket = z.object({
    id: z.string(),
    title: z.string(),
    status: z.string(),
    updated_at: z.string(),
});

export type Ticket = z.infer<typeof Ticket>;

/** A ticket as the sandbox answers it: its members that are used here. */
export interface RawTicket {
    id: number;
    subject: string;
    status: string;
    updated_at: string;
    deleted?: boolean;
}

export const toTicket = ({ id, subject, status, updated_at }: RawTicket): Ticket => ({
    id: String(id),
    title: subject,
    status,
    updated_at,
});
