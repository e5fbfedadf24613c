import TerapiCore
import TerapiScripts
import Testing

/// The engine sees only what its own heap and the stack hold. What Swift holds for it elsewhere must be named to it.
@Suite(.timeLimit(.minutes(2)))
struct ScriptMemoryTests {
    private static let using = #"""
        const { data } = await nango.get({ endpoint: '/x', params: { a: [1] } });
        await nango.post({ endpoint: '/x', data: { b: data }, responseType: 'arraybuffer' });
        await nango.batchSave([{ id: 1, data }], 'A');
        try { await nango.get({ endpoint: '/fails' }); } catch (error) { await nango.log(error.message, { error }); }
        console.log('%s', await nango.getConnection());
        await new Promise((done) => setTimeout(done, 1));
        return [data, Buffer.from('aa', 'hex').toString('base64'), new URL('https://a.example').host];
        """#

    @Test(arguments: ["'use strict';", "globalThis.mark = 1;"])
    func `keeps what is in use while the engine clears its memory at every step`(before: String) async throws {
        let host = ScriptFixture.clearingHost()
        defer { host.stop() }
        let functions = FakeFunctions(
            respond: { .json("[1]", status: $0.endpoint == "/fails" ? 404 : 200) },
            answer: { name, _ in name == "getConnection" ? ["id": "c"] : .null }
        )
        var script = ScriptFixture.action(Self.using)
        script.code = before + script.code

        for _ in 0..<5 {
            let result = try await host.run(script, functions: functions)
            #expect(String(decoding: result, as: UTF8.self) == #"[[1],"qg==","a.example"]"#)
        }
        await #expect(throws: TerapiError.self) {
            try await host.run(ScriptFixture.action("throw new TypeError('x')"), functions: functions)
        }
        await #expect(throws: TerapiError.self) {
            try await host.run(ScriptFixture.action("return ("), functions: functions)
        }
        #expect(host.processIDs.count == 1)
    }
}
