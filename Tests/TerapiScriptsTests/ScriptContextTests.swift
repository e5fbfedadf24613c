import TerapiCore
import TerapiScripts
import Testing

/// The object that `exec` gets: every call but requests, which have tests of their own.
@Suite(.timeLimit(.minutes(1)))
struct ScriptContextTests {
    private static let answer: @Sendable (String, [JSONValue]) async throws -> JSONValue = { name, arguments in
        switch name {
        case "getConnection":
            [
                "connection_id": "c", "provider_config_key": "github", "metadata": ["a": ["b": 1]],
                "connection_config": ["subdomain": "s"], "credentials": ["type": "OAUTH2", "access_token": "t"],
            ]
        case "getMetadata": ["repo": "r", "deep": [1, .null, ["x": "Ä"]]]
        case "getCheckpoint": .null
        case "getToken": "token"
        case "getWebhookURL": "https://t.example/webhook"
        case "getEnvironmentVariables": [["name": "A", "value": "1"]]
        case "getIntegration": ["unique_key": "github", "provider": "github"]
        case "triggerAction": ["done": arguments.last ?? .null]
        case "tryAcquireLock": true
        case "releaseLock": false
        case "trackDeletesEnd", "deleteRecordsFromPreviousExecutions": ["deletedKeys": ["1"]]
        case "getRecordsByIds": ["1": ["id": "1"], "3": ["id": "3"]]
        case "listRecords":
            arguments.dropFirst().first?["cursor"] == nil
                ? ["records": [["id": "1"], ["id": "2"]], "next_cursor": "2"]
                : ["records": [["id": "3"]], "next_cursor": .null]
        default: .null
        }
    }

    struct Call: Sendable, CustomTestStringConvertible {
        var code: String
        var calls: [String]
        var result = "null"

        var testDescription: String { code }
    }

    @Test(arguments: [
        Call(
            code: "getConnection()", calls: ["getConnection[]"],
            result: #"{"connection_id":"c","provider_config_key":"github","metadata":{"a":{"b":1}},"#
                + #""connection_config":{"subdomain":"s"},"credentials":{"type":"OAUTH2","access_token":"t"}}"#),
        Call(
            code: "getConnection('github', 'c', { forceRefresh: true }).then(c => c.connection_id)",
            calls: [#"getConnection["github","c",{"forceRefresh":true}]"#], result: #""c""#),
        Call(
            code: "getConnection(undefined, undefined, { refreshToken: true }).then(() => 1)",
            calls: [#"getConnection[null,null,{"refreshToken":true}]"#], result: "1"),
        Call(code: "getToken()", calls: ["getToken[]"], result: #""token""#),
        Call(code: "getMetadata()", calls: ["getMetadata[]"], result: #"{"repo":"r","deep":[1,null,{"x":"Ä"}]}"#),
        Call(code: "setMetadata({ b: 1, a: 2 })", calls: [#"setMetadata[{"b":1,"a":2}]"#]),
        Call(code: "updateMetadata({ a: undefined, b: null })", calls: [#"updateMetadata[{"b":null}]"#]),
        Call(code: "getCheckpoint()", calls: ["getCheckpoint[]"]),
        Call(
            code: "saveCheckpoint({ at: new Date(0), page: 2 })",
            calls: [#"saveCheckpoint[{"at":"1970-01-01T00:00:00.000Z","page":2}]"#]),
        Call(code: "clearCheckpoint()", calls: ["clearCheckpoint[]"]),
        Call(code: "getWebhookURL()", calls: ["getWebhookURL[]"], result: #""https://t.example/webhook""#),
        Call(
            code: "getEnvironmentVariables()", calls: ["getEnvironmentVariables[]"],
            result: #"[{"name":"A","value":"1"}]"#),
        Call(
            code: "getIntegration()", calls: ["getIntegration[]"],
            result: #"{"unique_key":"github","provider":"github"}"#),
        Call(code: "getFlowAttributes()", calls: ["getFlowAttributes[]"]),
        Call(
            code: "triggerAction('github', 'c', 'act', { a: 1 })",
            calls: [#"triggerAction["github","c","act",{"a":1}]"#],
            result: #"{"done":{"a":1}}"#),
        Call(
            code: "triggerSync('github', 'c', 'issues', { reset: true })",
            calls: [#"triggerSync["github","c","issues",{"reset":true}]"#]),
        Call(code: "startSync('github', ['issues'], 'c')", calls: [#"startSync["github",["issues"],"c"]"#]),
        Call(code: "startSync('github', ['issues'])", calls: [#"startSync["github",["issues"]]"#]),
        Call(
            code: "tryAcquireLock({ key: 'k', ttlMs: 5 })", calls: [#"tryAcquireLock[{"key":"k","ttlMs":5}]"#],
            result: "true"),
        Call(code: "releaseLock({ key: 'k' })", calls: [#"releaseLock[{"key":"k"}]"#], result: "false"),
        Call(code: "releaseAllLocks()", calls: ["releaseAllLocks[]"]),
        Call(code: "trackDeletesStart('A')", calls: [#"trackDeletesStart["A"]"#]),
        Call(code: "trackDeletesEnd('A')", calls: [#"trackDeletesEnd["A"]"#], result: #"{"deletedKeys":["1"]}"#),
        Call(
            code: "deleteRecordsFromPreviousExecutions('A')", calls: [#"deleteRecordsFromPreviousExecutions["A"]"#],
            result: #"{"deletedKeys":["1"]}"#),
        Call(
            code: "setMergingStrategy({ strategy: 'ignore_if_modified_after' }, 'A')",
            calls: [#"setMergingStrategy[{"strategy":"ignore_if_modified_after"},"A"]"#]),
        Call(
            code: "getRecordsByIds([1, 2, '3'], 'A').then((found) => [...found])",
            calls: [#"getRecordsByIds[["1","2","3"],"A"]"#], result: #"[[1,{"id":"1"}],["3",{"id":"3"}]]"#),
        Call(
            code: "listRecords('A').next().then((first) => first.value.id)", calls: [#"listRecords["A",{}]"#],
            result: #""1""#),
        // The log.
        Call(code: "log('a')", calls: [#"log["a",null,{"level":"info"}]"#]),
        Call(code: "log('a', { b: 1 })", calls: [#"log["a",{"b":1},{"level":"info"}]"#]),
        Call(code: "log('a', { b: 1 }, { level: 'warn' })", calls: [#"log["a",{"b":1},{"level":"warn"}]"#]),
        Call(code: "log('a', { level: 'error' })", calls: [#"log["a",null,{"level":"error"}]"#]),
        Call(code: "log('a', 1, [2])", calls: [#"log["a",{"meta":[1,[2]]},{"level":"info"}]"#]),
        Call(code: "log({ a: 1 })", calls: [#"log["{\"a\":1}",null,{"level":"info"}]"#]),
        Call(code: "log(undefined)", calls: [#"log["undefined",null,{"level":"info"}]"#]),
        Call(
            code: "log('a', new TypeError('no'))",
            calls: [#"log["a",{"error":{"name":"TypeError","message":"no"}},{"level":"info"}]"#]),
        Call(
            code: "log('a', { n: 5n, s: new Set([1]), get me() { return this } })",
            calls: [#"log["a",{"n":"5","s":[1],"me":"[circular]"},{"level":"info"}]"#]),
    ])
    func `asks the server`(call: Call) async throws {
        let functions = FakeFunctions(answer: Self.answer)

        let result = try await ScriptFixture.result("return await nango.\(call.code)", functions: functions)

        #expect(functions.calls == call.calls)
        #expect(result == call.result)
    }

    @Test
    func `lists records over all pages`() async throws {
        let functions = FakeFunctions(answer: Self.answer)

        let result = try await ScriptFixture.result(
            "const ids = []; for await (const record of nango.listRecords('A')) ids.push(record.id); return ids",
            functions: functions)

        #expect(result == #"["1","2","3"]"#)
        #expect(functions.calls == [#"listRecords["A",{}]"#, #"listRecords["A",{"cursor":"2"}]"#])
    }

    @Test
    func `asks for records by ids in hundreds`() async throws {
        let functions = FakeFunctions(answer: { _, arguments in
            .object(JSONObject((arguments.first?.array ?? []).map { ($0.string ?? "", ["id": $0]) }))
        })

        let result = try await ScriptFixture.result(
            "return (await nango.getRecordsByIds(Array.from({ length: 250 }, (_, index) => index), 'A')).size",
            functions: functions)

        #expect(result == "250")
        #expect(functions.calls.count == 3)
    }

    @Test(arguments: [
        ("batchSave([{ id: 1, b: 2, a: 3 }], 'A')", ScriptRecordChange.Kind.save, [#"{"id":"1","b":2,"a":3}"#]),
        ("batchUpdate([{ id: '1', a: undefined }], 'A')", .update, [#"{"id":"1"}"#]),
        ("batchDelete([{ id: '1' }], 'A')", .delete, [#"{"id":"1"}"#]),
        ("batchSave([], 'A')", .save, []),
        ("batchSave(undefined, 'A')", .save, []),
        ("batchDelete(null, 'A')", .delete, []),
    ])
    func `hands over records and says so`(
        code: String, kind: ScriptRecordChange.Kind, documents: [String]
    ) async throws {
        let functions = FakeFunctions()

        let result = try await ScriptFixture.result("return await nango.\(code)", functions: functions)

        #expect(result == "true")
        #expect(functions.documents == documents)
        #expect(functions.changes.map(\.kind) == documents.map { _ in kind })
    }

    @Test
    func `has the properties of its run`() async throws {
        let properties: JSONObject = [
            "connectionId": "c1", "providerConfigKey": "k1", "provider": "p1", "variant": "v1",
            "lastSyncDate": "2026-01-02T03:04:05.678Z",
        ]
        let code = """
            return [nango.connectionId, nango.providerConfigKey, nango.provider, nango.variant,
                nango.lastSyncDate instanceof Date, nango.lastSyncDate];
            """

        #expect(
            try await ScriptFixture.result(code, properties: properties)
                == #"["c1","k1","p1","v1",true,"2026-01-02T03:04:05.678Z"]"#)
        #expect(
            try await ScriptFixture.result("return [nango.lastSyncDate, nango.variant]") == #"[null,"base"]"#)
    }

    @Test(arguments: [
        "const { get, log, batchSave } = nango; await get({ endpoint: '/x' }); await log('x'); return batchSave([], 'A')",
        "const own = { ...nango, extra: 1 }; await own.get({ endpoint: '/x' }); return own.extra === 1",
        "nango.lastSyncDate = new Date(0); return nango.lastSyncDate.getTime() === 0",
    ])
    func `the object can be taken apart`(code: String) async throws {
        #expect(try await ScriptFixture.result(code) == "true")
    }

    private static let schema = """
        const schema = { safeParse(value) { return typeof value.n === 'number' ? { success: true, data: { n: value.n } }
            : { success: false, error: { issues: [{ path: ['n'], message: 'Expected number' }] } }; } };

        """

    @Test
    func `validates an input by its schema`() async throws {
        #expect(
            try await ScriptFixture.result(
                Self.schema + "return await nango.zodValidateInput({ zodSchema: schema, input: { n: 1, m: 2 } })")
                == #"{"success":true,"data":{"n":1}}"#)

        let host = ScriptFixture.host()
        defer { host.stop() }
        let error = await #expect(throws: TerapiError.self) {
            try await host.run(
                ScriptFixture.action(Self.schema + "await nango.zodValidateInput({ zodSchema: schema, input: {} })"),
                functions: FakeFunctions())
        }
        #expect(error?.payload?["type"] == "action_script_runtime_error")
        #expect(error?.payload?["payload"]?["issues"]?.array?.first?["message"] == "Expected number")
    }

    @Test(arguments: [
        (
            "new nango.ActionError({ type: 'not_found', message: 'No.', details: { a: 1 } })",
            #"["No.",{"type":"not_found","message":"No.","details":{"a":1}},true]"#
        ),
        ("new nango.ActionError({ error: 'x' })", #"["",{"error":"x"},true]"#),
        ("new nango.ActionError('text')", #"["text","text",true]"#),
        ("new nango.ActionError()", #"["",null,true]"#),
        ("new (require('terapi').ActionError)({ message: 'No.' })", #"["No.",{"message":"No."},true]"#),
    ])
    func `an action error carries its payload`(code: String, expected: String) async throws {
        let result = try await ScriptFixture.result(
            "const e = \(code); return [e.message, e.payload, e instanceof nango.ActionError && e instanceof Error]")

        #expect(result == expected)
    }

    @Test(arguments: [
        ("console.log('a', 1, { b: [2] })", #"log["a 1 {\"b\":[2]}",null,{"level":"info"}]"#),
        (
            "console.log('%s is %d%% of %j', 'a', '5', { b: 1 }, 'rest')",
            #"log["a is 5% of {\"b\":1} rest",null,{"level":"info"}]"#
        ),
        ("console.error(new RangeError('no'))", #"log["RangeError: no",null,{"level":"error"}]"#),
        ("console.warn('w')", #"log["w",null,{"level":"warn"}]"#),
        ("console.debug('d')", #"log["d",null,{"level":"debug"}]"#),
        ("console.info(undefined, null)", #"log["undefined null",null,{"level":"info"}]"#),
        ("console.assert(1 === 2, 'why')", #"log["Assertion failed: why",null,{"level":"error"}]"#),
        ("console.count(); console.countReset()", #"log["default: 1",null,{"level":"info"}]"#),
    ])
    func `the console writes to the log`(code: String, expected: String) async throws {
        let functions = FakeFunctions()

        _ = try await ScriptFixture.result(code, functions: functions)

        #expect(functions.calls == [expected])
    }

    @Test(arguments: [
        ("return [Date.now(), new Date().getTime(), new Date(5).getTime()]", "[1767225600000,1767225600000,5]"),
        ("return [typeof Date(), new Date(2020, 0, 2).getUTCDate(), Date.UTC(1970, 0, 1)]", #"["string",2,0]"#),
        (
            "return [new Date() instanceof Date, new Date().constructor === Date, Date.name, Date.length]",
            #"[true,true,"Date",7]"#
        ),
        (
            "class Later extends Date {}; return [new Later().getTime(), new Later() instanceof Later]",
            "[1767225600000,true]"
        ),
        ("return new Date('2026-02-03').toISOString()", #""2026-02-03T00:00:00.000Z""#),
        ("await new Promise((done) => setTimeout(done, 5)); return Date.now()", "1767225600000"),
    ])
    func `a stopped clock stands still`(code: String, expected: String) async throws {
        let properties: JSONObject = ["now": "2026-01-01T00:00:00Z"]

        #expect(try await ScriptFixture.result(code, properties: properties) == expected)
    }

    @Test
    func `the clock goes when nobody stopped it`() async throws {
        let result = try await ScriptFixture.result(
            "const from = Date.now(); await new Promise((done) => setTimeout(done, 20)); return Date.now() > from")

        #expect(result == "true")
    }
}
