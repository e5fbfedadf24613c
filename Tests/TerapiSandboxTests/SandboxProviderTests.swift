import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import TerapiCore
import Testing

@testable import TerapiSandbox

struct SandboxProviderTests {
    private let clock = TestClock()
    private let options: SandboxOptions

    init() {
        var options = SandboxOptions()
        options.ticketCount = 250
        self.options = options
    }

    @Test
    func `a person allows, the application gets tokens and reads every page`() async throws {
        try await application.test(.live) { client in
            let token = try await accessToken(client)

            var path: String? = "/api/tickets?per_page=100"
            var seen: [Int] = []
            while let next = path {
                let response = try await client.execute(uri: next, method: .get, headers: bearer(token))
                let page = try json(response)
                seen += page["tickets"]?.array?.compactMap { $0["id"]?.int } ?? []
                let link = HTTPField.Name("Link").flatMap { response.headers[$0] }
                path = try page["next"]?.string.map { try pathOnly($0) }
                #expect((link == nil) == (path == nil))
            }

            #expect(seen == Array(1...250))
        }
    }

    @Test
    func `the consent page shows the application's words as text`() async throws {
        try await application.test(.router) { client in
            let response = try await client.execute(
                uri: authorizePath(state: "\"><script>alert(1)</script>"),
                method: .get
            )
            let page = String(buffer: response.body)

            #expect(response.status == .ok)
            #expect(page.contains(">Allow</button>"))
            #expect(!page.contains("<script"))
        }
    }

    @Test
    func `denying goes back with access_denied and the state`() async throws {
        try await application.test(.router) { client in
            let response = try await decide("deny", client)
            let location = response.headers[.location] ?? ""

            #expect(location.contains("error=access_denied"))
            #expect(location.contains("state=st%20%26"))
        }
    }

    @Test(arguments: ["", "Bearer nonsense", "Basic eA=="])
    func `the API refuses what is not a good access token`(header: String) async throws {
        try await application.test(.router) { client in
            let response = try await client.execute(
                uri: "/api/tickets",
                method: .get,
                headers: header.isEmpty ? [:] : [.authorization: header]
            )

            #expect(response.status == .unauthorized)
        }
    }

    @Test(arguments: [
        ("/api/tickets?per_page=0", 400), ("/api/tickets?per_page=1001", 400), ("/api/tickets?cursor=x", 400),
        ("/api/tickets?updated_since=yesterday", 400), ("/api/tickets/251", 404), ("/api/tickets/x", 400),
    ])
    func `says what is wrong with a request`(path: String, status: Int) async throws {
        try await application.test(.router) { client in
            let response = try await client.execute(
                uri: path,
                method: .get,
                headers: bearer(try await accessToken(client))
            )

            #expect(response.status.code == status)
        }
    }

    @Test
    func `changes are seen from the moment that a reader knows`() async throws {
        try await application.test(.router) { client in
            let token = try await accessToken(client)
            clock.advance(by: .seconds(5))
            let since = PercentEncoding.encode(clock.now.iso8601)
            let changed = try await client.execute(
                uri: "/sandbox/change",
                method: .post,
                body: ByteBuffer(string: #"{"create":1,"update":2,"delete":1}"#)
            )
            #expect(try json(changed)["deleted"] == [3])

            let response = try await client.execute(
                uri: "/api/tickets?include_deleted=true&updated_since=\(since)",
                method: .get,
                headers: bearer(token)
            )
            let tickets = try json(response)["tickets"]?.array ?? []

            #expect(tickets.map { $0["id"]?.int } == [251, 1, 2, 3])
            #expect(tickets.map { $0["deleted"]?.bool } == [false, false, false, true])
        }
    }

    @Test(arguments: [
        ("rate_limit", 429), ("server_error", 500), ("html", 200), ("invalid_json", 200), ("empty_list", 200),
        ("unauthorized", 401), ("missing_id", 200), ("repeated_cursor", 200),
    ])
    func `misbehaves as often as ordered, then no more`(kind: String, status: Int) async throws {
        try await application.test(.router) { client in
            let token = try await accessToken(client)
            let good = try await client.execute(uri: "/api/tickets", method: .get, headers: bearer(token))
            try await order(#"{"kind":"\#(kind)","times":2,"after":1,"retry_after":7}"#, client)

            var answers: [TestResponse] = []
            for _ in 0..<4 {
                answers.append(try await client.execute(uri: "/api/tickets", method: .get, headers: bearer(token)))
            }

            #expect(answers.map(\.status.code) == [200, status, status, 200])
            #expect(answers.map { $0.body == good.body } == [true, false, false, true])
            if kind == "rate_limit" { #expect(answers[1].headers[.retryAfter] == "7") }
        }
    }

    @Test
    func `a cut page breaks the connection for its reader`() async throws {
        try await application.test(.live) { client in
            let token = try await accessToken(client)
            try await order(#"{"kind":"cut"}"#, client)

            await #expect(throws: (any Error).self) {
                try await client.execute(uri: "/api/tickets", method: .get, headers: bearer(token))
            }
        }
    }

    @Test
    func `an endless page goes on until its reader has had enough`() async throws {
        let page = TicketStore(count: 100, now: clock.now).page(TicketStore.Query())
        let patience = Patience(bytes: 20 * 1024 * 1024)

        await #expect(throws: Patience.Lost.self) { try await TicketRoutes.endless(page).body.write(patience) }
    }

    @Test
    func `a cut token answer has used the refresh token up`() async throws {
        let application = application
        let token = try await application.test(.live) { client in
            let token = try await tokens(client)["refresh_token"]?.string
            try await order(#"{"kind":"token_cut"}"#, client)
            await #expect(throws: (any Error).self) { try await refresh(token, client) }
            return token
        }

        try await application.test(.live) { client in
            #expect(try await refresh(token, client).status == .badRequest)
            let stats = try json(try await client.execute(uri: "/sandbox/stats", method: .get))
            #expect(stats.value(at: "seen.reuse")?.int == 1)
        }
    }

    @Test
    func `counts which pages were asked for`() async throws {
        try await application.test(.router) { client in
            let token = try await accessToken(client)
            for path in ["/api/tickets", "/api/tickets?page=2", "/api/tickets?page=2"] {
                _ = try await client.execute(uri: path, method: .get, headers: bearer(token))
            }

            let stats = try json(try await client.execute(uri: "/sandbox/stats", method: .get))

            #expect(stats.value(at: "seen.pages") == ["": 1, "2": 2])
            #expect(stats.value(at: "seen.code_grants")?.int == 1)
        }
    }

    @Test
    func `an unknown fault is refused with the list of those that exist`() async throws {
        try await application.test(.router) { client in
            let response = try await client.execute(
                uri: "/sandbox/faults",
                method: .post,
                body: ByteBuffer(string: #"{"kind":"gremlins"}"#)
            )

            #expect(response.status == .badRequest)
            #expect(String(buffer: response.body).contains("repeated_cursor"))
        }
    }

    // MARK: The person and the application

    private var application: some ApplicationProtocol {
        Application(
            router: SandboxProvider.router(options: options, clock: clock),
            configuration: .init(address: .hostname("127.0.0.1", port: 0))
        )
    }

    private func authorizePath(state: String) -> String {
        "/oauth/authorize?" + authorizationFields(state: state)
    }

    private func authorizationFields(state: String) -> String {
        [
            ("client_id", options.clientID), ("redirect_uri", "http://localhost:3003/oauth/callback"),
            ("response_type", "code"), ("code_challenge", AuthorizationServer.challenge(for: "verifier")),
            ("code_challenge_method", "S256"), ("state", state),
        ].map { "\($0)=\(PercentEncoding.encode($1))" }.joined(separator: "&")
    }

    private func decide(_ decision: String, _ client: some TestClientProtocol) async throws -> TestResponse {
        let form = authorizationFields(state: "st &") + "&decision=\(decision)"
        return try await client.execute(uri: "/oauth/authorize", method: .post, body: ByteBuffer(string: form))
    }

    private func tokens(_ client: some TestClientProtocol) async throws -> JSONValue {
        let location = try await decide("allow", client).headers[.location] ?? ""
        let code = formFields(location.drop { $0 != "?" }.dropFirst())["code"] ?? ""
        let form =
            "grant_type=authorization_code&code=\(code)&code_verifier=verifier"
            + "&redirect_uri=\(PercentEncoding.encode("http://localhost:3003/oauth/callback"))"
        let basic = Base64.standard.encode("\(options.clientID):\(options.clientSecret.reveal())".utf8)
        let response = try await client.execute(
            uri: "/oauth/token",
            method: .post,
            headers: [.authorization: "Basic \(basic)"],
            body: ByteBuffer(string: form)
        )
        return try json(response)
    }

    private func accessToken(_ client: some TestClientProtocol) async throws -> String {
        try #require(try await tokens(client)["access_token"]?.string)
    }

    private func refresh(_ token: String?, _ client: some TestClientProtocol) async throws -> TestResponse {
        let form =
            "grant_type=refresh_token&refresh_token=\(try #require(token))"
            + "&client_id=\(options.clientID)&client_secret=\(options.clientSecret.reveal())"
        return try await client.execute(uri: "/oauth/token", method: .post, body: ByteBuffer(string: form))
    }

    private func order(_ fault: String, _ client: some TestClientProtocol) async throws {
        let response = try await client.execute(
            uri: "/sandbox/faults",
            method: .post,
            body: ByteBuffer(string: fault)
        )
        #expect(response.status == .ok)
    }

    private func bearer(_ token: String) -> HTTPFields {
        [.authorization: "Bearer \(token)"]
    }

    private func json(_ response: TestResponse) throws -> JSONValue {
        try JSONReader.read(response.body.readableBytesView)
    }

    private func pathOnly(_ address: String) throws -> String {
        let start = try #require(address.firstRange(of: "/api/")?.lowerBound)
        return String(address[start...])
    }
}

/// A reader that takes so many bytes and then goes away.
private final class Patience: ResponseBodyWriter {
    struct Lost: Error {}

    private var left: Int

    init(bytes: Int) {
        left = bytes
    }

    func write(_ buffer: ByteBuffer) async throws {
        left -= buffer.readableBytes
        if left < 0 { throw Lost() }
    }

    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
