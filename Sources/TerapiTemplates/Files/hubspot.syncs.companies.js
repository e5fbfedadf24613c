'use strict';

const { createSync, dateTime, models, number, person } = require('terapi');

const properties = [
    'name', 'domain', 'hs_additional_domains', 'website', 'industry', 'numberofemployees', 'phone', 'address',
    'city', 'state', 'zip', 'country', 'hubspot_owner_id', 'createdate', 'hs_lastmodifieddate',
];

const toCompany = ({ id, properties: found, createdAt, updatedAt }) => {
    const { address: street, city, state: region, zip, country } = found;
    return {
        id,
        name: found.name || found.domain || '',
        domains: [found.domain, ...(found.hs_additional_domains ?? '').split(';')].filter(Boolean),
        website: found.website,
        industry: found.industry,
        employee_count: number(found.numberofemployees),
        phones: found.phone ? [{ value: found.phone }] : [],
        addresses: [street, city, region, zip, country].some(Boolean)
            ? [{ street, city, region, postal_code: zip, country }] : [],
        owner: person(found.hubspot_owner_id),
        source_created_at: dateTime(createdAt),
        source_updated_at: dateTime(updatedAt),
    };
};

module.exports = createSync({
    description: 'Companies; archived ones stay until the next full reading',
    version: '1.0.0',
    frequency: 'every 15 minutes',
    models: { company: models.company },
    scopes: ['crm.objects.companies.read'],
    exec: async (terapi) => {
        const checkpoint = await terapi.getCheckpoint();
        // Its index is some seconds behind.
        let since = Math.max((checkpoint?.since ?? 0) - 60000, 0);
        let after;
        for (;;) {
            const { data } = await terapi.post({
                endpoint: '/crm/v3/objects/companies/search',
                data: {
                    filterGroups: [{ filters: [{ propertyName: 'hs_lastmodifieddate', operator: 'GTE', value: String(since) }] }],
                    sorts: [{ propertyName: 'hs_lastmodifieddate', direction: 'ASCENDING' }],
                    properties,
                    limit: 200,
                    after,
                },
                retries: 10,
            });
            await terapi.batchSave(data.results.map(toCompany), 'company');
            const last = data.results.at(-1);
            const reached = last ? Date.parse(last.properties.hs_lastmodifieddate) : since;
            if (last) await terapi.saveCheckpoint({ since: reached });
            after = data.paging?.next?.after;
            if (!after) return;
            // One search shows no more than 10,000: the next begins where it ended.
            if (Number(after) >= 10000) {
                if (reached === since) throw new Error('More than 10,000 companies were changed at one moment.');
                since = reached;
                after = undefined;
            }
        }
    },
});
