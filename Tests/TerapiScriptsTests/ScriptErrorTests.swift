import TerapiCore
import TerapiScripts
import Testing

@Suite(.timeLimit(.minutes(1)))
struct ScriptErrorTests {
    private struct Refused: Error, Equatable {
        var reason: String
    }

    @Test
    func `an error of a call that nobody catches comes out as it was`() async throws {
        let functions = FakeFunctions(answer: { _, _ in throw Refused(reason: "too many") })

        await #expect(throws: Refused(reason: "too many")) {
            try await run("await terapi.trackDeletesEnd('A')", functions)
        }
    }

    @Test
    func `an error of a request keeps its code and payload`() async throws {
        let functions = FakeFunctions(respond: { _ in
            throw TerapiError(.providerUnreachable, "No answer.", payload: ["a": 1], retryAfterSeconds: 7)
        })

        let error = await #expect(throws: TerapiError.self) {
            try await run(
                "for await (const page of terapi.paginate({ endpoint: '/x', paginate: { type: 'link', link_rel_in_response_header: 'next' } })) {}",
                functions)
        }

        #expect(error?.code == .providerUnreachable)
        #expect(error?.retryAfterSeconds == 7)
    }

    @Test
    func `a script can catch the error of a call`() async throws {
        let functions = FakeFunctions(answer: { _, _ in throw TerapiError(.unknownModel, "No such model.") })

        let result = try await ScriptFixture.result(
            "try { await nango.getToken() } catch (error) { return [error instanceof Error, error.code, error.message] }",
            functions: functions
        )

        #expect(result == #"[true,"unknown_model","No such model."]"#)
    }

    @Test
    func `a status of 400 or more is an error in the shape of axios`() async throws {
        let functions = FakeFunctions(respond: { _ in .json(#"{"e":1}"#, status: 404, headers: [("x-a", "b")]) })

        let result = try await ScriptFixture.result(
            "try { await nango.get({ endpoint: '/x' }) } catch (e) { return [e.message, e.response.status, e.response.data.e, e.response.headers['x-a']] }",
            functions: functions
        )

        #expect(result == #"["Request failed with status code 404",404,1,"b"]"#)
    }

    @Test(arguments: [
        ("await terapi.get({ endpoint: '/x' })", "GET /x: Request failed with status code 500"),
        ("throw new Error('mine')", "mine (github/issues:2:16)"),
        ("throw 'text'", "text"),
        ("undefinedName()", "Can't find variable: undefinedName"),
        ("require('fs')", #"The module "fs" does not exist here."#),
        ("await terapi.batchSave([{ id: 1 }, { name: 'x' }], 'Issue')", "Issue: record 1 has no id."),
        ("await terapi.batchSave([{ id: null }], 'Issue')", "Issue: record 0 has no id."),
        ("await terapi.batchSave([{ id: String(undefined) }], 'Issue')", "Issue: record 0 has no id."),
        ("terapi.batchSave([{ id: {} }], 'Issue')", "Issue: record 0 has no id."),
        ("}{", "Unexpected token"),
        ("setTimeout(() => { throw new Error('late') }); await new Promise(() => {})", "late"),
    ])
    func `an error that nobody catches fails the run with its reason`(code: String, expected: String) async throws {
        let functions = FakeFunctions(respond: { _ in .json("{}", status: 500) })

        let error = await #expect(throws: TerapiError.self) { try await run(code, functions) }

        #expect(error?.code == .scriptError)
        #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
    }

    @Test
    func `the payload of an action's error reaches the caller`() async throws {
        let host = ScriptFixture.host()
        defer { host.stop() }

        let error = await #expect(throws: TerapiError.self) {
            try await host.run(
                ScriptFixture.action("throw new nango.ActionError({ message: 'No.', field: 'a' })"),
                functions: FakeFunctions()
            )
        }

        #expect(error?.payload?["payload"] == ["message": "No.", "field": "a"])
        #expect(error?.payload?["message"] == "No.")
    }

    @Test
    func `waits for what a script did not await, and fails with its error`() async throws {
        let functions = FakeFunctions()
        try await run("terapi.batchSave([{ id: 1 }], 'Issue')", functions)
        #expect(functions.ids == ["1"])

        let failing = FakeFunctions(answer: { _, _ in throw Refused(reason: "late") })
        await #expect(throws: Refused.self) { try await run("terapi.setMetadata({})", failing) }
    }

    @Test
    func `cleans records before they leave`() async throws {
        let functions = FakeFunctions()

        try await run(
            #"""
            await terapi.batchSave([
                { id: 7, _terapi_metadata: { a: 1 }, _nango_metadata: {}, b: undefined, z: 1, a: 2 },
                { id: 'n\0ul' }, { id: 'two' }, { id: 'line\nbreak' }, { id: '"quoted' }, { id: 'two', last: true },
            ], 'Issue');
            """#,
            functions
        )

        #expect(functions.ids == ["7", "nul", "line\nbreak", "\"quoted", "two"])
        #expect(
            functions.documents == [
                #"{"id":"7","z":1,"a":2}"#, #"{"id":"nul"}"#, #"{"id":"line\nbreak"}"#, #"{"id":"\"quoted"}"#,
                #"{"id":"two","last":true}"#,
            ])
    }

    private func run(_ code: String, _ functions: FakeFunctions) async throws {
        let host = ScriptFixture.host()
        defer { host.stop() }
        _ = try await host.run(ScriptFixture.sync(code), functions: functions)
    }
}
