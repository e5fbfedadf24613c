// `require`, and what a module of a script may export.
(function (host) {
    'use strict';
    const declared = (type, name) => (config) => {
        if (typeof config?.exec !== 'function') throw new TypeError(`${name} needs a function "exec".`);
        return { type, ...config };
    };
    const terapi = Object.freeze({
        createSync: declared('sync', 'createSync'),
        createAction: declared('action', 'createAction'),
        createOnEvent: declared('on-event', 'createOnEvent'),
        ActionError: host.ActionError,
        declaredSync: (spec) => {
            host.need('declared');
            return host.declaredSync(spec);
        },
    });
    const modules = {
        terapi: () => terapi,
        nango: () => terapi,
        crypto: () => host.need('crypto') ?? host.cryptoModule,
        url: () => host.need('url') ?? host.urlModule,
        buffer: () => host.need('bytes') ?? host.bufferModule,
    };

    const shared = new Map();
    const require = (name) => {
        if (shared.has(name)) return run(shared.get(name));
        const known = String(name).replace(/^node:/, '');
        if (Object.hasOwn(modules, known)) return modules[known]();
        throw new Error(`The module "${name}" does not exist here. Scripts may require ${Object.keys(modules).join(', ')}.`);
    };

    const loaded = new Map();
    const run = (define) => {
        if (loaded.has(define)) return loaded.get(define).exports;
        const module = { exports: {} };
        loaded.set(define, module);
        define.call(module.exports, module.exports, require, module);
        return module.exports;
    };

    const printers = [
        (schema, io) => schema.toJSONSchema({ io, unrepresentable: 'any' }),
        (schema, io) => {
            const zod = run([...shared].find(([name]) => name.startsWith('zod'))[1]);
            return (zod.toJSONSchema ?? zod.z.toJSONSchema)(schema, { io, unrepresentable: 'any' });
        },
        (schema, io) => schema['~standard'].jsonSchema[io]({ target: 'draft-2020-12' }),
    ];

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

    const description = (script) => {
        const known = [
            'type', 'description', 'frequency', 'version', 'autoStart', 'syncType', 'trackDeletes', 'allowMassDeletion',
            'scopes', 'event', 'endpoint', 'endpoints', 'webhookSubscriptions',
        ];
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

    /// - Parameters:
    ///   - define: the module's text as a function.
    ///   - modules: what it shares with other scripts: functions of the same form, by name.
    host.load = (define, modules) => () => {
        for (const [name, module] of Object.entries(modules ?? {})) shared.set(name, module);
        const exports = run(define);
        const script = exports?.default ?? exports;
        const isDescribed = host.settings.kind === 'describe';
        // A provider's webhook comes to the same script by another door.
        const { entry = 'exec' } = host.settings.properties;
        if (typeof script === 'function' && entry === 'exec') return isDescribed ? () => ({}) : script;
        if (typeof script?.[entry] !== 'function') {
            if (script?.type !== undefined) throw new TypeError(`The script has no function "${entry}".`);
            throw new TypeError('The script exports nothing to run: expected `module.exports = createSync({ … })` or the like.');
        }
        if (isDescribed) return () => description(script);
        if (script.type !== undefined && script.type !== host.settings.kind) {
            throw new TypeError(`The script is declared as ${script.type} but runs as ${host.settings.kind}.`);
        }
        return script[entry];
    };
})
