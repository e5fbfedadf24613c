import Synchronization
import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

/// Registrations at a provider: made, renewed, and taken back.
@Suite(.timeLimit(.minutes(1)))
struct WebhookSubscriptionTests {
    /// A provider that registers addresses, lets them live for a day, and signs with a secret of its own.
    private final class Registry: Sendable {
        struct State {
            var requests: [(method: String, endpoint: String, body: JSONValue?)] = []
            var nextID = 1
            var status = 200
        }

        let state = Mutex(State())

        func answer(_ request: ScriptRequest, now: Timestamp) -> ScriptResponse {
            state.withLock { state in
                let body = request.body.flatMap { try? JSONReader.read($0) }
                state.requests.append((request.method, request.endpoint, body))
                guard state.status == 200 else { return ScriptResponse(status: state.status, headers: [], body: []) }
                if request.method == "DELETE" { return ScriptResponse(status: 204, headers: [], body: []) }
                let isRenewal = request.method == "PATCH"
                if !isRenewal { state.nextID += 1 }
                let end = (now + .seconds(86_400)).iso8601
                let answer: JSONValue =
                    isRenewal
                    ? ["ends": .string(end)]
                    : ["id": JSONValue(state.nextID), "secret": .string("s-\(state.nextID)"), "ends": .string(end)]
                return ScriptResponse(status: 201, headers: [], body: answer.encoded())
            }
        }

        var requests: [(method: String, endpoint: String, body: JSONValue?)] { state.withLock { $0.requests } }
    }

    private func fixture(canRenew: Bool = true) async throws -> (WebhookFixture, Registry) {
        let registry = Registry()
        let fixture = try await WebhookFixture(
            rule: { rule in
                var subscription = WebhookSubscriptionRule(
                    create: .init(
                        method: "POST", endpoint: "/boards/${params.board}/hooks",
                        data: ["url": "${webhookUrl}", "until": "${expires}", "events": ["*"]]))
                if canRenew {
                    subscription.renew = .init(
                        method: "PATCH", endpoint: "/hooks/${subscription.id}", data: ["until": "${expires}"])
                }
                subscription.delete = .init(method: "DELETE", endpoint: "/hooks/${subscription.id}")
                subscription.id = try WebhookExpression("body:id")
                subscription.secret = try WebhookExpression("body:secret")
                subscription.expires = try WebhookExpression("body:ends")
                subscription.params = ["board"]
                rule.subscription = subscription
                rule.keys["secret"] = ProviderWebhookRule.Key([.subscription])
            }, custom: [:])
        let clock = fixture.base.clock
        fixture.base.providers.answer { request, _ in registry.answer(request, now: clock.now) }
        return (fixture, registry)
    }

    private func subscribe(_ fixture: WebhookFixture, params: JSONObject = ["board": "a/b"]) async throws
        -> WebhookSubscription
    {
        try await fixture.engine.providerWebhooks.subscribe(
            integrationKey: "desk", connectionID: "alice", params: params, manual: false, secret: nil,
            in: fixture.base.scope)
    }

    /// A provider that says so must not be able to stop the server.
    @Test(
        arguments: [
            ("9223372036854775807", nil), ("-9223372036854775808", nil), ("99999999999999999999", nil),
            ("1700000000", 1_700_000_000), ("1700000000000", 1_700_000_000),
        ] as [(String, Int64?)])
    func `reads the end of a registration, however large`(text: String, seconds: Int64?) throws {
        let answer = SubscriptionAnswer(["expiration": .number(text)])

        #expect(answer.time(try WebhookExpression("body:expiration"))?.unixSeconds == seconds)
    }

    @Test
    func `registers an address that only the provider knows, with the secret that it tells`() async throws {
        let (fixture, registry) = try await fixture()

        let made = try await subscribe(fixture)

        let address = try await fixture.engine.providerWebhooks.address(of: made)
        let uuid = fixture.base.environment.uuid
        #expect(address == "https://terapi.example/webhook/\(uuid)/desk/\(made.token.reveal())")
        #expect(made.token.reveal().count == 48)
        let request = try #require(registry.requests.first)
        #expect(request.endpoint == "/boards/a%2Fb/hooks")
        #expect(request.body?["url"] == .string(address))
        #expect(made.externalID == "2" && made.secret == Secret("s-2") && made.state == .active)

        let sent = try await fixture.send(
            #"{"type":"a","id":"1"}"#, secret: "s-2", to: fixture.address(made.token))
        #expect(sent.status == 200)
        #expect(try await fixture.work().count == 1)
        #expect(!fixture.base.log.text.contains("s-2") && !fixture.base.log.text.contains(made.token.reveal()))
    }

    @Test
    func `says what is missing, and leaves nothing behind when the provider refuses`() async throws {
        let (fixture, registry) = try await fixture()

        let missing = await #expect(throws: TerapiError.self) { try await subscribe(fixture, params: [:]) }
        #expect(missing?.issues.map(\.path) == [["params", "board"]])
        registry.state.withLock { $0.status = 403 }
        let refused = await #expect(throws: TerapiError.self) { try await subscribe(fixture) }
        #expect(refused?.message.contains("the provider answered 403") == true)

        #expect(try await fixture.storage.subscriptions(in: fixture.base.scope).isEmpty)
    }

    @Test
    func `renews before the end, and tries again when that fails`() async throws {
        let (fixture, registry) = try await fixture()
        let made = try await subscribe(fixture)
        let clock = fixture.base.clock
        #expect(made.renewAt == clock.now + .seconds(86_400 * 4 / 5))
        #expect(try await fixture.engine.webhookRenewer.runOnce() == 0)

        clock.advance(by: .seconds(70_000))
        registry.state.withLock { $0.status = 409 }
        #expect(try await fixture.engine.webhookRenewer.runOnce() == 1)
        let failed = try #require(try await fixture.storage.subscription(made.id))
        #expect(failed.failures == 1 && failed.error?.contains("409") == true && failed.state == .active)
        #expect(failed.renewAt.map { $0 > clock.now } == true)
        #expect(try await fixture.engine.webhookRenewer.runOnce() == 0)

        registry.state.withLock { $0.status = 200 }
        clock.advance(by: .seconds(120))
        #expect(try await fixture.engine.webhookRenewer.runOnce() == 1)
        let renewed = try #require(try await fixture.storage.subscription(made.id))
        #expect(renewed.externalID == "2" && renewed.secret == Secret("s-2") && renewed.failures == 0)
        #expect(renewed.expiresAt == clock.now + .seconds(86_400) && renewed.error == nil)
        #expect(registry.requests.map(\.method) == ["POST", "PATCH", "PATCH"])
        #expect(registry.requests.last?.endpoint == "/hooks/2")
    }

    @Test
    func `makes a new one before the old one goes, where a provider cannot renew`() async throws {
        let (fixture, registry) = try await fixture(canRenew: false)
        let made = try await subscribe(fixture)
        fixture.base.clock.advance(by: .seconds(80_000))

        #expect(try await fixture.engine.webhookRenewer.runOnce() == 1)

        #expect(registry.requests.map(\.method) == ["POST", "POST", "DELETE"])
        #expect(registry.requests.last?.endpoint == "/hooks/2")
        let all = try await fixture.storage.subscriptions(in: fixture.base.scope)
        #expect(all.map(\.externalID) == ["3"] && all.first?.id != made.id)
        #expect(all.first?.params == ["board": "a/b"])
    }

    @Test
    func `renews at once when the provider says that it ends`() async throws {
        let (fixture, _) = try await fixture()
        let made = try await subscribe(fixture)
        var rule = try #require(fixture.base.providers.provider("desk")?.webhook)
        rule.lifecycle.renewal = [try WebhookCondition("body:type==ending")]
        fixture.base.providers.setWebhook(rule)

        try await fixture.send(#"{"type":"ending","id":"1"}"#, secret: "s-2", to: fixture.address(made.token))
        try await fixture.work()

        #expect(try await fixture.engine.webhookRenewer.runOnce() == 1)
    }

    @Test
    func `takes it back when it is not wanted any more, and when its connection goes`() async throws {
        let (fixture, registry) = try await fixture()
        let first = try await subscribe(fixture)
        _ = try await subscribe(fixture)

        try await fixture.engine.providerWebhooks.unsubscribe(first.id, in: fixture.base.scope)
        #expect(registry.requests.last?.method == "DELETE" && registry.requests.last?.endpoint == "/hooks/2")
        let gone = await #expect(throws: TerapiError.self) {
            try await fixture.send(#"{"type":"a"}"#, secret: "s-2", to: fixture.address(first.token))
        }
        #expect(gone?.code == .unknownProviderConfig)

        registry.state.withLock { $0.status = 500 }
        #expect(
            try await fixture.engine.connector.deleteConnection(
                "alice", integrationKey: "desk", in: fixture.base.scope))
        #expect(registry.requests.last?.endpoint == "/hooks/3")
        #expect(try await fixture.storage.subscriptions(in: fixture.base.scope).isEmpty)
    }

    @Test
    func `takes the word that the provider tells while our own request is open`() async throws {
        let (fixture, registry) = try await fixture()
        var rule = try #require(fixture.base.providers.provider("desk")?.webhook)
        rule.subscription?.secret = nil
        var handshake = ProviderWebhookRule.Handshake(
            conditions: [try WebhookCondition("header:x-hook-secret")], answer: .init())
        handshake.storedSecret = try WebhookExpression("header:x-hook-secret")
        rule.handshakes = [handshake]
        fixture.base.providers.setWebhook(rule)
        let clock = fixture.base.clock
        fixture.base.providers.answer { request, _ in
            let body = request.body.flatMap { try? JSONReader.read($0) }
            let token = body?["url"]?.string?.split(separator: "/").last.map { Secret(String($0)) }
            let answer = try await fixture.send(
                "", secret: nil, headers: [("x-hook-secret", "told")], to: fixture.address(token))
            #expect(answer.status == 200)
            return registry.answer(request, now: clock.now)
        }

        let made = try await subscribe(fixture)

        #expect(made.secret == Secret("told") && made.externalID == "2")
        let answer = try await fixture.send(#"{"type":"a"}"#, secret: "told", to: fixture.address(made.token))
        #expect(answer.status == 200)
    }

    @Test
    func `finds the secret by the registration that a request names`() async throws {
        let (fixture, _) = try await fixture()
        var rule = try #require(fixture.base.providers.provider("desk")?.webhook)
        rule.lookup = try WebhookExpression("body:hook")
        rule.routes = [.init(value: try WebhookExpression("body:hook"), match: .subscription)]
        fixture.base.providers.setWebhook(rule)
        _ = try await subscribe(fixture)
        _ = try await subscribe(fixture)

        #expect(try await fixture.send(#"{"hook":2,"type":"a","id":"1"}"#, secret: "s-3").status == 401)
        #expect(try await fixture.send(#"{"hook":9,"type":"a","id":"1"}"#, secret: "s-2").status == 401)
        #expect(try await fixture.send(#"{"hook":3,"type":"a","id":"1"}"#, secret: "s-3").status == 200)
        #expect(try await fixture.work().count == 1)
    }
}
