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
            "paginate: { type: 'link', link_path_in_response_body: 'link', response_path: 'list' }",
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
