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

    const require = (name) => {
        const known = String(name).replace(/^node:/, '');
        if (Object.hasOwn(modules, known)) return modules[known]();
        throw new Error(`The module "${name}" does not exist here. Scripts may require ${Object.keys(modules).join(', ')}.`);
    };

    /// - Parameter define: the module's text as a function.
    host.load = (define) => () => {
        const module = { exports: {} };
        define.call(module.exports, module.exports, require, module);
        const script = module.exports?.default ?? module.exports;
        // A provider's webhook comes to the same script by another door.
        const { entry = 'exec' } = host.settings.properties;
        if (typeof script === 'function' && entry === 'exec') return script;
        if (typeof script?.[entry] !== 'function') {
            if (script?.type !== undefined) throw new TypeError(`The script has no function "${entry}".`);
            throw new TypeError('The script exports nothing to run: expected `module.exports = createSync({ … })` or the like.');
        }
        if (script.type !== undefined && script.type !== host.settings.kind) {
            throw new TypeError(`The script is declared as ${script.type} but runs as ${host.settings.kind}.`);
        }
        return script[entry];
    };
})
