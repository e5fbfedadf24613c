import Synchronization
import TerapiCore
import TerapiStorage
import TestSupport
import Testing

@testable import TerapiEngine

@Suite(.timeLimit(.minutes(1)))
struct ProxyTests {
    @Test func `sends a request with the connection's credentials and hands on the answer`() async throws {
        let fixture = try await EngineFixture()
        fixture.providers.relay { request, access in
            #expect(access.connectionID == "alice")
            #expect(access.credentials.bearer == "access-1")
            #expect(request.request.endpoint == "tickets?page=2")
            return GivenAnswer(207, headers: [("x-a", "1")], body: [1, 2, 3])
        }

        let answer = try await fixture.engine.proxy.open(fixture.request())

        #expect(answer.status == 207)
        #expect(answer.wholeBody == [1, 2, 3])
    }

    @Test(arguments: [
        ("alice", "nothing", TerapiError.Code.unknownProviderConfig), ("nobody", "desk", .unknownConnection),
    ])
    func `knows only connections of the environment`(id: String, key: String, code: TerapiError.Code) async throws {
        let fixture = try await EngineFixture()
        var request = fixture.request()
        request.connectionID = id
        request.integrationKey = key
        let asked = request

        await expect(code) { try await fixture.engine.proxy.open(asked) }
    }

    // MARK: Bodies

    @Test(arguments: [(1_000_000, true), (1_000_001, false), (nil, false)] as [(Int?, Bool)])
    func `keeps a body that is known to be small`(length: Int?, isKept: Bool) async throws {
        let fixture = try await EngineFixture()
        fixture.providers.relay { request, _ in
            #expect(request.request.body?.count == (isKept ? length : nil))
            #expect((request.body == nil) == isKept)
            return GivenAnswer()
        }
        let size = length ?? 5
        let flow = ByteFlow(length: length) { take in try await take([UInt8](repeating: 7, count: size)) }

        _ = try await fixture.engine.proxy.open(fixture.request(method: "POST", body: flow))
    }

    @Test(arguments: [(nil, 1_000_001), (10_000_000, 10_000_000), (10_000_001, 10_000_001)] as [(Int?, Int)])
    func `takes a body in that is part of a signature, up to ten megabytes`(length: Int?, size: Int) async throws {
        let fixture = try await EngineFixture()
        fixture.providers.signBodies()
        let kept = Counter()
        fixture.providers.relay { request, _ in
            #expect(request.request.body?.count == size && request.body == nil)
            kept.increment()
            return GivenAnswer()
        }
        let flow = ByteFlow(length: length) { take in try await take([UInt8](repeating: 7, count: size)) }
        let request = fixture.request(method: "POST", body: flow)

        if size <= 10_000_000 {
            _ = try await fixture.engine.proxy.open(request)
        } else {
            await expect(.payloadTooLarge) { try await fixture.engine.proxy.open(request) }
        }
        #expect(kept.count == (size <= 10_000_000 ? 1 : 0))
    }

    // MARK: Again

    @Test(arguments: [(0, 1), (2, 3)])
    func `tries as often as its caller says`(retries: Int, sent: Int) async throws {
        let fixture = try await EngineFixture()
        let requests = Counter()
        fixture.providers.relay { _, _ in
            requests.increment()
            return GivenAnswer(503)
        }
        let opening = Task { try await fixture.engine.proxy.open(fixture.request(retries: retries)).status }
        for _ in 0..<retries {
            await fixture.clock.untilSomeoneSleeps(for: .seconds(3))
            fixture.clock.advance(by: .seconds(3))
        }

        #expect(try await opening.value == 503)
        #expect(requests.count == sent)
    }

    @Test func `gives up the answers that it does not hand on`() async throws {
        let fixture = try await EngineFixture()
        let abandoned = Counter()
        let failures = Mutex(1)
        fixture.providers.relay { _, _ in
            var answer = GivenAnswer(failures.withLock { $0 } > 0 ? 401 : 200)
            failures.withLock { $0 -= 1 }
            answer.onAbandon = { abandoned.increment() }
            return answer
        }

        #expect(try await fixture.engine.proxy.open(fixture.request()).status == 200)

        #expect(abandoned.count == 1)
        #expect(fixture.providers.tokens.calls == 1)
    }

    @Test(arguments: [429, 503, 401])
    func `sends a body that flows once`(status: Int) async throws {
        let fixture = try await EngineFixture()
        let requests = Counter()
        fixture.providers.relay { _, _ in
            requests.increment()
            return GivenAnswer(status)
        }
        let flow = ByteFlow(length: nil) { _ in }

        let answer = try await fixture.engine.proxy.open(fixture.request(method: "PUT", retries: 5, body: flow))

        #expect(answer.status == status)
        #expect(requests.count == 1)
    }

    /// Where a token says nothing of its end, a refusal is the only word that it is over.
    @Test func `a refused body that cannot be sent again renews the token for the next one`() async throws {
        let fixture = try await EngineFixture()
        fixture.providers.relay { _, access in GivenAnswer(access.credentials.bearer == "access-1" ? 401 : 200) }
        func put() async throws -> Int {
            let flow = ByteFlow(length: nil) { _ in }
            return try await fixture.engine.proxy.open(fixture.request(method: "PUT", body: flow)).status
        }

        #expect(try await put() == 401)
        #expect(try await put() == 200)
        #expect(fixture.providers.tokens.calls == 1)
    }

    @Test(arguments: [
        ("GET", OutboundFailure.Outcome.unknown, 2), ("DELETE", .unknown, 2), ("POST", .unknown, 1),
        ("PATCH", .unknown, 1), ("POST", .notSent, 2),
    ])
    func `does not repeat what may have had an effect`(
        method: String, outcome: OutboundFailure.Outcome, sent: Int
    ) async throws {
        let fixture = try await EngineFixture()
        let requests = Counter()
        fixture.providers.relay { _, _ in
            requests.increment()
            if requests.count == 2 { return GivenAnswer() }
            throw TerapiError(.providerUnreachable, "Broken.", cause: OutboundFailure(outcome, "broken"))
        }
        let opening = Task { try await fixture.engine.proxy.open(fixture.request(method: method, retries: 1)).status }
        if sent == 2 {
            await fixture.clock.untilSomeoneSleeps(for: .seconds(2))
            fixture.clock.advance(by: .seconds(2))
            #expect(try await opening.value == 200)
        } else {
            await expect(.providerUnreachable) { try await opening.value }
        }
        #expect(requests.count == sent)
    }

    @Test func `hands on what asks for a longer wait than a caller has`() async throws {
        let fixture = try await EngineFixture()
        fixture.providers.relay { _, _ in GivenAnswer(429, headers: [("retry-after", "61")]) }

        #expect(try await fixture.engine.proxy.open(fixture.request(retries: 3)).status == 429)
    }

    @Test func `says at once that the provider wants a long pause`() async throws {
        let fixture = try await EngineFixture()
        fixture.providers.answer { _, _ in
            ScriptResponse(status: 429, headers: [("retry-after", "600")], body: [])
        }
        fixture.scripts.set { run in _ = try await run.get("/tickets") }
        let run = Task { try await fixture.engine.syncWorker.runOnce() }
        await fixture.clock.untilSomeoneSleeps(for: .seconds(600))

        let error = await expect(.tooManyRequests) { try await fixture.engine.proxy.open(fixture.request()) }

        #expect(error?.retryAfterSeconds == 600)
        run.cancel()
        _ = try? await run.value
    }

    // MARK: Credentials

    @Test func `fails when the end user has to connect again, and says so`() async throws {
        let fixture = try await EngineFixture()
        fixture.providers.relay { _, _ in GivenAnswer() }
        let refusal = TokenServer.Fault.answer(
            status: 400,
            contentType: "application/json",
            body: #"{"error":"invalid_grant"}"#
        )
        fixture.providers.tokens.fail(refusal, refusal)
        fixture.clock.advance(by: .seconds(TokenServer.life + 1))
        await expect(.refreshTokenExternalError) { try await fixture.engine.proxy.open(fixture.request()) }
        await expect(.connectionRefreshBackoff) { try await fixture.engine.proxy.open(fixture.request()) }
        fixture.clock.advance(by: .seconds(61))
        await expect(.refreshTokenExternalError) { try await fixture.engine.proxy.open(fixture.request()) }

        await expect(.connectionRefreshExhausted) { try await fixture.engine.proxy.open(fixture.request()) }
    }

    @Test func `asks the database once for many requests within a second`() async throws {
        let fixture = try await EngineFixture()
        fixture.providers.relay { _, _ in GivenAnswer() }
        _ = try await fixture.engine.proxy.open(fixture.request())
        _ = try await fixture.storage.deleteConnection("alice", integrationKey: "desk", in: fixture.scope)
        _ = try await fixture.engine.proxy.open(fixture.request())

        fixture.clock.advance(by: .seconds(1))

        await expect(.unknownConnection) { try await fixture.engine.proxy.open(fixture.request()) }
    }

    // MARK: Logs

    @Test func `logs request and answer without what is secret`() async throws {
        let fixture = try await EngineFixture()
        fixture.providers.relay { _, _ in
            GivenAnswer(
                headers: [("x-echo", "access-1"), ("set-cookie", "a=b"), ("content-type", "text/plain")],
                url: "https://desk.example/tickets?page=2&provider_key=access-1",
                body: [1, 2, 3]
            )
        }
        var request = fixture.request(endpoint: "tickets?page=2&api_key=mine-canary")
        request.request.headers = [("X-Thing", "shown"), ("X-Api-Key", "key-canary")]

        let answer = try await fixture.engine.proxy.open(request)
        #expect(answer.wholeBody?.count == 3)

        let operation = try #require(fixture.log.operations(.proxyCall).first)
        #expect(operation.state == .success)
        #expect(operation.message == "GET /tickets")
        let meta = JSONValue.object(try #require(fixture.log.messages.last).meta)
        #expect(meta["request"]?["url"] == "https://desk.example/tickets?page=2&api_key=***")
        #expect(meta["request"]?["headers"] == ["x-thing": "shown", "x-api-key": "***"])
        #expect(meta["response"]?["headers"] == ["x-echo": "***", "set-cookie": "***", "content-type": "text/plain"])
        #expect(meta["response"]?["body_bytes"] == 3)
        #expect(!fixture.log.text.contains("canary") && !fixture.log.text.contains("access-1"))
    }

    /// Addresses that providers hand out are often keys themselves.
    @Test(arguments: [
        ("location", "https://files.example/a?X-Amz-Signature=canary&x=1", "https://files.example/a?***"),
        ("location", "https://app.example/cb#access_token=canary", "https://app.example/cb#***"),
        ("content-location", "/a?sig=canary", "/a?***"),
        ("refresh", "5; url=https://files.example/a?t=canary", "5; url=https://files.example/a?***"),
        (
            "link", #"<https://a.example/?k=canary&page=2>; rel="next", <https://a.example/?k=canary>; rel="last""#,
            #"<https://a.example/?***>; rel="next", <https://a.example/?***>; rel="last""#
        ),
        ("x-upload-url", "https://files.example/a?t=canary", "https://files.example/a?***"),
        ("x-thing", "what? no", "what? no"),
    ])
    func `logs no address of an answer with its query`(name: String, value: String, shown: String) async throws {
        let fixture = try await EngineFixture()
        fixture.providers.relay { _, _ in GivenAnswer(302, headers: [(name, value)]) }

        _ = try await fixture.engine.proxy.open(fixture.request()).wholeBody

        let meta = JSONValue.object(try #require(fixture.log.messages.last).meta)
        #expect(meta["response"]?["headers"]?[name]?.string == shown)
        #expect(!fixture.log.text.contains("canary"))
    }

    @Test(arguments: [
        "api%5Fkey=canary", "%73ecret=canary", "sig=canary", "pwd=canary", "code=canary", "jwt=canary",
        "a=1&Access_Token=canary",
    ])
    func `knows the names of secrets however they are written`(query: String) async throws {
        let fixture = try await EngineFixture()
        fixture.providers.relay { _, _ in GivenAnswer() }

        _ = try await fixture.engine.proxy.open(fixture.request(endpoint: "x?\(query)&page=2")).wholeBody

        #expect(!fixture.log.text.contains("canary"))
        #expect(fixture.log.text.contains("page=2"))
    }

    @Test func `logs an answer when it has passed, or has broken off, or is not wanted any more`() async throws {
        let fixture = try await EngineFixture()
        let ends: [(LogOperation.State, @Sendable (ByteFlow.Take) async throws -> Void)] = [
            (.success, { try await $0([1, 2]) }),
            (
                .failed,
                {
                    try await $0([1])
                    throw TerapiError(.providerUnreachable, "Gone.")
                }
            ),
            (
                .cancelled,
                { _ in
                    throw CancellationError()
                }
            ),
        ]
        for (state, pieces) in ends {
            fixture.providers.relay { _, _ in
                var answer = GivenAnswer(body: nil)
                answer.pieces = pieces
                return answer
            }
            let answer = try await fixture.engine.proxy.open(fixture.request())
            #expect(answer.wholeBody == nil)
            #expect(fixture.log.operations(.proxyCall).last?.state == .running)

            try? await answer.readBody { _ in }

            #expect(fixture.log.operations(.proxyCall).last?.state == state)
        }
        // Who drops an answer has gone.
        _ = try await fixture.engine.proxy.open(fixture.request())
        #expect(fixture.log.operations(.proxyCall).last?.state == .cancelled)
    }
}

extension EngineFixture {
    fileprivate func request(
        method: String = "GET",
        endpoint: String = "tickets?page=2",
        retries: Int = 0,
        body: ByteFlow? = nil
    ) -> ProxyRequest {
        ProxyRequest(
            scope: scope,
            integrationKey: "desk",
            connectionID: "alice",
            request: ScriptRequest(method: method, endpoint: endpoint, retries: retries),
            body: body
        )
    }
}

extension Credentials {
    fileprivate var bearer: String? {
        guard case .oauth2(let tokens) = self else { return nil }
        return tokens.accessToken.reveal()
    }
}
