import TerapiCore
import TerapiScripts
import Testing

@Suite(.timeLimit(.minutes(1)))
struct ScriptHostTests {
    @Test
    func `hands pages from the provider to the records`() async throws {
        let functions = FakeFunctions(respond: { _ in .json(#"[{"id":1,"name":"Ä"},{"id":"b"}]"#) })
        let host = ScriptFixture.host()

        let result = try await host.run(
            ScriptFixture.sync(
                """
                const { data, status, headers } = await terapi.get({ endpoint: '/x', params: { a: [1, 2], b: undefined } });
                await terapi.batchSave(data, 'Issue');
                """
            ),
            functions: functions
        )

        #expect(String(decoding: result, as: UTF8.self) == "null")
        #expect(functions.requests.map(\.endpoint) == ["/x"])
        #expect(functions.requests.first?.parameter("a") == "1,2")
        #expect(functions.ids == ["1", "b"])
        #expect(functions.documents == [#"{"id":"1","name":"Ä"}"#, #"{"id":"b"}"#])
    }

    @Test(arguments: [
        ("return input.a + 1", "2"),
        (
            "return [typeof process, typeof WebAssembly, typeof SharedArrayBuffer, typeof Atomics, typeof XMLHttpRequest]",
            #"["undefined","undefined","undefined","undefined","undefined"]"#
        ),
        (
            "try { require('fs') } catch (error) { return error.message }",
            #""The module \"fs\" does not exist here. Scripts may require terapi, nango, crypto, url, buffer.""#
        ),
        ("await new Promise((done) => setTimeout(done, 5)); return 'later'", #""later""#),
        ("return new URL('../b?x=1#y', 'https://a.example:443/c/d/e').href", #""https://a.example/c/b?x=1#y""#),
        ("return undefined", "null"),
    ])
    func `runs an action`(code: String, expected: String) async throws {
        #expect(try await ScriptFixture.result(code, input: ["a": 1]) == expected)
    }
}
