import TerapiCore
import TerapiScripts
import TestSupport

/// The host under test: real child processes of the fixture program beside the tests.
enum ScriptFixture {
    static func host(_ limits: ScriptLimits = ScriptLimits()) -> ScriptHost {
        ScriptHost(executable: FixtureProgram.scriptHost, arguments: ["script-host"], limits: limits)
    }

    /// A host whose engine clears its memory at every step, so that what is not held is missed at once.
    static func clearingHost() -> ScriptHost {
        ScriptHost(executable: FixtureProgram.scriptHost, arguments: ["clearing-script-host"])
    }

    static func sync(
        _ body: String,
        name: String = "github/issues",
        environment: Int64 = 1,
        properties: JSONObject = ["connectionId": "c", "providerConfigKey": "github", "provider": "github"],
        timeout: Duration = .seconds(20)
    ) -> ScriptInvocation {
        ScriptInvocation(
            environmentID: environment,
            kind: .sync,
            name: name,
            code: "module.exports = require('terapi').createSync({ exec: async (terapi) => {\n\(body)\n} });",
            properties: properties,
            timeout: timeout
        )
    }

    static func action(
        _ body: String,
        name: String = "github/act",
        input: JSONValue? = nil,
        environment: Int64 = 1,
        properties: JSONObject = ["connectionId": "c"]
    ) -> ScriptInvocation {
        ScriptInvocation(
            environmentID: environment,
            kind: .action,
            name: name,
            code: "module.exports = require('nango').createAction({ exec: async (nango, input) => {\n\(body)\n} });",
            properties: properties,
            input: input,
            timeout: .seconds(20)
        )
    }

    /// What an action returned, as text.
    static func result(
        _ body: String,
        input: JSONValue? = nil,
        properties: JSONObject = ["connectionId": "c"],
        functions: FakeFunctions = FakeFunctions()
    ) async throws -> String {
        try await result(of: action(body, input: input, properties: properties), functions: functions)
    }

    static func result(
        of invocation: ScriptInvocation,
        functions: FakeFunctions = FakeFunctions()
    ) async throws -> String {
        String(decoding: try await shared.run(invocation, functions: functions), as: UTF8.self)
    }

    /// For scripts that end by themselves: many at once in one process, as in a server.
    private static let shared = host()
}
