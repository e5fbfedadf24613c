import TerapiCore
import TerapiScripts
import Testing

/// What a script's module may require and export.
@Suite(.timeLimit(.minutes(1)))
struct ScriptModuleTests {
    struct Module: Sendable, CustomTestStringConvertible {
        var code: String
        var kind = ScriptInvocation.Kind.action
        var properties: JSONObject = [:]
        var expected: String

        var testDescription: String { code }
    }

    @Test(arguments: [
        Module(
            code: "module.exports = require('terapi').createAction({ exec: (nango, input) => input.a })", expected: "1"),
        Module(
            code: "module.exports.default = require('nango').createAction({ exec: async (nango, input) => input.a })",
            expected: "1"),
        Module(
            code: """
                Object.defineProperty(exports, '__esModule', { value: true });
                exports.default = (0, require('nango').createAction)({ exec: () => this === undefined ? 0 : 2 });
                """, expected: "2"),
        Module(code: "exports.default = async function (nango, input) { return input.a }", expected: "1"),
        Module(code: "module.exports = async (nango) => nango.connectionId", expected: #""c""#),
        Module(
            code: """
                module.exports = require('terapi').createSync({
                    frequency: 'every hour', exec: () => { throw new Error('not this') },
                    onWebhook: (nango, payload) => nango.batchSave([{ id: payload.a }], 'A'),
                })
                """, kind: .sync, properties: ["entry": "onWebhook"], expected: "null"),
        Module(
            code:
                "module.exports = require('terapi').createOnEvent({ event: 'validate-connection', exec: () => 'ok' })",
            kind: .onEvent, expected: #""ok""#),
        // What bundlers make of `await import('nango')` and of types that were left in an import.
        Module(
            code: """
                const all = (mod) => Object.defineProperties(Object.create(Object.getPrototypeOf(mod)), {
                    ...Object.fromEntries(Object.getOwnPropertyNames(mod).map((key) => [key, { get: () => mod[key] }])),
                    default: { value: mod },
                });
                exports.default = async () => {
                    const nango = await Promise.resolve().then(() => all(require('nango')));
                    const { createAction, ProxyConfiguration } = nango;
                    return [typeof createAction, typeof ProxyConfiguration, typeof nango.default.createSync];
                };
                """, expected: #"["function","undefined","function"]"#),
        Module(
            code:
                "module.exports = () => ['crypto', 'node:crypto', 'url', 'node:url', 'buffer', 'node:buffer'].map((name) => typeof require(name))",
            expected: #"["object","object","object","object","object","object"]"#),
        Module(
            code: "module.exports = () => { require('terapi').mine = 1; return require('nango').mine ?? 'frozen' }",
            expected: #""frozen""#),
        Module(
            code: "module.exports = () => { globalThis.URL = 'mine'; new URLSearchParams(); return URL }",
            expected: #""mine""#),
    ])
    func `runs what the module exports`(module: Module) async throws {
        #expect(try await run(module) == module.expected)
    }

    @Test(arguments: [
        Module(code: "require('soap')", expected: #"The module "soap" does not exist here"#),
        Module(code: "require('node:fs')", expected: #"The module "node:fs" does not exist here"#),
        Module(code: "require('./helper')", expected: #"The module "./helper" does not exist here"#),
        Module(code: "module.exports = () => process.env.A", expected: "Can't find variable: process"),
        Module(code: "module.exports = () => __dirname", expected: "Can't find variable: __dirname"),
        Module(code: "require('nango').createAction({})", expected: #"createAction needs a function "exec"."#),
        Module(code: "module.exports = {}", expected: "The script exports nothing to run"),
        Module(
            code: "module.exports = require('nango').createSync({ exec() {} })",
            expected: "The script is declared as sync but runs as action."),
        Module(
            code: "module.exports = require('nango').createSync({ exec() {} })", kind: .sync,
            properties: ["entry": "onWebhook"], expected: #"The script has no function "onWebhook"."#),
    ])
    func `names what is missing`(module: Module) async throws {
        let error = await #expect(throws: TerapiError.self) { try await run(module) }

        #expect(error?.message.contains(module.expected) == true, "\(error?.message ?? "")")
    }

    private func run(_ module: Module) async throws -> String {
        try await ScriptFixture.result(
            of: ScriptInvocation(
                environmentID: 1, kind: module.kind, name: "github/module", code: module.code,
                properties: JSONObject([("connectionId", "c")] + module.properties.members.map { ($0.name, $0.value) }),
                input: ["a": 1], timeout: .seconds(20)))
    }
}
