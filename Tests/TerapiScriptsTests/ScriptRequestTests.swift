import TerapiCore
import TerapiScripts
import Testing

/// What a script's request becomes, and what it gets back.
@Suite(.timeLimit(.minutes(1)))
struct ScriptRequestTests {
    struct Sent: Sendable, CustomTestStringConvertible {
        var code: String
        var method = "GET"
        var endpoint = "/x"
        var query: [String] = []
        var type: String?
        var body: String?

        var testDescription: String { code }
    }

    @Test(arguments: [
        Sent(code: "get({ endpoint: '/x' })"),
        Sent(code: "get({ endpoint: 'x/y?a=1' })", endpoint: "x/y?a=1"),
        Sent(code: "proxy({ endpoint: '/x', method: 'patch' })", method: "PATCH"),
        Sent(code: "proxy({ endpoint: '/x' })"),
        Sent(code: "get({ endpoint: new URL('https://a.example/x') })", endpoint: "https://a.example/x"),
        // Parameters.
        Sent(
            code: "get({ endpoint: '/x', params: { a: 1, b: undefined, c: null, d: true, e: '' } })",
            query: ["a=1", "d=true", "e="]),
        Sent(
            code: "get({ endpoint: '/x', params: { a: ['x', 'y', undefined], b: [] } })", query: ["a=x,y,", "b="]),
        Sent(code: "get({ endpoint: '/x', params: 'a=1&a=2&b=c%20d' })", query: ["a=1", "a=2", "b=c d"]),
        Sent(code: "get({ endpoint: '/x', params: new URLSearchParams({ a: 'b c' }) })", query: ["a=b c"]),
        Sent(code: "get({ endpoint: '/x', params: { at: new Date(0) } })", query: ["at=1970-01-01T00:00:00.000Z"]),
        Sent(
            code: "get({ endpoint: '/x?a=1&b=2#h', params: { a: 3 } })", endpoint: "/x?b=2", query: ["a=3"]),
        // Bodies.
        Sent(
            code: "post({ endpoint: '/x', data: { b: 'Ä\\n', a: [1, null], c: undefined } })", method: "POST",
            type: "application/json", body: #"{"b":"Ä\n","a":[1,null]}"#),
        Sent(code: "post({ endpoint: '/x' })", method: "POST"),
        Sent(
            code: "put({ endpoint: '/x', data: [1] })", method: "PUT", type: "application/json", body: "[1]"),
        Sent(
            code: "patch({ endpoint: '/x', data: '{\"a\": 1}' })", method: "PATCH", type: "application/json",
            body: #"{"a": 1}"#),
        Sent(
            code: "post({ endpoint: '/x', data: 'a=1' })", method: "POST", type: "application/x-www-form-urlencoded",
            body: "a=1"),
        Sent(
            code: "post({ endpoint: '/x', data: '<a/>', headers: { 'Content-Type': 'text/xml' } })", method: "POST",
            type: "text/xml", body: "<a/>"),
        Sent(
            code: "delete({ endpoint: '/x', data: { id: 1 } })", method: "DELETE", type: "application/json",
            body: #"{"id":1}"#),
        Sent(
            code: "get({ endpoint: '/x', data: { q: 1 } })", type: "application/json", body: #"{"q":1}"#),
        Sent(
            code: "post({ endpoint: '/x', data: new URLSearchParams({ a: 'b c' }) })", method: "POST",
            type: "application/x-www-form-urlencoded", body: "a=b+c"),
        Sent(
            code: """
                post({ endpoint: '/x', headers: { 'CONTENT-type': 'application/x-www-form-urlencoded' },
                    data: { a: 'b c', n: null, l: [1, 2], o: { p: { q: true } }, d: [{ e: 1 }] } })
                """,
            method: "POST", type: "application/x-www-form-urlencoded",
            body: "a=b+c&l%5B%5D=1&l%5B%5D=2&o%5Bp%5D%5Bq%5D=true&d%5B0%5D%5Be%5D=1"),
        Sent(
            code: "post({ endpoint: '/x', data: Buffer.from('bytes') })", method: "POST", body: "bytes"),
        Sent(
            code: "post({ endpoint: '/x', data: Buffer.from('a bytes b').subarray(2, 7) })", method: "POST",
            body: "bytes"),
        Sent(
            code: "post({ endpoint: '/x', data: new Blob(['a'], { type: 'text/csv' }) })", method: "POST",
            type: "text/csv", body: "a"),
        Sent(
            code: "post({ endpoint: '/x', headers: { 'Content-Type': 'x/y' }, data: new Blob(['a']) })",
            method: "POST", type: "x/y", body: "a"),
        Sent(
            code: "post({ endpoint: '/x', data: new Blob(['a']) })", method: "POST",
            type: "application/octet-stream", body: "a"),
        // GraphQL.
        Sent(
            code: "post({ endpoint: '/x', data: { query: 'query { a }', variables: { after: null } } })",
            method: "POST", type: "application/json", body: #"{"query":"query { a }","variables":{"after":null}}"#),
    ])
    func `sends what the script wrote`(sent: Sent) async throws {
        let functions = FakeFunctions(respond: { _ in .json("{}") })

        _ = try await ScriptFixture.result("await nango.\(sent.code)", functions: functions)

        let request = try #require(functions.requests.first)
        #expect(request.method == sent.method)
        #expect(request.endpoint == sent.endpoint)
        #expect(request.query.map { "\($0.name)=\($0.value)" } == sent.query)
        #expect(
            request.headers.filter { $0.name.lowercased() == "content-type" }.map(\.value)
                == [sent.type].compactMap { $0 })
        #expect(request.body.map { String(decoding: $0, as: UTF8.self) } == sent.body)
        #expect(request.isAuthorized)
    }

    @Test(arguments: [
        ("", "multipart/form-data; boundary=B"),
        // Who names the type cannot know the boundary.
        ("'content-Type': 'multipart/form-data'", "multipart/form-data; boundary=B"),
    ])
    func `sends a form with files`(headers: String, type: String) async throws {
        let functions = FakeFunctions(respond: { _ in .json("{}") })

        _ = try await ScriptFixture.result(
            """
            const data = new FormData();
            data.append('a', 'ü');
            data.append('f', new Blob([Buffer.from([0, 255])], { type: 'x/y' }), 'n.bin');
            await nango.post({ endpoint: '/x', headers: { \(headers) }, data });
            """,
            functions: functions
        )

        let request = try #require(functions.requests.first)
        let types = request.headers.filter { $0.name.lowercased() == "content-type" }.map(\.value)
        let boundary = try #require(types.first?.split(separator: "=").last)
        #expect(types.map { $0.replacing(boundary, with: "B") } == [type])
        let head = #"form-data; name="f"; filename="n.bin""#
        let before =
            "--\(boundary)\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nü\r\n"
            + "--\(boundary)\r\nContent-Disposition: \(head)\r\nContent-Type: x/y\r\n\r\n"
        #expect(request.body == Array(before.utf8) + [0, 255] + Array("\r\n--\(boundary)--\r\n".utf8))
    }

    @Test
    func `passes on how to send`() async throws {
        let functions = FakeFunctions(respond: { _ in .json("{}") })

        _ = try await ScriptFixture.result(
            """
            await nango.get({
                endpoint: '/x', retries: 3, retryOn: [404, '409'], baseUrlOverride: 'https://b.example/v2',
                retryHeader: { at: 'X-Reset', after: undefined },
                headers: { 'X-A': 1, 'x-a': 2, Gone: undefined, Accept: 'text/plain' },
            });
            """,
            functions: functions
        )

        let request = try #require(functions.requests.first)
        #expect(request.retries == 3)
        #expect(request.retryOn == [404, 409])
        #expect(request.retryHeaders == ["x-reset"])
        #expect(request.baseURLOverride == "https://b.example/v2")
        #expect(request.headers.map { "\($0.name): \($0.value)" } == ["x-a: 2", "Accept: text/plain"])
    }

    @Test(arguments: [
        (#"{"a":1}"#, "{}", "return [r.status, r.headers['x-a'], r.data.a]", #"[201,"b",1]"#),
        ("plain", "{}", "return r.data", #""plain""#),
        ("", "{}", "return r.data", #""""#),
        ("12", "{}", "return r.data + 1", "13"),
        (#"{"a":1}"#, "{ responseType: 'json' }", "return r.data.a", "1"),
        (#"{"a":1}"#, "{ responseType: 'text' }", "return r.data", #""{\"a\":1}""#),
        (
            "bytes", "{ responseType: 'arraybuffer' }",
            "return [Buffer.isBuffer(r.data), r.data.length, r.data.toString('base64'), Buffer.from(r.data).toString()]",
            #"[true,5,"Ynl0ZXM=","bytes"]"#
        ),
        ("", "{}", "return r.headers['set-cookie']", #"["a=1; Path=/","b=2"]"#),
        ("", "{}", "return r.headers.via", #""c, d""#),
    ])
    func `reads the answer`(answer: String, config: String, code: String, expected: String) async throws {
        let functions = FakeFunctions(respond: { _ in
            .json(
                answer, status: 201,
                headers: [
                    ("x-a", "b"), ("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2"), ("via", "c"), ("via", "d"),
                ]
            )
        })

        let result = try await ScriptFixture.result(
            "const r = await nango.get({ endpoint: '/x', ...\(config) }); \(code)", functions: functions)

        #expect(result == expected)
    }

    @Test(arguments: [
        (404, "[e.message, e.code, e.status]", #"["Request failed with status code 404","ERR_BAD_REQUEST",404]"#),
        (503, "[e.code, e.response.status, e.response.statusText]", #"["ERR_BAD_RESPONSE",503,"Service Unavailable"]"#),
        (400, "[e instanceof Error, e.name, e.isAxiosError]", #"[true,"AxiosError",true]"#),
        (422, "[e.response.data.why, e.response.headers['x-a'], e.config.endpoint]", #"["no","b","/x"]"#),
        (409, "Object.keys(JSON.parse(JSON.stringify(e)))", #"["name","message","code","status","config"]"#),
    ])
    func `throws what axios would throw`(status: Int, code: String, expected: String) async throws {
        let functions = FakeFunctions(respond: { _ in .json(#"{"why":"no"}"#, status: status, headers: [("x-a", "b")]) }
        )

        let result = try await ScriptFixture.result(
            "try { await nango.get({ endpoint: '/x' }) } catch (e) { return \(code) }", functions: functions)

        #expect(result == expected)
    }

    @Test(arguments: ["get()", "get({})", "get({ url: '/x' })", "get('/x')"])
    func `refuses a request without an endpoint`(code: String) async throws {
        let result = try await ScriptFixture.result("try { await nango.\(code) } catch (e) { return e.message }")

        #expect(result.contains(#"A request needs an object with an \"endpoint\""#), "\(result)")
    }

    @Test(arguments: [
        ("fetch('https://a.example/x')", "GET", "https://a.example/x", String?.none, #"[418,false,"b","{\"a\":1}"]"#),
        (
            "fetch(new URL('https://a.example/x'), { method: 'post', body: 'b', headers: { A: 'c' } })", "POST",
            "https://a.example/x", "b", #"[418,false,"b","{\"a\":1}"]"#
        ),
        (
            "fetch(new Request('https://a.example/x', { method: 'PUT', body: new URLSearchParams({ a: 1 }) }))", "PUT",
            "https://a.example/x", "a=1", #"[418,false,"b","{\"a\":1}"]"#
        ),
        (
            "nango.uncontrolledFetch({ url: new URL('https://a.example/x'), method: 'POST', body: { a: 1 } })", "POST",
            "https://a.example/x", #"{"a":1}"#, #"[418,false,"b","{\"a\":1}"]"#
        ),
    ])
    func `fetches without the connection`(
        code: String, method: String, url: String, body: String?, expected: String
    ) async throws {
        let functions = FakeFunctions(respond: { _ in .json(#"{"a":1}"#, status: 418, headers: [("x-a", "b")]) })

        let result = try await ScriptFixture.result(
            "const r = await \(code); return [r.status, r.ok, r.headers.get('X-A'), await r.clone().text()]",
            functions: functions)

        #expect(result == expected)
        let request = try #require(functions.requests.first)
        #expect(request.method == method)
        #expect(request.endpoint == url)
        #expect(request.body.map { String(decoding: $0, as: UTF8.self) } == body)
        #expect(!request.isAuthorized)
    }

    @Test
    func `a fetch that is called off fails at once`() async throws {
        // Answers when the run is over, and its task cancelled.
        let (never, continuation) = AsyncStream.makeStream(of: Never.self)
        defer { continuation.finish() }
        let functions = FakeFunctions(respond: { _ in
            for await _ in never {}
            throw CancellationError()
        })

        let result = try await ScriptFixture.result(
            """
            const stop = new AbortController();
            const answer = fetch('https://a.example/x', { signal: stop.signal });
            stop.abort();
            const first = await answer.catch((e) => e.name);
            const second = await fetch('https://a.example/x', { signal: AbortSignal.timeout(5) }).catch((e) => e.name);
            return [first, second];
            """,
            functions: functions)

        #expect(result == #"["AbortError","TimeoutError"]"#)
    }
}
