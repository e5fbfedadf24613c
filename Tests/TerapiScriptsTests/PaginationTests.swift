import Synchronization
import TerapiCore
import TerapiScripts
import Testing

@Suite(.timeLimit(.minutes(1)))
struct PaginationTests {
    /// Ten items in pages, in every way that providers know.
    private static let provider: @Sendable (ScriptRequest) async throws -> ScriptResponse = { request in
        func items(_ range: Range<Int>) -> String {
            "[" + range.clamped(to: 0..<10).map { #"{"id":\#($0)}"# }.joined(separator: ",") + "]"
        }
        let body = request.body.flatMap { try? JSONReader.read($0) }
        func number(_ name: String) -> Int? { request.parameter(name).flatMap { Int($0) } ?? body?["page"]?[name]?.int }
        let limit = number("limit") ?? 4
        if request.endpoint.contains("/link") {
            let start = Int(request.endpoint.split(separator: "=").last ?? "") ?? 0
            let next = #"<https://a.example/link?start=\#(start + 4)>; rel="next", <https://a.example/>; rel="first""#
            return .json(items(start..<start + 4), headers: start + 4 < 10 ? [("link", next)] : [])
        }
        if request.endpoint.contains("/body") {
            let start = Int(request.endpoint.split(separator: "=").last ?? "") ?? 0
            return .json(
                #"{"data":{"items":\#(items(start..<start + 4))},"next":\#(start + 4 < 10 ? "\"/body?start=\(start + 4)\"" : "null")}"#
            )
        }
        if request.endpoint.contains("/page") {
            let page = number("page") ?? 0
            return .json(items((page - 1) * limit..<page * limit))
        }
        if request.endpoint.contains("/offset") {
            let offset = number("offset") ?? 0
            return .json(#"{"list":\#(items(offset..<offset + limit))}"#)
        }
        let start = number("after") ?? 0
        return .json(
            #"{"list":\#(items(start..<start + 4)),"meta":{"next":\#(start + 4 < 10 ? "\(start + 4)" : "\"\"")}}"#)
    }

    @Test(arguments: [
        ("endpoint: '/link', params: { start: 0 }, paginate: { type: 'link', link_rel_in_response_header: 'next' }", 3),
        (
            "endpoint: '/body', paginate: { type: 'link', link_path_in_response_body: 'next', response_path: 'data.items' }",
            3
        ),
        (
            "endpoint: '/c', paginate: { type: 'cursor', cursor_path_in_response: 'meta.next', cursor_name_in_request: 'after', response_path: 'list' }",
            3
        ),
        (
            "endpoint: '/offset', paginate: { type: 'offset', offset_name_in_request: 'offset', limit: 4, limit_name_in_request: 'limit', response_path: 'list' }",
            3
        ),
        (
            "endpoint: '/offset', paginate: { type: 'offset', limit: undefined, offset_name_in_request: 'offset', response_path: 'list' }",
            4
        ),
        (
            "endpoint: '/page', params: 'limit=5', paginate: { type: 'offset', offset_name_in_request: 'page', offset_start_value: 1, offset_calculation_method: 'per-page' }",
            3
        ),
        (
            "endpoint: '/c', method: 'POST', data: { a: 1 }, paginate: { type: 'cursor', cursor_path_in_response: 'meta.next', cursor_name_in_request: 'page.after', response_path: 'list' }",
            3
        ),
        ("endpoint: '/offset', paginate: { response_path: 'list' }", 3),
    ])
    func `reads all pages`(config: String, requests: Int) async throws {
        let functions = FakeFunctions(respond: Self.provider)

        try await read(config, functions)

        #expect(functions.ids == (0..<10).map(String.init))
        #expect(functions.requests.count == requests)
    }

    @Test(arguments: [
        (
            "paginate: { type: 'cursor', cursor_path_in_response: 'next', cursor_name_in_request: 'c', response_path: 'list' }",
            "GET /x: the provider repeated the cursor \"same\""
        ),
        (
            "paginate: { type: 'link', link_path_in_response_body: 'link', response_path: 'list', strict: true }",
            "GET /x: the provider repeated the link \"/same\""
        ),
        (
            "paginate: { type: 'offset', limit: 1, offset_name_in_request: 'o', response_path: 'list' }",
            "GET /x: the provider answered the same page again"
        ),
        (
            "paginate: { type: 'offset', offset_name_in_request: 'o' }",
            "GET /x: expected a JSON array in the answer, found object"
        ),
        ("paginate: { type: 'sideways' }", "GET /x: \"sideways\" is not a kind of pagination"),
    ])
    func `ends a reading that would never end`(config: String, expected: String) async throws {
        let functions = FakeFunctions(respond: { _ in .json(#"{"list":[{"id":1}],"next":"same","link":"/same"}"#) })

        let error = await #expect(throws: TerapiError.self) { try await read("endpoint: '/x', " + config, functions) }

        #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
    }

    @Test
    func `asks for the next page before the script has this one`() async throws {
        let order = Mutex<[String]>([])
        let functions = FakeFunctions(
            respond: { request in
                order.withLock { $0.append(request.parameter("after") ?? "first") }
                return try await Self.provider(request)
            },
            answer: { name, _ in
                order.withLock { $0.append(name) }
                return .null
            }
        )

        try await read(
            "endpoint: '/c', paginate: { type: 'cursor', cursor_path_in_response: 'meta.next', cursor_name_in_request: 'after', response_path: 'list' }",
            functions
        )

        #expect(order.withLock { $0.filter { $0 != "log" } } == ["first", "4", "8"])
        #expect(order.withLock { $0.firstIndex(of: "4") ?? 9 } < order.withLock { $0.firstIndex(of: "log") ?? 0 })
    }

    @Test
    func `a failed next page counts only when it is asked for`() async throws {
        let functions = FakeFunctions(respond: { request in
            if request.parameter("after") != nil { throw TerapiError(.providerUnreachable, "No answer.") }
            return try await Self.provider(request)
        })
        let config =
            "endpoint: '/c', paginate: { type: 'cursor', cursor_path_in_response: 'meta.next', cursor_name_in_request: 'after', response_path: 'list' }"

        let error = await #expect(throws: TerapiError.self) { try await read(config, functions) }

        #expect(error?.code == .providerUnreachable)
        #expect(functions.ids == ["0", "1", "2", "3"])
        let host = ScriptFixture.host()
        defer { host.stop() }
        _ = try await host.run(
            ScriptFixture.sync("for await (const page of terapi.paginate({ \(config) })) break;"),
            functions: functions
        )
    }

    @Test(arguments: [
        // Names with dots, and places in lists.
        (
            "{ type: 'link', link_path_in_response_body: '@odata.nextLink', response_path: 'value' }",
            [#"{"value":[{"id":1}],"@odata.nextLink":"https://a.example/x?$skip=1"}"#, #"{"value":[{"id":2}]}"#],
            ["/x?q=1", "https://a.example/x?$skip=1"]
        ),
        (
            "{ type: 'cursor', cursor_path_in_response: 'pages[0].next', cursor_name_in_request: 'c', response_path: 'a.b' }",
            [#"{"a":{"b":[{"id":1}]},"pages":[{"next":7}]}"#, #"{"a":{"b":[{"id":2}]},"pages":[{"next":null}]}"#],
            ["/x?q=1", "/x?q=1&c=7"]
        ),
        (
            "{ type: 'link', link_path_in_response_body: 'next', response_path: 'list' }",
            [#"{"list":[{"id":1}],"next":"?p=2&r=3"}"#, #"{"list":[{"id":2}],"next":""}"#], ["/x?q=1", "/x?p=2&r=3"]
        ),
        // Ends.
        (
            "{ type: 'cursor', cursor_path_in_response: 'next', cursor_name_in_request: 'c', response_path: 'list' }",
            [#"{"list":[{"id":1}],"next":"a"}"#, #"{"list":[],"next":"b"}"#], ["/x?q=1", "/x?q=1&c=a"]
        ),
        (
            "{ type: 'cursor', cursor_path_in_response: 'next', cursor_name_in_request: 'c', response_path: 'list' }",
            [#"{"list":[{"id":1}],"next":" "}"#], ["/x?q=1"]
        ),
        (
            "{ type: 'link', link_path_in_response_body: 'next', response_path: 'list' }",
            [#"{"list":[{"id":1}],"next":"/x?p=2"}"#, #"{"list":[{"id":2}],"next":"/x?p=2"}"#], ["/x?q=1", "/x?p=2"]
        ),
        ("{ type: 'offset', offset_name_in_request: 'o', response_path: 'none' }", ["{}"], ["/x?q=1&o=0"]),
        (
            "{ type: 'offset', offset_name_in_request: 'o', limit: 2, limit_name_in_request: 'n' }",
            [#"[{"id":1},{"id":2}]"#, #"[{"id":3}]"#], ["/x?q=1&n=2&o=0", "/x?q=1&n=2&o=2"]
        ),
        (
            "{ type: 'offset', offset_name_in_request: 'p', offset_start_value: 1, offset_calculation_method: 'per-page', limit: 2 }",
            [#"[{"id":1},{"id":2}]"#, #"[{"id":3},{"id":4}]"#, "[]"], ["/x?q=1&p=1", "/x?q=1&p=2", "/x?q=1&p=3"]
        ),
        // One cursor for a whole reading.
        (
            "{ type: 'cursor', cursor_path_in_response: 'scroll', cursor_name_in_request: 's', response_path: 'list' }",
            [#"{"list":[{"id":1}],"scroll":"x"}"#, #"{"list":[{"id":2}],"scroll":"x"}"#, #"{"list":[],"scroll":"x"}"#],
            ["/x?q=1", "/x?q=1&s=x", "/x?q=1&s=x"]
        ),
    ])
    func `asks for each page once`(rule: String, answers: [String], expected: [String]) async throws {
        let functions = Self.answering(answers)

        _ = try await ScriptFixture.result(
            "for await (const page of nango.paginate({ endpoint: '/x', params: { q: 1 }, retries: 4, paginate: \(rule) })) {}",
            functions: functions)

        let asked = functions.requests.map { request in
            let query = request.query.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
            return request.endpoint + (query.isEmpty ? "" : "?" + query)
        }
        #expect(asked == expected)
        #expect(functions.requests.allSatisfy { $0.retries == 4 })
    }

    @Test(arguments: [
        (
            "data: { q: 1 }",
            "{ type: 'offset', offset_name_in_request: 'paging.offset', limit: 1, limit_name_in_request: 'paging.size' }",
            [#"{"q":1,"paging":{"size":1,"offset":0}}"#, #"{"q":1,"paging":{"size":1,"offset":1}}"#]
        ),
        (
            "data: { query: 'q', variables: { a: 1 } }",
            "{ type: 'cursor', cursor_path_in_response: '0.id', cursor_name_in_request: 'variables.after' }",
            [#"{"query":"q","variables":{"a":1}}"#, #"{"query":"q","variables":{"a":1,"after":1}}"#]
        ),
        (
            "data: JSON.stringify({ q: 1 })",
            "{ type: 'cursor', cursor_path_in_response: '0.id', cursor_name_in_request: 'after' }",
            [#"{"q":1}"#, #"{"q":1,"after":1}"#]
        ),
        (
            "data: new URLSearchParams({ q: 1 })",
            "{ type: 'cursor', cursor_path_in_response: '0.id', cursor_name_in_request: 'after' }",
            ["q=1", "q=1&after=1"]
        ),
        (
            "data: { q: 1 }", "{ type: 'offset', offset_name_in_request: 'o', in_body: false, limit: 1 }",
            [#"{"q":1}"#, #"{"q":1}"#]
        ),
    ])
    func `puts the place into the body of a POST`(data: String, rule: String, expected: [String]) async throws {
        let functions = Self.answering([#"[{"id":1}]"#, "[]"])

        _ = try await ScriptFixture.result(
            "for await (const page of nango.paginate({ endpoint: '/x', method: 'POST', \(data), paginate: \(rule) })) {}",
            functions: functions)

        #expect(functions.requests.map { String(decoding: $0.body ?? [], as: UTF8.self) } == expected)
    }

    @Test
    func `tells each page and the place of the next before it hands it out`() async throws {
        let result = try await ScriptFixture.result(
            """
            const told = [];
            const on_page = async ({ nextPageParam, response }) => {
                await null;
                told.push([nextPageParam ?? null, response.data.list.length, response.status]);
            };
            const paginate = { type: 'cursor', cursor_path_in_response: 'next', cursor_name_in_request: 'c', response_path: 'list', on_page };
            for await (const page of nango.paginate({ endpoint: '/x', paginate })) told.push(page.length);
            return told;
            """,
            functions: Self.answering([#"{"list":[1,2],"next":"a"}"#, #"{"list":[3]}"#]))

        #expect(result == #"[["a",2,200],2,[null,1,200],1]"#)
    }

    @Test
    func `an action asks for no page that it does not want`() async throws {
        let functions = Self.answering([#"{"list":[1],"next":"a"}"#])

        _ = try await ScriptFixture.result(
            """
            const paginate = { type: 'cursor', cursor_path_in_response: 'next', cursor_name_in_request: 'c', response_path: 'list' };
            for await (const page of nango.paginate({ endpoint: '/x', paginate })) break;
            """,
            functions: functions)

        #expect(functions.requests.count == 1)
    }

    @Test
    func `goes over the provider's description of pages`() async throws {
        let functions = Self.answering([#"{"items":[{"id":1}],"cursor":"n"}"#, #"{"items":[]}"#])

        _ = try await ScriptFixture.result(
            "for await (const page of nango.paginate({ endpoint: '/x', paginate: { response_path: 'items', limit: 50 } })) {}",
            properties: [
                "paginate": [
                    "type": "cursor", "cursor_path_in_response": "cursor", "cursor_name_in_request": "after",
                    "limit": 100, "limit_name_in_request": "size", "response_path": "data",
                ]
            ],
            functions: functions)

        #expect(functions.requests.map { $0.query.map(\.value) } == [["50"], ["50", "n"]])
    }

    /// Answers the n-th request with the n-th text, and all later ones with an error.
    private static func answering(_ texts: [String]) -> FakeFunctions {
        let rest = Mutex(texts[...])
        return FakeFunctions(respond: { _ in
            rest.withLock { $0.popFirst() }.map { .json($0) } ?? .json("{}", status: 500)
        })
    }

    private func read(_ config: String, _ functions: FakeFunctions) async throws {
        let host = ScriptFixture.host()
        defer { host.stop() }
        _ = try await host.run(
            ScriptFixture.sync(
                """
                for await (const page of terapi.paginate({ \(config) })) {
                    await terapi.log('page');
                    await terapi.batchSave(page, 'Item');
                }
                """,
                properties: [
                    "paginate": [
                        "type": "offset", "offset_name_in_request": "offset", "limit_name_in_request": "limit",
                        "limit": 4,
                    ]
                ]
            ),
            functions: functions
        )
    }
}
