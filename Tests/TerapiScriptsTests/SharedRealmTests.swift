import TerapiCore
import TerapiScripts
import TestSupport
import Testing

/// Runs of one environment share a realm where their scripts leave it as it is.
@Suite(.timeLimit(.minutes(1)))
struct SharedRealmTests {
    /// A package that counts: two runs that count on share what it made.
    private static let counter = "let count = 0; exports.next = () => ++count;"

    private static func script(_ body: String, file: String = "count.ts", before: String = "") -> ScriptInvocation {
        let hash = SharedModules().add(Array(counter.utf8))
        var invocation = ScriptFixture.action(body)
        invocation.code =
            #"//# terapi {"source":"\#(file)","modules":{"zod":"\#(hash)"}}"# + "\n" + before + invocation.code
        return invocation
    }

    /// What each of two runs of a script returned, one after the other in one host.
    private func results(_ script: ScriptInvocation) async throws -> [String] {
        let modules = SharedModules()
        modules.add(Array(Self.counter.utf8))
        let host = ScriptHost(
            executable: FixtureProgram.scriptHost, arguments: ["script-host"], modules: modules)
        defer { host.stop() }
        var results: [String] = []
        for _ in 0..<2 {
            let result = try await host.run(script, functions: FakeFunctions())
            results.append(String(decoding: result, as: UTF8.self))
        }
        return results
    }

    @Test(arguments: [
        "",
        "Object.prototype.hasOwnProperty.call({}, 'a');",
        "class Mine extends Error { constructor() { super(); this.name = 'Mine'; } } new Mine().constructor.name;",
        "const scope = 'global'; JSON.parse('1') === Math.PI; Number.MAX_VALUE >= 1;",
        "var __getProtoOf = Object.getPrototypeOf; const meta = { config: 1 }; meta.config;",
        "const fetch = 1; const console = 2; let Buffer = 3;",
    ])
    func `scripts that leave the world as it is share what a package made`(body: String) async throws {
        let script = Self.script(body + "return require('zod').next()")

        #expect(try await results(script) == ["1", "2"])
    }

    @Test(arguments: [
        "globalThis.mark = 1;", "global.mark = 1;", "Array.prototype.mark = 1;", "JSON.parse = 1;", "Math['abs'] = 1;",
        "Object.defineProperty(String.prototype, 'mark', { value: 1 });", "({}).__proto__.mark = 1;",
        "Object.getPrototypeOf([]).mark = 1;", "(() => 0).constructor('return 1')();", "new Function('return 1')();",
        "(0, eval)('1');", "Buffer.poolSize ??= 1;", "Error.stackTraceLimit = 50;",
        "const z = { config() {} }; z.config({});", "const schema = { meta() {} }; schema.meta({ id: 'a' });",
    ])
    func `a script that may change the world has its own`(body: String) async throws {
        let script = Self.script(body + "return require('zod').next()")

        #expect(try await results(script) == ["1", "1"])
    }

    @Test
    func `JavaScript that is not strict has its own world: it makes globals unknowingly`() async throws {
        let code = "return require('zod').next()"

        #expect(try await results(Self.script(code, file: "count.js")) == ["1", "1"])
        #expect(try await results(Self.script(code, file: "count.js", before: "'use strict';")) == ["1", "2"])
    }

    @Test
    func `a run whose clock stands still has its own world`() async throws {
        var script = Self.script("return [require('zod').next(), Date.now()]")
        script.properties["now"] = "2026-01-05T00:00:00.000Z"

        #expect(try await results(script) == Array(repeating: "[1,1767571200000]", count: 2))
    }

    @Test(arguments: [
        "const alias = JSON; const was = typeof alias.mark; alias.mark = 1; return was",
        "const alias = Buffer; const was = typeof alias.mark; alias.mark = 1; return was",
        "const alias = Date; const was = typeof alias.mark; alias.mark = 1; return was",
        "const { z } = { z: require('crypto') }; const was = typeof z.webcrypto.mark; z.webcrypto.mark = 1; return was",
    ])
    func `what the scripts of a realm have in common stays as it is`(body: String) async throws {
        let results = try await results(Self.script("try { " + body + " } catch { return 'undefined' }"))

        #expect(results == [#""undefined""#, #""undefined""#])
    }

    @Test
    func `a global is there for the script that names it, whatever brought its part before`() async throws {
        let host = ScriptFixture.host()
        defer { host.stop() }
        var results: [String] = []
        for body in [
            "return require('crypto').createHash('md5').update('a').digest('hex').length",
            "return Buffer.from('aa', 'hex').length + new TextEncoder().encode('b').length",
            "return new Date(0).toLocaleDateString('en-CA')",
            "return new Intl.DateTimeFormat('en-CA').resolvedOptions().timeZone",
        ] {
            var script = Self.script(body)
            script.code = "'use strict';" + script.code.drop { $0 != "\n" }
            results.append(String(decoding: try await host.run(script, functions: FakeFunctions()), as: UTF8.self))
        }

        #expect(results == ["32", "2", #""1970-01-01""#, #""UTC""#])
    }

    /// A script that starts a timer, waits for the other, logs, and fails where nobody listens.
    private static let neighbour = """
        const { data } = await nango.get({ endpoint: '/' + nango.connectionId });
        await new Promise((done) => setTimeout(done, 5));
        console.log(data);
        if (nango.connectionId === 'bad') Promise.reject(new Error('of bad'));
        await new Promise((done) => setTimeout(done, 5));
        return data
        """

    @Test
    func `each run has its own timers, log and errors`() async throws {
        let host = ScriptFixture.host()
        defer { host.stop() }
        let runs = ["good", "bad", "better"].map { name in
            var script = Self.script(Self.neighbour)
            script.code = String(script.code.drop { $0 != "\n" }.dropFirst())
            script.code = "'use strict';" + script.code
            script.properties["connectionId"] = .string(name)
            let functions = FakeFunctions(respond: { .json(#""answer to \#($0.endpoint)""#) })
            return (name, functions, Task { [script] in try await host.run(script, functions: functions) })
        }

        for (name, functions, task) in runs {
            let result = await task.result
            #expect(functions.calls == [#"log["answer to /\#(name)",null,{"level":"info"}]"#])
            switch result {
            case .success(let bytes):
                #expect(name != "bad" && String(decoding: bytes, as: UTF8.self) == #""answer to /\#(name)""#)
            case .failure(let error):
                #expect(name == "bad" && "\(error)".contains("of bad"))
            }
        }
        #expect(host.processIDs.count == 1)
    }
}
