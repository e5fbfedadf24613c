'use strict';

const { createAction } = require('terapi');

module.exports = createAction({
    description: 'Makes a contact',
    version: '1.0.0',
    scopes: ['crm.objects.contacts.write'],
    input: {
        type: 'object',
        required: ['email'],
        properties: {
            email: { type: 'string' },
            first_name: { type: 'string' },
            last_name: { type: 'string' },
            phone: { type: 'string' },
            title: { type: 'string' },
        },
    },
    output: { type: 'object', required: ['id'], properties: { id: { type: 'string' } } },
    exec: async (terapi, input) => {
        const { email, first_name: firstname, last_name: lastname, phone, title: jobtitle } = input;
        try {
            const { data } = await terapi.post({
                endpoint: '/crm/v3/objects/contacts',
                data: { properties: { email, firstname, lastname, phone, jobtitle } },
            });
            return { id: data.id };
        } catch (error) {
            if (error.response?.status !== 409) throw error;
            throw new terapi.ActionError({ type: 'contact_exists', message: error.response.data.message });
        }
    },
});
