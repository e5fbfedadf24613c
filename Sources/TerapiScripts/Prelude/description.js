// What a script says of itself: for `compile`, and for the server's list of scripts.
(function (host) {
    'use strict';
    const printers = [
        (schema, io) => schema.toJSONSchema({ io, unrepresentable: 'any' }),
        (schema, io) => {
            const zod = host.require(Object.keys(host.shared).find((name) => name.startsWith('zod')));
            return (zod.toJSONSchema ?? zod.z.toJSONSchema)(schema, { io, unrepresentable: 'any' });
        },
        (schema, io) => schema['~standard'].jsonSchema[io]({ target: 'draft-2020-12' }),
        // A JSON Schema as it is. What a library made that could not be printed is none, whatever members it has.
        (schema) => (isDocument(schema) ? schema : null),
    ];
    const isDocument = (schema) =>
        schema._zod === undefined && schema._def === undefined && schema['~standard'] === undefined
        && ['$ref', '$schema', 'type', 'properties', 'anyOf', 'oneOf', 'allOf', 'enum', 'const'].some((name) => Object.hasOwn(schema, name));

    /// The JSON Schema of a schema where it can be printed; null where it cannot.
    const printed = (schema, io) => {
        if (typeof schema !== 'object' || schema === null) return undefined;
        for (const print of printers) {
            try {
                const found = print(schema, io);
                if (typeof found === 'object' && found !== null) return found;
            } catch {
                // The next one may know how.
            }
        }
        return null;
    };

    const known = [
        'type', 'description', 'frequency', 'version', 'autoStart', 'syncType', 'trackDeletes', 'allowMassDeletion',
        'scopes', 'event', 'endpoint', 'endpoints', 'webhookSubscriptions', 'strict',
    ];

    host.description = (script) => {
        if (typeof script === 'function') return {};
        if (typeof script?.exec !== 'function') {
            throw new TypeError('The script exports nothing to run: expected `module.exports = createSync({ … })` or the like.');
        }
        const described = Object.fromEntries(known.map((name) => [name, script[name]]));
        const models = Array.isArray(script.models)
            ? script.models.map((name) => [name, null]) : Object.entries(script.models ?? {});
        described.models = Object.fromEntries(models.map(([name, schema]) => [name, printed(schema, 'output') ?? null]));
        described.input = printed(script.input, 'input');
        described.output = printed(script.output, 'output');
        described.metadata = printed(script.metadata, 'input');
        described.checkpoint = printed(script.checkpoint, 'output');
        described.hasWebhookFunction = typeof script.onWebhook === 'function';
        return described;
    };
})
