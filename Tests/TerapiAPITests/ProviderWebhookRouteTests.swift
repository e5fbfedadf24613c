import HTTPTypes
import Synchronization
import TerapiCore
import Testing

@testable import TerapiAPI

struct ProviderWebhookRouteTests {
    @Test(arguments: [HTTPRequest.Method.post, .get, .head])
    func `hands over a provider's request as it came, and the answer as it is`(method: HTTPRequest.Method) async throws
    {
        let world = World(publicURL: "https://terapi.example/")
        world.hooks.state.withLock {
            $0.answer = ProviderWebhookAnswer(
                status: 202, headers: [.init("content-type", "text/plain"), .init("x-hook-secret", "s")],
                body: Array("abc".utf8))
        }

        let answer = try await world.send(
            method, "/webhook/uuid-dev/my%20key/tok?challenge=a%2Bb", headers: HTTPFields([("X-Sig", "1")]),
            body: method == .post ? "{ \"a\":1}" : nil)

        #expect(answer.status == 202)
        #expect(answer.headers[.contentType] == "text/plain")
        #expect(answer.headers[.init("x-hook-secret") ?? .accept] == "s")
        #expect(answer.body == (method == .head ? "" : "abc"))
        let (request, address) = try #require(world.hooks.state.withLock { $0.received.first })
        #expect(request.method == method.rawValue)
        #expect(request.url == "https://terapi.example/webhook/uuid-dev/my%20key/tok?challenge=a%2Bb")
        #expect(request.header("x-sig") == "1")
        #expect(request.body == (method == .post ? Array("{ \"a\":1}".utf8) : []))
        #expect(address.environment == "uuid-dev" && address.integrationKey == "my key")
        #expect(address.token == Secret("tok"))
    }

    @Test(arguments: [
        (TerapiError.Code.unknownEnvironment, 404), (.unknownProviderConfig, 404), (.storageUnavailable, 503),
    ])
    func `says what is wrong with an address, and when to come again`(
        code: TerapiError.Code, status: Int
    ) async throws {
        let world = World()
        world.hooks.state.withLock { $0.failure = TerapiError(code, "No.") }

        let answer = try await world.send(.post, "/webhook/nobody/nothing", body: "{}")

        #expect(answer.status == status && answer.code == code.rawValue)
    }

    @Test
    func `refuses a body that is too large before it is handed over`() async throws {
        let world = World(maxBodyBytes: 100)

        let answer = try await world.send(
            .post, "/webhook/uuid-dev/zendesk", body: String(repeating: "x", count: 101))

        #expect(answer.status == 413)
        #expect(world.hooks.state.withLock { $0.received.isEmpty })
    }

    @Test(arguments: [HTTPRequest.Method.put, .delete, .patch])
    func `takes no other methods`(method: HTTPRequest.Method) async throws {
        let answer = try await World().send(method, "/webhook/uuid-dev/zendesk")

        #expect(answer.status == 405)
    }

    @Test
    func `shows what came without what could be used to send it again`() async throws {
        let world = World()

        let one = try await world.send(.get, "/provider-webhooks/pwh_1", bearer: world.devKey)

        #expect(one.status == 200)
        #expect(one.json?["data"]?["headers"]?["x-event"] == "dev-canary")
        #expect(one.json?["data"]?["body"] == #"{"a":"dev-canary"}"#)
        #expect(!one.body.contains("hidden-one") && !one.body.contains("the-token"))
        let made = try await world.send(.get, "/webhook-subscriptions", bearer: world.devKey)
        #expect(made.json?["data"]?.array?.first?["has_secret"] == true)
        #expect(!made.body.contains("hidden-two"))
    }

    @Test(arguments: [
        ("{}", 400), (#"{"state":"lost"}"#, 400), (#"{"state":"unmatched"}"#, 200), (#"{"ids":["pwh_1"]}"#, 200),
        (#"{"after":"yesterday"}"#, 400), (#"{"after":"2026-01-01T00:00:00Z"}"#, 200), (#"{"what":1}"#, 400),
    ])
    func `replays only what is named`(body: String, status: Int) async throws {
        let world = World()

        let answer = try await world.send(.post, "/provider-webhooks/replay", bearer: world.devKey, body: body)

        #expect(answer.status == status, "\(answer.body)")
        #expect(world.hooks.state.withLock { $0.replayed.count } == (status == 200 ? 1 : 0))
    }

    @Test
    func `shows the secret of an address that is registered by hand once`() async throws {
        let world = World()
        let body = #"{"provider_config_key":"zendesk","manual":true}"#
        let own = #"{"provider_config_key":"zendesk","manual":true,"secret":"given"}"#
        let ours = #"{"provider_config_key":"zendesk","connection_id":"c1","params":{"base":"b"},"secret":"x"}"#

        let manual = try await world.send(.post, "/webhook-subscriptions", bearer: world.devKey, body: body)
        let given = try await world.send(.post, "/webhook-subscriptions", bearer: world.devKey, body: own)
        let refused = try await world.send(.post, "/webhook-subscriptions", bearer: world.devKey, body: ours)

        #expect(manual.json?["data"]?["secret"] == "hidden-two")
        #expect(manual.json?["data"]?["url"] == "https://t.example/webhook/a/b/c")
        #expect(!given.body.contains("hidden-two") && given.status == 201)
        #expect(refused.status == 400 && refused.paths == [["secret"]])
    }

    @Test
    func `keeps the token of an address out of the log`() {
        #expect(PathForLog.text("/webhook/uuid/key/token") == "/webhook/uuid/key/***")
        #expect(PathForLog.text("/webhook/uuid/key") == "/webhook/uuid/key")
    }
}
