'use strict';

const { createSync, dateTime, lookup, models, person } = require('terapi');

const properties = [
    'firstname', 'lastname', 'email', 'hs_additional_emails', 'phone', 'mobilephone', 'jobtitle',
    'associatedcompanyid', 'address', 'city', 'state', 'zip', 'country', 'lifecyclestage', 'hubspot_owner_id',
    'createdate', 'lastmodifieddate',
];

const leads = ['subscriber', 'lead', 'marketingqualifiedlead', 'salesqualifiedlead', 'opportunity'];
const kinds = { customer: 'customer', evangelist: 'other', other: 'other' };
for (const stage of leads) kinds[stage] = 'lead';

const toContact = ({ id, properties: found, createdAt, updatedAt }) => {
    const { address: street, city, state: region, zip, country } = found;
    const more = (found.hs_additional_emails ?? '').split(';').filter(Boolean);
    return {
        id,
        name: [found.firstname, found.lastname].filter(Boolean).join(' ') || found.email || '',
        first_name: found.firstname,
        last_name: found.lastname,
        emails: [found.email, ...more].filter(Boolean).map((value) => ({ value })),
        phones: [[found.phone, 'work'], [found.mobilephone, 'mobile']]
            .filter(([value]) => value).map(([value, type]) => ({ value, type })),
        addresses: [street, city, region, zip, country].some(Boolean)
            ? [{ street, city, region, postal_code: zip, country }] : [],
        title: found.jobtitle,
        company_id: found.associatedcompanyid,
        owner: person(found.hubspot_owner_id),
        kind: lookup(found.lifecyclestage, kinds),
        kind_raw: found.lifecyclestage,
        source_created_at: dateTime(createdAt),
        source_updated_at: dateTime(updatedAt),
    };
};

module.exports = createSync({
    description: 'Contacts; archived ones stay until the next full reading',
    version: '1.0.0',
    frequency: 'every 15 minutes',
    models: { contact: models.contact },
    scopes: ['crm.objects.contacts.read'],
    exec: async (terapi) => {
        const checkpoint = await terapi.getCheckpoint();
        // Its index is some seconds behind.
        let since = Math.max((checkpoint?.since ?? 0) - 60000, 0);
        let after;
        for (;;) {
            const { data } = await terapi.post({
                endpoint: '/crm/v3/objects/contacts/search',
                data: {
                    filterGroups: [{ filters: [{ propertyName: 'lastmodifieddate', operator: 'GTE', value: String(since) }] }],
                    sorts: [{ propertyName: 'lastmodifieddate', direction: 'ASCENDING' }],
                    properties,
                    limit: 200,
                    after,
                },
                retries: 10,
            });
            await terapi.batchSave(data.results.map(toContact), 'contact');
            const last = data.results.at(-1);
            const reached = last ? Date.parse(last.properties.lastmodifieddate) : since;
            if (last) await terapi.saveCheckpoint({ since: reached });
            after = data.paging?.next?.after;
            if (!after) return;
            // One search shows no more than 10,000: the next begins where it ended.
            if (Number(after) >= 10000) {
                if (reached === since) throw new Error('More than 10,000 contacts were changed at one moment.');
                since = reached;
                after = undefined;
            }
        }
    },
});
