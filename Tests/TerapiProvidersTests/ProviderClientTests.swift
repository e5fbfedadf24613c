import TerapiCore
import TestSupport
import Testing

@testable import TerapiProviders

@Suite(.serialized, .timeLimit(.minutes(1)))
struct ProviderClientTests {
    private func client(
        allowed: [CIDR]? = nil,
        resolver: any HostResolver = SystemResolver(),
        capacity: Int = 256
    ) throws -> ProviderClient {
        let allowed = try allowed ?? loopback()
        return ProviderClient(
            guardedBy: OutboundGuard(allowed: allowed, resolver: resolver, lifetime: .zero),
            capacity: capacity
        )
    }

    private func get(_ url: String, headers: [(name: String, value: String)] = [], limit: Int = 50_000_000)
        -> OutboundRequest
    {
        OutboundRequest(
            method: "GET",
            url: url,
            headers: headers,
            timeout: .seconds(10),
            purpose: .proxy,
            maxAnswerBytes: limit
        )
    }

    private func code(_ body: () async throws -> Void) async -> TerapiError? {
        await #expect(throws: TerapiError.self) { try await body() }
    }

    @Test func `many requests wait at one host at once`() async throws {
        let (arrivals, arrived) = AsyncStream.makeStream(of: Void.self)
        let server = try await LoopbackServer { _ in
            arrived.yield()
            return .silence
        }
        let client = try client()
        let waiting = Task {
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<300 { group.addTask { _ = try? await client.send(get(server.url)) } }
            }
            arrived.finish()
        }

        var count = 0
        for await _ in arrivals {
            count += 1
            if count == 300 { waiting.cancel() }
        }

        #expect(count == 300)
    }

    @Test func `sends method, target, headers and body as they are`() async throws {
        let server = try await LoopbackServer { _ in .http(201, headers: [("X-Answer", "yes")], body: [1, 2, 3]) }
        let client = try client()

        let response = try await client.send(
            OutboundRequest(
                method: "PATCH",
                url: server.url + "/a%2Fb/c?page[size]=5&q=a+b%20c",
                headers: [("X-One", "1"), ("Authorization", "Bearer abc"), ("Host", "evil"), ("Connection", "close")],
                body: Array("hello".utf8),
                purpose: .proxy
            )
        )

        #expect(response.status == 201)
        #expect(response.header("x-answer") == "yes")
        #expect(response.body == [1, 2, 3])
        let request = try #require(server.requests.first)
        #expect(request.method == "PATCH")
        #expect(request.target == "/a%2Fb/c?page%5Bsize%5D=5&q=a+b%20c")
        #expect(request.headers["authorization"] == "Bearer abc")
        #expect(request.headers["host"] == "127.0.0.1:\(server.port)")
        #expect(request.text == "hello")
        await client.close()
        await server.close()
    }

    @Test func `keeps connections open and opens no second one`() async throws {
        let server = try await LoopbackServer { _ in .http(200) }
        let client = try client()

        for _ in 1...20 { _ = try await client.send(get(server.url)) }

        #expect(server.connectionCount == 1)
        await client.close()
        await server.close()
    }

    @Test func `closes the connections that were not used for longest`() async throws {
        let servers = try await [
            LoopbackServer { _ in .http(200) }, LoopbackServer { _ in .http(200) }, LoopbackServer { _ in .http(200) },
        ]
        let client = try client(capacity: 2)

        for server in servers + servers { _ = try await client.send(get(server.url)) }

        #expect(servers.map(\.connectionCount) == [2, 2, 2])
        await client.close()
        for server in servers { await server.close() }
    }

    @Test func `reaches no forbidden address under any spelling`() async throws {
        let canary = try await LoopbackServer { _ in .http(200, body: Array("canary".utf8)) }
        let client = try client(allowed: [], resolver: StubResolver(["127.0.0.1"]))

        for url in ForbiddenAddresses.urls(port: canary.port) + ["http://canary.example:\(canary.port)/"] {
            let error = await code { _ = try await client.send(get(url)) }
            #expect(error?.code == .outboundRefused, "\(url)")
        }

        #expect(canary.connectionCount == 0)
        await client.close()
        await canary.close()
    }

    @Test func `without the guard's rule the same canary is reached`() async throws {
        let canary = try await LoopbackServer { _ in .http(200, body: Array("canary".utf8)) }
        let client = try client(resolver: StubResolver(["127.0.0.1"]))

        let direct = try await client.send(get("http://127.0.0.1:\(canary.port)/"))
        let named = try await client.send(get("http://canary.example:\(canary.port)/"))

        #expect(direct.body == Array("canary".utf8))
        #expect(named.body == Array("canary".utf8))
        #expect(canary.requests.last?.headers["host"] == "canary.example:\(canary.port)")
        await client.close()
        await canary.close()
    }

    @Test func `connects to the address that was judged and not to a later answer`() async throws {
        let canary = try await LoopbackServer { _ in .http(200) }
        let resolver = StubResolver(["127.0.0.1"], ["127.0.0.2"])
        let client = try client(allowed: [try #require(CIDR("127.0.0.1/32"))], resolver: resolver)

        let first = try await client.send(get("http://rebind.example:\(canary.port)/"))
        let second = await code { _ = try await client.send(get("http://rebind.example:\(canary.port)/")) }

        #expect(first.status == 200)
        #expect(second?.code == .outboundRefused)
        #expect(canary.requests.count == 1)
        await client.close()
        await canary.close()
    }

    @Test func `tries the next address when one cannot be connected to`() async throws {
        let server = try await LoopbackServer { _ in .http(200) }
        let client = try client(resolver: StubResolver(["127.0.0.9", "127.0.0.1"]))

        let response = try await client.send(get("http://two.example:\(server.port)/"))

        #expect(response.status == 200)
        await client.close()
        await server.close()
    }

    // MARK: Redirects

    @Test func `a redirect to a forbidden place is refused`() async throws {
        let canary = try await LoopbackServer { _ in .http(200) }
        let port = canary.port
        for location in [
            "http://169.254.169.254/", "http://127.0.0.2:\(port)/", "//[::1]/", "http://0x7f000002/", "file:///x",
        ] {
            let server = try await LoopbackServer { _ in .http(302, headers: [("Location", location)]) }
            let client = try client(allowed: [try #require(CIDR("127.0.0.1/32"))])

            let error = await code { _ = try await client.send(get(server.url)) }

            #expect(error?.code == .outboundRefused, "\(location)")
            await client.close()
            await server.close()
        }
        #expect(canary.connectionCount == 0)
        await canary.close()
    }

    @Test func `another origin gets no credentials`() async throws {
        let other = try await LoopbackServer { _ in .http(200) }
        let location = other.url + "/landed"
        let server = try await LoopbackServer { _ in .http(302, headers: [("Location", location)]) }
        let client = try client()

        let response = try await client.send(
            get(
                server.url,
                headers: [
                    ("Authorization", "Bearer secret"), ("Cookie", "a=b"), ("X-Api-Key", "secret"),
                    ("Accept", "text/csv"),
                ]
            )
        )

        let headers = try #require(other.requests.first).headers
        #expect(response.url == location)
        #expect(headers["authorization"] == nil && headers["cookie"] == nil && headers["x-api-key"] == nil)
        #expect(headers["accept"] == "text/csv")
        await client.close()
        await server.close()
        await other.close()
    }

    @Test func `the same origin gets the credentials again, and a provider that asks for it the other one too`()
        async throws
    {
        let other = try await LoopbackServer { _ in .http(200) }
        let location = other.url
        let server = try await LoopbackServer { request in
            request.target == "/a"
                ? .http(307, headers: [("Location", "/b")])
                : request.target == "/b" ? .http(200) : .http(302, headers: [("Location", location)])
        }
        let client = try client()
        var request = get(server.url + "/a", headers: [("Authorization", "Bearer secret")])

        _ = try await client.send(request)
        request.url = server.url + "/c"
        request.redirects = .followWithHeaders
        _ = try await client.send(request)

        #expect(server.requests[1].headers["authorization"] == "Bearer secret")
        #expect(other.requests.first?.headers["authorization"] == "Bearer secret")
        await client.close()
        await server.close()
        await other.close()
    }

    @Test func `another origin gets no body`() async throws {
        let other = try await LoopbackServer { _ in .http(200) }
        let location = other.url
        let server = try await LoopbackServer { _ in .http(307, headers: [("Location", location)]) }
        let client = try client()

        let response = try await client.send(
            OutboundRequest(method: "POST", url: server.url, body: Array("client_secret=x".utf8), purpose: .proxy)
        )

        #expect(response.status == 307)
        #expect(other.connectionCount == 0)
        await client.close()
        await server.close()
        await other.close()
    }

    @Test(arguments: [
        (301, "POST", "GET"), (302, "POST", "GET"), (303, "PUT", "GET"), (307, "POST", "POST"),
        (308, "PUT", "PUT"), (303, "HEAD", "HEAD"), (302, "PUT", "PUT"),
    ])
    func `a redirect keeps or changes the method`(status: Int, method: String, expected: String) async throws {
        let server = try await LoopbackServer { request in
            request.target == "/end" ? .http(200) : .http(status, headers: [("Location", "/end")])
        }
        let client = try client()

        _ = try await client.send(
            OutboundRequest(
                method: method,
                url: server.url,
                body: method == "HEAD" ? nil : [65],
                timeout: .seconds(5),
                purpose: .proxy
            )
        )

        #expect(server.requests.last?.method == expected)
        #expect(server.requests.last?.body == (expected == method && method != "HEAD" ? [65] : []))
        await client.close()
        await server.close()
    }

    @Test func `gives up after five redirects`() async throws {
        let server = try await LoopbackServer { _ in .http(302, headers: [("Location", "/again")]) }
        let client = try client()

        let error = await code { _ = try await client.send(get(server.url)) }

        #expect(error?.code == .providerError)
        #expect(server.requests.count == 6)
        await client.close()
        await server.close()
    }

    @Test func `a caller that wants none gets the redirect itself`() async throws {
        let server = try await LoopbackServer { _ in .http(302, headers: [("Location", "/again")]) }
        let client = try client()
        var request = get(server.url)
        request.redirects = .never

        let response = try await client.send(request)

        #expect(response.status == 302)
        #expect(server.requests.count == 1)
        await client.close()
        await server.close()
    }

    // MARK: Bad requests

    @Test(arguments: [
        ("GET /evil HTTP/1.1\r\nX: y", "/", "X-Ok", "1"), ("GET", "/a\r\nX: y", "X-Ok", "1"),
        ("GET", "/", "X-A\r\nB", "1"),
        ("GET", "/", "X-Ok", "1\r\nX-Evil: 2"), ("GET", "/", "X-Ok", "1\u{0}"), ("GET", "/", "", "1"),
        ("", "/", "X", "1"),
        ("CONNECT", "/", "X", "1"), ("GET", "/", "X Y", "1"),
    ])
    func `nothing that could split a request is sent`(method: String, path: String, name: String, value: String)
        async throws
    {
        let server = try await LoopbackServer { _ in .http(200) }
        let client = try client()

        let error = await code {
            _ = try await client.send(
                OutboundRequest(method: method, url: server.url + path, headers: [(name, value)], purpose: .proxy)
            )
        }

        #expect(error.map(OutboundFailure.outcome(of:)) == .notSent)
        #expect(server.connectionCount == 0)
        await client.close()
        await server.close()
    }

    // MARK: Hostile answers

    @Test(arguments: [
        "an endless body", "an endless chunked body", "endless headers", "a length beyond the limit",
        "a body that ends early", "a body that stops",
        "no answer", "a hang-up", "no HTTP", "a chunk size that overflows", "a flood of 1xx", "damaged gzip",
    ])
    func `is contained and said`(kind: String) async throws {
        let zeros = [UInt8](repeating: 0x30, count: 65_536)
        let ok = "HTTP/1.1 200 OK\r\n"
        let server = try await LoopbackServer { _ in
            switch kind {
            case "an endless body": .endless(Array((ok + "\r\n").utf8), zeros)
            case "an endless chunked body":
                .endless(
                    Array((ok + "Transfer-Encoding: chunked\r\n\r\n").utf8),
                    Array("10000\r\n".utf8) + zeros + [13, 10]
                )
            case "endless headers":
                .endless(Array(ok.utf8), Array("X-A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n".utf8))
            case "a length beyond the limit": .raw(Array((ok + "Content-Length: 99999999\r\n\r\n").utf8), closes: false)
            case "a body that stops": .raw(Array((ok + "Content-Length: 100\r\n\r\nabc").utf8), closes: false)
            case "a body that ends early": .raw(Array((ok + "Content-Length: 100\r\n\r\nabc").utf8))
            case "no answer": .silence
            case "a hang-up": .hangUp
            case "no HTTP": .raw(Array("SSH-2.0-OpenSSH_9.6\r\n\r\n".utf8))
            case "a chunk size that overflows":
                .raw(Array((ok + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc").utf8))
            case "a flood of 1xx": .endless([], Array("HTTP/1.1 103 Early Hints\r\n\r\n".utf8))
            default: .http(200, headers: [("Content-Encoding", "gzip")], body: [0x1F, 0x8B, 8, 0, 1, 2, 3])
            }
        }
        let client = try client()

        var request = get(server.url, limit: 1_000_000)
        request.timeout = .milliseconds(700)
        let error = await code { _ = try await client.send(request) }

        #expect([.providerError, .providerUnreachable].contains(error?.code))
        #expect(error?.message.hasPrefix("127.0.0.1") == true)
        #expect(error.map(OutboundFailure.outcome(of:)) == .unknown)
        await client.close()
        await server.close()
    }

    @Test func `a port that nobody listens on is known as not sent`() async throws {
        let server = try await LoopbackServer { _ in .http(200) }
        let url = server.url
        await server.close()
        let client = try client()

        let error = await code { _ = try await client.send(get(url)) }

        #expect(error?.code == .providerUnreachable)
        #expect(error.map(OutboundFailure.outcome(of:)) == .notSent)
        await client.close()
    }

    @Test func `a name without an address is known as not sent`() async throws {
        let client = try client(resolver: StubResolver([]))

        let error = await code { _ = try await client.send(get("https://nowhere.example/")) }

        #expect(error?.code == .providerUnreachable)
        #expect(error.map(OutboundFailure.outcome(of:)) == .notSent)
        await client.close()
    }

    @Test func `a kept connection that was closed meanwhile costs no request`() async throws {
        let server = try await LoopbackServer { _ in .raw(Array("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".utf8))
        }
        let client = try client()

        for _ in 1...10 { #expect(try await client.send(get(server.url)).status == 200) }

        await client.close()
        await server.close()
    }

    @Test func `a cancelled task gives its request up`() async throws {
        let server = try await LoopbackServer { _ in .silence }
        let client = try client()
        let request = get(server.url)

        let task = Task { try await client.send(request) }
        while server.requests.isEmpty { await Task.yield() }
        task.cancel()

        await #expect(throws: (any Error).self) { try await task.value }
        await client.close()
        await server.close()
    }

    @Test func `the length that HEAD announces is not held against it`() async throws {
        let server = try await LoopbackServer { _ in
            .raw(Array("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".utf8), closes: false)
        }
        let client = try client()
        var request = get(server.url)
        request.method = "HEAD"

        let response = try await client.send(request)

        #expect(response.status == 200 && response.body.isEmpty)
        await client.close()
        await server.close()
    }

    @Test func `reaches IPv6 by its address and by a name`() async throws {
        let server = try await LoopbackServer(host: "::1") { _ in .http(200) }
        let client = try client(resolver: StubResolver(["::1"]))

        let direct = try await client.send(get("http://[::1]:\(server.port)/a"))
        let named = try await client.send(get("http://six.example:\(server.port)/b"))

        #expect([direct.status, named.status] == [200, 200])
        #expect(server.requests.map { $0.headers["host"] } == ["[::1]:\(server.port)", "six.example:\(server.port)"])
        await client.close()
        await server.close()
    }

    @Test(arguments: ["gzip", "deflate", "raw deflate", "two members"])
    func `decompresses`(kind: String) async throws {
        let text = Array(String(repeating: "hello terapi ", count: 1000).utf8)
        let body =
            switch kind {
            case "gzip": Deflate.compress(text, windowBits: 31)
            case "deflate": Deflate.compress(text, windowBits: 15)
            case "raw deflate": Deflate.compress(text, windowBits: -15)
            default:
                Deflate.compress(Array(text[..<6000]), windowBits: 31)
                    + Deflate.compress(Array(text[6000...]), windowBits: 31)
            }
        let encoding = kind.hasSuffix("deflate") ? "deflate" : "gzip"
        let server = try await LoopbackServer { _ in .http(200, headers: [("Content-Encoding", encoding)], body: body) }
        let client = try client()

        let response = try await client.send(get(server.url))

        #expect(response.body == text)
        #expect(response.header("content-encoding") == nil)
        await client.close()
        await server.close()
    }

    @Test func `a compressed bomb is refused and an ordinary dense answer is not`() async throws {
        let bomb = Deflate.compress([UInt8](repeating: 0, count: 20_000_000), windowBits: 31)
        let dense = Deflate.compress([UInt8](repeating: 0, count: 900_000), windowBits: 31)
        let server = try await LoopbackServer { request in
            .http(200, headers: [("Content-Encoding", "gzip")], body: request.target == "/bomb" ? bomb : dense)
        }
        let client = try client()

        let error = await code { _ = try await client.send(get(server.url + "/bomb")) }
        let response = try await client.send(get(server.url + "/dense"))

        #expect(error?.code == .providerError)
        #expect(response.body.count == 900_000)
        await client.close()
        await server.close()
    }
}
