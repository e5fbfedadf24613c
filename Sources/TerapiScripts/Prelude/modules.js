// `require`, and what a module of a script may export.
(function (host) {
    'use strict';
    const declared = (type) => (config) => {
        if (typeof config?.exec !== 'function') throw new TypeError(`A ${type} needs a function "exec".`);
        return { type, ...config };
    };
    const terapi = Object.freeze({
        createSync: declared('sync'),
        createAction: declared('action'),
        createOnEvent: declared('on-event'),
        ActionError: host.ActionError,
        declaredSync: host.declaredSync,
    });
    const modules = { terapi, nango: terapi };

    const require = (name) => {
        if (Object.hasOwn(modules, name)) return modules[name];
        throw new Error(`The module "${name}" does not exist here. Scripts may require "terapi".`);
    };

    /// - Parameter define: the module's text as a function.
    host.load = (define) => () => {
        const module = { exports: {} };
        define.call(module.exports, module.exports, require, module);
        const script = module.exports?.default ?? module.exports;
        if (typeof script === 'function') return script;
        if (typeof script?.exec !== 'function') {
            throw new TypeError('The script exports nothing to run: expected `module.exports = createSync({ … })` or the like.');
        }
        if (script.type !== undefined && script.type !== host.settings.kind) {
            throw new TypeError(`The script is declared as ${script.type} but runs as ${host.settings.kind}.`);
        }
        return script.exec;
    };
})
