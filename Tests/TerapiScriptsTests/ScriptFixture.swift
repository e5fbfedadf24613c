import TerapiCore
import TerapiScripts
import TestSupport

/// The host under test: real child processes of the fixture program beside the tests.
enum ScriptFixture {
    static func host(_ limits: ScriptLimits = ScriptLimits()) -> ScriptHost {
        ScriptHost(executable: FixtureProgram.scriptHost, arguments: ["script-host"], limits: limits)
    }

    static func sync(
        _ body: String,
        environment: Int64 = 1,
        properties: JSONObject = ["connectionId": "c", "providerConfigKey": "github", "provider": "github"],
        timeout: Duration = .seconds(20)
    ) -> ScriptInvocation {
        ScriptInvocation(
            environmentID: environment,
            kind: .sync,
            name: "github/issues",
            code: "module.exports = require('terapi').createSync({ exec: async (terapi) => {\n\(body)\n} });",
            properties: properties,
            timeout: timeout
        )
    }

    static func action(_ body: String, input: JSONValue? = nil, environment: Int64 = 1) -> ScriptInvocation {
        ScriptInvocation(
            environmentID: environment,
            kind: .action,
            name: "github/act",
            code: "module.exports = require('nango').createAction({ exec: async (nango, input) => {\n\(body)\n} });",
            properties: ["connectionId": "c"],
            input: input,
            timeout: .seconds(20)
        )
    }

    /// What an action returned, as text.
    static func result(
        _ body: String,
        input: JSONValue? = nil,
        functions: FakeFunctions = FakeFunctions()
    ) async throws -> String {
        let host = host()
        defer { host.stop() }
        return String(decoding: try await host.run(action(body, input: input), functions: functions), as: UTF8.self)
    }
}
