import HTTPTypes
import Synchronization
import TerapiCore
import TestSupport
import Testing

@testable import TerapiAPI

struct ProxyRouteTests {
    private func send(
        _ world: World,
        _ method: HTTPRequest.Method = .get,
        _ uri: String = "/proxy/tickets",
        headers: [(name: String, value: String)] = [],
        body: String? = nil
    ) async throws -> Answer {
        let named = [("Provider-Config-Key", "zendesk"), ("Connection-Id", "c1")]
        return try await world.send(
            method, uri, bearer: world.devKey, headers: HTTPFields(named + headers), body: body
        )
    }

    @Test(arguments: [HTTPRequest.Method.get, .post, .put, .patch, .delete, .options])
    func `hands on what was asked for, as it came`(method: HTTPRequest.Method) async throws {
        let world = World()

        let answer = try await send(
            world, method, "/proxy/a%2Fb/c//d?x=%20+&x=2&flag",
            headers: [
                ("Retries", "3"), ("Retry-On", "418, 503"), ("Base-Url-Override", "https://other.example"),
                ("Decompress", "true"), ("Forward-Headers-On-Redirect", "TRUE"), ("Terapi-Proxy-X-Thing", "yes"),
                ("Content-Type", "text/csv"), ("Content-Length", "5"), ("X-Other", "no"), ("Cookie", "c=1"),
            ],
            body: "a,b,c"
        )

        #expect(answer.status == 200)
        #expect(answer.body == "relayed dev-canary")
        let (request, body) = try #require(world.engine.state.withLock { $0.relayed.first })
        #expect(request.request.method == method.rawValue)
        #expect(request.request.endpoint == "a%2Fb/c//d?x=%20+&x=2&flag")
        #expect(request.request.retries == 3)
        #expect(request.request.retryOn == [418, 503])
        #expect(request.request.baseURLOverride == "https://other.example")
        #expect(request.decompresses && request.forwardsHeadersOnRedirect)
        let sent = request.request.headers.map { "\($0.name): \($0.value)" }
        #expect(sent == ["content-type: text/csv", "x-thing: yes"])
        #expect(String(decoding: body, as: UTF8.self) == "a,b,c")
    }

    @Test func `has no body where none was sent`() async throws {
        let world = World()

        _ = try await send(world, .post, headers: [("Content-Length", "0")])

        #expect(world.engine.state.withLock { $0.relayed.first?.request.body == nil })
    }

    @Test func `names everything that is wrong with the headers at once`() async throws {
        let world = World()
        let known = try await world.send(
            .get, "/proxy/x", bearer: world.devKey,
            headers: HTTPFields([("Retries", "-1"), ("Retry-On", "a"), ("Decompress", "1")])
        )

        #expect(known.status == 400)
        #expect(known.code == "invalid_headers")
        #expect(known.paths == [["provider-config-key"], ["connection-id"], ["retries"], ["retry-on"], ["decompress"]])
    }

    @Test(arguments: [
        (TerapiError.Code.unknownProviderConfig, 404), (.unknownConnection, 400), (.missingAPIURL, 400),
        (.baseURLOverrideNotAllowed, 400), (.proxyRedirectToDeniedHost, 400), (.outboundRefused, 400),
        (.connectionRefreshBackoff, 424), (.connectionRefreshExhausted, 424), (.providerUnreachable, 424),
        (.payloadTooLarge, 413), (.tooManyRequests, 429),
    ])
    func `tells its own errors by status`(code: TerapiError.Code, status: Int) async throws {
        let world = World()
        world.engine.state.withLock { $0.answer = { _ in throw TerapiError(code, "Because.", retryAfterSeconds: 7) } }

        let answer = try await send(world)

        #expect(answer.status == status)
        #expect(answer.code == code.rawValue)
        #expect(answer.headers[.retryAfter] == "7")
    }

    @Test(arguments: [200, 204, 302, 404, 429, 503])
    func `passes status, headers and body on`(status: Int) async throws {
        let world = World()
        world.engine.state.withLock {
            $0.answer = { _ in
                GivenAnswer(
                    status,
                    headers: [("x-request-id", "theirs"), ("set-cookie", "a=1"), ("set-cookie", "b=2")],
                    body: status == 204 ? [] : Array(#"{"error":"theirs"}"#.utf8)
                )
            }
        }

        let answer = try await send(world)

        #expect(answer.status == status)
        #expect(answer.body == (status == 204 ? "" : #"{"error":"theirs"}"#))
        #expect(answer.headers[values: .setCookie] == ["a=1", "b=2"])
        #expect(answer.headers[.requestID] == "theirs")
        #expect(answer.headers[.accessControlAllowOrigin] == "*")
    }

    @Test func `passes pieces on, and drops what it cannot pass on`() async throws {
        let world = World()
        let abandoned = Mutex(0)
        world.engine.state.withLock {
            $0.answer = { _ in
                var answer = GivenAnswer(headers: [("content-length", "6")], body: nil)
                answer.pieces = { take in
                    try await take(Array("one".utf8))
                    try await take(Array("two".utf8))
                }
                return answer
            }
        }
        #expect(try await send(world).body == "onetwo")

        world.engine.state.withLock {
            $0.answer = { _ in
                var answer = GivenAnswer(headers: [("content-length", "6")], body: nil)
                answer.pieces = { _ in throw TerapiError(.providerUnreachable, "Broken.") }
                answer.onAbandon = { abandoned.withLock { $0 += 1 } }
                return answer
            }
        }
        await #expect(throws: (any Error).self) { try await send(world) }
        #expect(abandoned.withLock { $0 } >= 1)
    }

    @Test func `answers a browser's own question itself`() async throws {
        let world = World()

        let answer = try await world.send(
            .options, "/proxy/x", headers: HTTPFields([("Access-Control-Request-Method", "PUT")])
        )

        #expect(answer.status == 204)
        #expect(answer.headers[.accessControlAllowMethods]?.contains("PUT") == true)
        #expect(world.engine.state.withLock { $0.relayed.isEmpty })
    }

    @Test(arguments: [(true, ["x-old", "x-new"]), (false, ["x-new"])])
    func `understands the names of others only when it is told to`(isOn: Bool, names: [String]) async throws {
        let world = World(configuration: APIConfiguration(knowsNangoNames: isOn))

        _ = try await send(world, headers: [("Nango-Proxy-X-Old", "1"), ("Terapi-Proxy-X-New", "1")])

        let sent = world.engine.state.withLock { $0.relayed.first?.request.request.headers.map(\.name) }
        #expect(sent.map(Set.init) == Set(names))
    }
}
