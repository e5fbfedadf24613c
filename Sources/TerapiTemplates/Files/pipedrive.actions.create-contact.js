'use strict';

const { createAction } = require('terapi');

module.exports = createAction({
    description: 'Makes a person',
    version: '1.0.0',
    scopes: ['contacts:full'],
    input: {
        type: 'object',
        required: ['name'],
        properties: {
            name: { type: 'string' },
            email: { type: 'string' },
            phone: { type: 'string' },
            company_id: { type: ['string', 'integer'], description: 'The id of the organization' },
        },
    },
    output: { type: 'object', required: ['id'], properties: { id: { type: 'string' } } },
    exec: async (terapi, { name, email, phone, company_id: company }) => {
        const main = (value) => (value === undefined ? undefined : [{ value, primary: true, label: 'work' }]);
        const { data } = await terapi.post({
            endpoint: '/v2/persons',
            data: { name, emails: main(email), phones: main(phone), org_id: company === undefined ? undefined : Number(company) },
        });
        return { id: String(data.data.id) };
    },
});
