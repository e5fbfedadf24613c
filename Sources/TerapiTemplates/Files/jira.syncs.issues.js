'use strict';

const { createSync, dateTime, lookup, models, person } = require('terapi');

const fields = [
    'summary', 'description', 'status', 'priority', 'issuetype', 'project', 'assignee', 'reporter', 'labels', 'parent',
    'resolutiondate', 'duedate', 'created', 'updated',
];

const blocks = new Set(['paragraph', 'heading', 'listItem', 'codeBlock', 'blockquote', 'tableRow']);

/** The text of a document in Atlassian's format. */
const textOf = (node) => {
    if (node === undefined || node === null) return undefined;
    if (typeof node === 'string') return node;
    if (node.type === 'text') return node.text;
    if (node.type === 'hardBreak') return '\n';
    const text = (node.content ?? []).map(textOf).join('');
    if (node.type === 'doc') return text.trim();
    return blocks.has(node.type) && !text.endsWith('\n') ? `${text}\n` : text;
};

const toTicket = ({ id, key, fields }, site) => ({
    id,
    title: fields.summary,
    description: textOf(fields.description),
    status: lookup(fields.status.statusCategory.key, { new: 'open', indeterminate: 'in_progress', done: 'closed' }),
    status_raw: fields.status.name,
    priority: lookup(fields.priority?.name, { Highest: 'urgent', High: 'high', Medium: 'normal', Low: 'low', Lowest: 'low' }),
    priority_raw: fields.priority?.name,
    type: fields.issuetype?.name,
    number: key,
    assignees: fields.assignee
        ? [person(fields.assignee.accountId, fields.assignee.displayName, fields.assignee.emailAddress)] : [],
    reporter: person(fields.reporter?.accountId, fields.reporter?.displayName, fields.reporter?.emailAddress),
    parent_id: fields.parent?.id,
    project: { id: fields.project.id, name: fields.project.name },
    labels: fields.labels ?? [],
    due_at: fields.duedate,
    closed_at: dateTime(fields.resolutiondate),
    url: site ? `https://${site}.atlassian.net/browse/${key}` : undefined,
    source_created_at: dateTime(fields.created),
    source_updated_at: dateTime(fields.updated),
});

module.exports = createSync({
    description: 'Issues that the connection may see',
    version: '1.0.0',
    frequency: 'every 5 minutes',
    models: { ticket: models.ticket },
    scopes: ['read:jira-work', 'offline_access'],
    exec: async (terapi) => {
        const { connection_config: config } = await terapi.getConnection();
        // Apps that use OAuth reach a site through one host for all.
        const base = config.cloudId ? `/ex/jira/${config.cloudId}` : '';
        const checkpoint = await terapi.getCheckpoint();
        // Times in JQL stand in the person's own zone, and to the minute: how long ago it was is the same everywhere.
        const minutes = checkpoint ? Math.ceil((Date.now() - Date.parse(checkpoint.since)) / 60000) + 5 : undefined;
        const jql = `updated >= "${minutes === undefined ? '-3650d' : `-${minutes}m`}" ORDER BY updated ASC, key ASC`;
        let nextPageToken;
        do {
            const { data } = await terapi.post({
                endpoint: `${base}/rest/api/3/search/jql`,
                data: { jql, fields, maxResults: 100, nextPageToken },
                retries: 5,
            });
            await terapi.batchSave(data.issues.map((issue) => toTicket(issue, config.subdomain)), 'ticket');
            const last = data.issues.at(-1);
            if (last) await terapi.saveCheckpoint({ since: dateTime(last.fields.updated) });
            nextPageToken = data.isLast ? undefined : data.nextPageToken;
        } while (nextPageToken);
    },
});
