import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import Synchronization
import TerapiCore
import Testing

@testable import TerapiAPI

/// What every route does with input that is wrong in a way that has nothing to do with it.
struct BadInputTests {
    /// Without those that refuse what they are asked for anyway.
    static let rows = AuthorizationRow.all.filter { $0.status < 400 }
    static let rowsWithBody = rows.filter { $0.body != nil }
    /// Without those whose query and body are a provider's own: the tests of these routes say what they refuse.
    static let strictRows = rows.filter { !$0.path.hasPrefix("/webhook/") }
    static let strictRowsWithBody = strictRows.filter { $0.body != nil }

    /// Whose body as a whole is the customer's: the input of an action, or metadata.
    private static func isFree(_ row: AuthorizationRow) -> Bool {
        row.path == "/v1/*" || row.path == "/connection/:connectionId/metadata"
    }

    private func token(for row: AuthorizationRow, in world: World) -> Token? {
        let route = world.api.publicRoutes.first { $0.method == row.method && $0.path == row.path }
        return switch route?.access {
        case .key, .keyWithAny, .keyOrSession: world.devKey
        case .session: world.sessionToken
        default: nil
        }
    }

    @Test(arguments: strictRows)
    func `names an unknown parameter`(row: AuthorizationRow) async throws {
        let world = World()
        // A callback takes whatever a provider sends, and the proxy's query is the provider's.
        let paths = ["/app-auth/connect", "/connect/:token", "/proxy/*"]
        guard !row.path.hasPrefix("/oauth/callback"), !paths.contains(row.path) else { return }
        let uri = row.uri + (row.uri.contains("?") ? "&" : "?") + "surprise%5B=1"

        let answer = try await world.send(
            row.method, uri, bearer: token(for: row, in: world), headers: row.headers, body: row.body
        )

        #expect(answer.status == 400)
        if row.path.hasPrefix("/oauth") {
            #expect(answer.body.contains("surprise["))
        } else {
            #expect(answer.code == "invalid_query_params")
            #expect(answer.paths == [["surprise["]])
        }
    }

    @Test(arguments: strictRows)
    func `names a parameter whose escapes are broken`(row: AuthorizationRow) async throws {
        let world = World()
        let paths = ["/app-auth/connect", "/connect/:token", "/proxy/*"]
        guard !row.path.hasPrefix("/oauth"), !paths.contains(row.path) else { return }
        let uri = row.uri + (row.uri.contains("?") ? "&" : "?") + "a=%zz"

        let answer = try await world.send(
            row.method, uri, bearer: token(for: row, in: world), headers: row.headers, body: row.body
        )

        #expect(answer.status == 400)
        #expect(answer.code == "invalid_query_params")
        #expect(answer.paths == [["a"]])
    }

    @Test(arguments: strictRowsWithBody)
    func `names the byte at which JSON breaks off`(row: AuthorizationRow) async throws {
        let world = World()

        let answer = try await world.send(
            row.method, row.uri, bearer: token(for: row, in: world), headers: row.headers, body: #"{"a": tru"#
        )

        #expect(answer.status == 400)
        #expect(answer.code == "invalid_body")
        #expect(answer.body.contains("at byte 6"))
    }

    @Test(arguments: strictRowsWithBody)
    func `names a field that is given twice`(row: AuthorizationRow) async throws {
        let world = World()

        let answer = try await world.send(
            row.method, row.uri, bearer: token(for: row, in: world), headers: row.headers,
            body: #"{"twice":1,"twice":2}"#
        )

        #expect(answer.status == 400)
        #expect(answer.code == "invalid_body")
        #expect(answer.paths == [["twice"]])
    }

    private static func isCheckedByFlow(_ row: AuthorizationRow) -> Bool {
        ["/oauth2/auth/", "/auth/jwt/", "/auth/bill/", "/auth/two-step/", "/auth/signature/", "/auth/aws-sigv4/"]
            .contains { row.path.hasPrefix($0) }
    }

    @Test(arguments: strictRowsWithBody)
    func `names an unknown field`(row: AuthorizationRow) async throws {
        let world = World()
        // Fields that the provider's file names are refused by the flow; JSON-RPC tells mistakes in its own way.
        guard !Self.isFree(row), !Self.isCheckedByFlow(row), row.path != "/mcp" else { return }
        let body = try #require(row.body).dropLast() + #","surprise":1}"#

        let answer = try await world.send(
            row.method, row.uri, bearer: token(for: row, in: world), headers: row.headers, body: String(body)
        )

        #expect(answer.status == 400)
        #expect(answer.code == "invalid_body")
        #expect(answer.paths == [["surprise"]])
    }

    @Test(arguments: strictRowsWithBody, ["[]", "1", "\"text\"", "null"])
    func `wants an object`(row: AuthorizationRow, body: String) async throws {
        let world = World()
        guard row.path != "/v1/*", row.path != "/mcp" else { return }

        let answer = try await world.send(
            row.method, row.uri, bearer: token(for: row, in: world), headers: row.headers, body: body
        )

        #expect(answer.status == 400)
        // A sync's integration has an error code of its own.
        #expect(["invalid_body", "missing_provider_config_key"].contains(answer.code))
    }

    @Test(
        arguments: strictRowsWithBody,
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
    func `wants JSON`(row: AuthorizationRow, type: String) async throws {
        let world = World()
        var headers = row.headers
        headers[.contentType] = type

        let answer = try await world.send(
            row.method, row.uri, bearer: token(for: row, in: world), headers: headers, body: row.body
        )

        #expect(answer.status == 415)
        #expect(answer.code == "unsupported_media_type")
    }

    @Test(arguments: rowsWithBody)
    func `refuses a body that is too large`(row: AuthorizationRow) async throws {
        let world = World(maxBodyBytes: 1000)
        let body = #"{"a":""# + String(repeating: "x", count: 1000) + #""}"#

        let answer = try await world.send(
            row.method, row.uri, bearer: token(for: row, in: world), headers: row.headers, body: body
        )

        #expect(answer.status == 413)
        #expect(answer.code == "payload_too_large")
        #expect(answer.headers[.connection] == "close")
    }

    @Test(arguments: ["c1%00", "c%C3%A9", "c%ff", "c1%3Cscript%3E", String(repeating: "x", count: 256)])
    func `names the part of the path that is wrong`(id: String) async throws {
        let world = World()

        let answer = try await world.send(.get, "/connections/\(id)?provider_config_key=zendesk", bearer: world.devKey)

        #expect(id == "c%ff" ? answer.status == 404 : answer.code == "invalid_uri_params")
    }

    @Test func `answers an unknown address and a wrong method in JSON`() async throws {
        let world = World()

        let unknown = try await world.send(.get, "/nothing/here", bearer: world.devKey)
        let method = try await world.send(.delete, "/records", bearer: world.devKey)

        #expect(unknown.status == 404)
        #expect(unknown.code == "not_found")
        #expect(method.status == 405)
        #expect(method.code == "method_not_allowed")
        #expect(method.headers[.allow] == "GET")
    }

    @Test func `tells an unexpected error without its details`() async throws {
        struct Unexpected: Error { var text = "dev-canary in a stack" }
        let world = World()
        world.storage.state.withLock { $0.recordFailure = Unexpected() }

        let answer = try await world.send(
            .get, "/records?model=Ticket", bearer: world.devKey, headers: AuthorizationRow.connectionHeaders
        )

        #expect(answer.status == 500)
        #expect(answer.json?["error"]?["code"] == "server_error")
        #expect(answer.json?["error"]?["message"] == "Failed to fetch records")
        #expect(!answer.body.contains("canary"))
        #expect(answer.headers[.requestID] != nil)
    }

    @Test func `gives each answer an id of its own and lets every page read it`() async throws {
        let world = World()

        let first = try await world.send(.get, "/health")
        let second = try await world.send(.get, "/health")

        #expect(first.headers[.requestID] != second.headers[.requestID])
        #expect(first.headers[.accessControlAllowOrigin] == "*")
    }

    @Test func `answers a preflight without a key`() async throws {
        let world = World()

        let answer = try await world.send(.options, "/connections")

        #expect(answer.status == 204)
        #expect(answer.headers[.accessControlAllowMethods] == "GET, POST")
        #expect(answer.headers[.accessControlMaxAge] == "600")
    }

    // MARK: - Over a real socket

    @Test func `stops a body without a length at the limit`() async throws {
        let world = World(maxBodyBytes: 100_000)
        let application = Application(responder: world.api.responder(routes: world.api.publicRoutes))
        let headers = HTTPFields([
            ("Authorization", "Bearer \(world.devKey.text.reveal())"), ("Content-Type", "application/json"),
            ("Transfer-Encoding", "chunked"),
        ])

        let status = try await application.test(.live) { client in
            try await client.execute(
                uri: "/connect/sessions", method: .post, headers: headers,
                body: ByteBuffer(repeating: 0x20, count: 300_000)
            ) { $0.status.code }
        }

        #expect(status == 413)
    }

    @Test func `refuses a declared length before it has read the body`() async throws {
        let world = World()
        let read = Mutex(false)
        let stream = AsyncStream<ByteBuffer> {
            read.withLock { $0 = true }
            return nil
        }
        let request = Request(
            head: HTTPRequest(
                method: .post, scheme: nil, authority: nil, path: "/connect/sessions",
                headerFields: HTTPFields([("Content-Length", "11000000"), ("Content-Type", "application/json")])
            ),
            body: RequestBody(asyncSequence: stream)
        )
        let call = Call(
            request: request, caller: .anyone, parameters: [:], requestID: "1", now: world.clock.now,
            maxBodyBytes: 10_000_000
        )

        await #expect(throws: TerapiError.self) { _ = try await call.json() }
        #expect(read.withLock { $0 } == false)
    }
}
