'use strict';

const { createAction } = require('terapi');

module.exports = createAction({
    description: 'Makes a user or a lead',
    version: '1.0.0',
    input: {
        type: 'object',
        properties: {
            kind: { enum: ['customer', 'lead'], description: 'A customer becomes a user; customer where none is given' },
            email: { type: 'string' },
            name: { type: 'string' },
            phone: { type: 'string', description: 'With the country: +15550100' },
            external_id: { type: 'string', description: 'Your own id of the person' },
        },
    },
    output: { type: 'object', required: ['id'], properties: { id: { type: 'string' } } },
    exec: async (terapi, { kind, email, name, phone, external_id }) => {
        try {
            const { data } = await terapi.post({
                endpoint: '/contacts',
                headers: { 'Intercom-Version': '2.11' },
                data: { role: kind === 'lead' ? 'lead' : 'user', email, name, phone, external_id },
            });
            return { id: data.id };
        } catch (error) {
            if (error.response?.status !== 409) throw error;
            const message = error.response.data.errors?.[0]?.message ?? 'The contact exists already.';
            throw new terapi.ActionError({ type: 'contact_exists', message });
        }
    },
});
