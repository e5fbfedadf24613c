import TerapiCore
import TerapiScripts
import Testing

/// The prelude's own means stay its own, whatever a script does to the language around it.
@Suite(.timeLimit(.minutes(1)))
struct ScriptIsolationTests {
    /// Listens at every function of the language that the prelude might use, then uses everything.
    private static let listening = #"""
        const heard = [];
        const isNative = (value) => (typeof value === 'object' || typeof value === 'function') && value !== null
            && ['finish', 'timer', 'provide'].some((name) => {
                const found = Object.getOwnPropertyDescriptor(value, name)?.value;
                return typeof found === 'function' && /\[native code\]/.test(Function.prototype.toString.call(found));
            });
        const isHost = (value) => typeof value === 'object' && value !== null
            && typeof Object.getOwnPropertyDescriptor(value, 'describe')?.value === 'function';
        const { getOwnPropertyDescriptor, getOwnPropertyNames, defineProperty } = Object;
        const { apply, construct } = Reflect;
        let isOn = true;
        const note = (value) => {
            if (!isOn) return;
            isOn = false;
            const isOurs = (each) => isNative(each) || isHost(each);
            if (isOurs(value)) heard.push(typeof value);
            if (Array.isArray(value)) for (let i = 0; i < value.length; i++) if (isOurs(value[i])) heard.push('inside');
            isOn = true;
        };
        const places = [
            Function.prototype, Array.prototype, Map.prototype, Set.prototype, WeakMap.prototype, Promise.prototype,
            String.prototype, RegExp.prototype, Object, Reflect, JSON, Array, Promise, Math, Uint8Array,
            Object.getPrototypeOf(Uint8Array.prototype), Object.getPrototypeOf([].entries()), Object.prototype,
        ];
        for (const place of places) {
            for (const name of getOwnPropertyNames(place)) {
                const found = getOwnPropertyDescriptor(place, name);
                if (typeof found.value !== 'function' || !found.configurable || name === 'constructor') continue;
                const original = found.value;
                const listener = function (...args) {
                    note(this);
                    for (let i = 0; i < args.length; i++) note(args[i]);
                    return new.target ? construct(original, args) : apply(original, this, args);
                };
                if (original.prototype) defineProperty(listener, 'prototype', { value: original.prototype });
                defineProperty(place, name, { ...found, value: listener });
            }
        }
        for (const name of ['provide', 'timer', 'then', 'native', 'host']) {
            defineProperty(Object.prototype, name, { configurable: true, get() { note(this); return undefined; },
                set(value) { note(this); note(value); defineProperty(this, name, { value, writable: true, configurable: true, enumerable: true }); } });
        }

        """#

    private static let using = #"""
        await nango.get({ endpoint: '/x', params: { a: [1] }, data: { b: 1 }, responseType: 'arraybuffer' });
        try { await nango.get({ endpoint: '/fails', params: new URLSearchParams('a=1') }); } catch (error) { String(error.response.statusText); }
        for await (const page of nango.paginate({ endpoint: '/x', paginate: { type: 'offset', offset_name_in_request: 'o' } })) break;
        await nango.batchSave([{ id: 1 }], 'A');
        await nango.log('x', { a: new Error('e') });
        await nango.getRecordsByIds([1], 'A');
        await fetch('https://a.example', { signal: new AbortController().signal }).then((r) => r.text());
        await new Promise((done) => setTimeout(function () { note(this); done(); }, 1));
        await new Promise((done) => setImmediate(done));
        console.log('%s', 1); structuredClone({ a: new Map() }); btoa('a');
        require('crypto').createHmac('sha256', 'k').update('x').digest('hex'); crypto.randomUUID();
        new URL('https://a.example').searchParams.get('a'); new TextDecoder().decode(new TextEncoder().encode('ä'));
        Buffer.from('aa', 'hex').toString('base64'); await crypto.subtle.digest('SHA-1', new Uint8Array(1));

        """#

    private let functions = FakeFunctions(
        respond: { .json("[1]", status: $0.endpoint == "/fails" ? 404 : 200) },
        answer: { name, _ in name == "getRecordsByIds" ? ["1": ["id": "1"]] : .null }
    )

    @Test
    func `a script that listens everywhere hears nothing of the host`() async throws {
        let result = try await ScriptFixture.result(
            Self.listening + Self.using + "isOn = false; return heard", functions: functions)

        #expect(result == "[]")
    }

    @Test
    func `it would hear of it`() async throws {
        // What a leak would look like: functions that the library made, under the names of the host's.
        let result = try await ScriptFixture.result(
            Self.listening
                + "[{ provide: parseInt }].map((leak) => [leak].indexOf(leak)); isOn = false; return heard.length > 0",
            functions: functions)

        #expect(result == "true")
    }

    @Test(arguments: [
        "(function () { return typeof this.provide })()",
        "typeof nango.get.caller",
        "Object.getOwnPropertyNames(globalThis).filter((name) => /^(host|native|terapi)$/.test(name)).length",
        "Object.values(nango).filter((value) => value && typeof value.call !== 'function' && typeof value === 'object').length",
    ])
    func `nothing of the host is in sight`(code: String) async throws {
        let result = try await ScriptFixture.result("try { return \(code) } catch { return 'undefined' }")

        #expect(["0", #""undefined""#].contains(result), "\(result)")
    }

    @Test
    func `what one run does to its globals the next does not see`() async throws {
        let host = ScriptFixture.host()
        defer { host.stop() }
        let code =
            "const seen = Array.prototype.mine ?? Buffer.mine ?? 'clean'; Array.prototype.mine = Buffer.mine = 'dirty'; return seen"

        for _ in 0..<2 {
            let result = try await host.run(ScriptFixture.action(code), functions: functions)
            #expect(String(decoding: result, as: UTF8.self) == #""clean""#)
        }
    }
}
