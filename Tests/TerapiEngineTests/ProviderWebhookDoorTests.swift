import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

/// What a provider is answered, and what is kept.
@Suite(.timeLimit(.minutes(1)))
struct ProviderWebhookDoorTests {
    @Test
    func `keeps what is genuine before it says so`() async throws {
        let fixture = try await WebhookFixture()

        let answer = try await fixture.send(WebhookFixture.event())

        #expect(answer.status == 200)
        #expect(String(decoding: answer.body, as: UTF8.self) == #"{"status":"success"}"#)
        let kept = try #require(try await fixture.kept().first)
        #expect(kept.request.body == Array(WebhookFixture.event().utf8))
        #expect(kept.state == .received && kept.id.hasPrefix("pwh_"))
        // Nothing has been done yet.
        #expect(fixture.base.scripts.begun.count == 0)
    }

    @Test(arguments: [
        ("another", 401, "webhook_invalid_signature"), ("", 401, "webhook_invalid_signature"),
        (nil, 401, "webhook_missing_signature"),
    ])
    func `refuses what is not genuine and keeps nothing`(
        secret: String?, status: Int, code: String
    ) async throws {
        let fixture = try await WebhookFixture()

        let answer = try await fixture.send(WebhookFixture.event(), secret: secret)

        #expect(answer.status == status)
        #expect(String(decoding: answer.body, as: UTF8.self).contains(code))
        #expect(try await fixture.kept().isEmpty)
        #expect(fixture.base.log.operations(.incomingWebhook).map(\.state) == [.failed])
        // The control: the same with the right secret is kept.
        #expect(try await fixture.send(WebhookFixture.event()).status == 200)
        #expect(try await fixture.kept().count == 1)
    }

    @Test(arguments: [JSONObject(), ["webhook_secret": ""]])
    func `takes nothing while no secret is known`(custom: JSONObject) async throws {
        let fixture = try await WebhookFixture(custom: custom)

        for secret in ["", WebhookFixture.secret] {
            #expect(try await fixture.send(WebhookFixture.event(), secret: secret).status == 401)
        }
        #expect(try await fixture.kept().isEmpty)
        #expect(fixture.base.log.text.contains("Set a registration of the webhook or \"webhook_secret\""))
    }

    @Test
    func `refuses a signature that is there twice`() async throws {
        let fixture = try await WebhookFixture()
        let good = hex(hmacSHA256(key: Array(WebhookFixture.secret.utf8), Array(WebhookFixture.event().utf8)))

        let answer = try await fixture.send(WebhookFixture.event(), headers: [("x-sig", good)])

        #expect(answer.status == 401)
        #expect(try await fixture.kept().isEmpty)
    }

    @Test(arguments: [("GET", 405), ("HEAD", 405), ("POST", 200)])
    func `takes events by POST only`(method: String, status: Int) async throws {
        let fixture = try await WebhookFixture()

        let answer = try await fixture.send(WebhookFixture.event(), method: method)

        #expect(answer.status == status)
        #expect(answer.headers.contains(.init("allow", "POST")) == (status == 405))
        #expect(try await fixture.kept().count == (status == 200 ? 1 : 0))
    }

    @Test(arguments: ["a=1&b=2", "", "{", "[1", "\u{FEFF}{}"])
    func `refuses a genuine body that is not what the provider sends`(body: String) async throws {
        let fixture = try await WebhookFixture()

        let answer = try await fixture.send(body)

        #expect(answer.status == 400)
        #expect(String(decoding: answer.body, as: UTF8.self).contains("webhook_invalid_payload"))
        #expect(try await fixture.kept().isEmpty)
    }

    @Test
    func `checks a body of 10 MB, and reads it only when it is genuine`() async throws {
        let fixture = try await WebhookFixture()
        let large = #"{"type":"a","id":"1","account":"a-1","text":""# + String(repeating: "x", count: 9_900_000) + "\"}"

        #expect(try await fixture.send(large, secret: "another").status == 401)
        #expect(try await fixture.kept().isEmpty)
        #expect(try await fixture.send(large).status == 200)
        #expect(try await fixture.kept().first?.request.body.count == large.utf8.count)
    }

    @Test
    func `knows a changed secret at once, and the one before only for a moment`() async throws {
        let fixture = try await WebhookFixture()
        #expect(try await fixture.send(WebhookFixture.event()).status == 200)
        var integration = try #require(
            try await fixture.storage.integration(key: "desk", in: fixture.base.scope))
        integration.custom["webhook_secret"] = "the-next"
        try await fixture.storage.updateIntegration(integration)

        #expect(try await fixture.send(WebhookFixture.event("e-2"), secret: "the-next").status == 200)
        #expect(try await fixture.send(WebhookFixture.event("e-3")).status == 401)
    }

    @Test
    func `takes both secrets during a rotation`() async throws {
        let fixture = try await WebhookFixture(
            custom: ["webhook_secret": "old", "webhook_secret_next": "new"])

        #expect(try await fixture.send(WebhookFixture.event("e-1"), secret: "old").status == 200)
        #expect(try await fixture.send(WebhookFixture.event("e-2"), secret: "new").status == 200)
        #expect(try await fixture.send(WebhookFixture.event("e-3"), secret: "other").status == 401)
    }

    @Test
    func `knows no address but its own`() async throws {
        let fixture = try await WebhookFixture()
        for (address, code) in [
            (
                ProviderWebhookAddress(environment: "nobody", integrationKey: "desk"),
                TerapiError.Code.unknownEnvironment
            ),
            (fixture.address(key: "nothing"), .unknownProviderConfig),
            (fixture.address(Secret("made-up")), .unknownProviderConfig),
        ] {
            let error = await #expect(throws: TerapiError.self) {
                try await fixture.send(WebhookFixture.event(), to: address)
            }
            #expect(error?.code == code)
        }
        #expect(try await fixture.kept().isEmpty)
    }

    @Test
    func `answers 204 and keeps nothing where the provider has no rule`() async throws {
        let fixture = try await EngineFixture()
        let answer = try await fixture.engine.providerWebhooks.receive(
            ProviderWebhookRequest(method: "POST", url: "https://t.example/x", headers: [], body: Array("{}".utf8)),
            at: ProviderWebhookAddress(environment: fixture.environment.uuid, integrationKey: "desk"))

        #expect(answer.status == 204)
        #expect(try await fixture.storage.providerWebhooks(ProviderWebhookFilter(), in: fixture.scope).isEmpty)
    }

    @Test
    func `says nothing when nothing can be kept`() async throws {
        let fixture = try await WebhookFixture()
        try await fixture.send(WebhookFixture.event("e-0"))
        fixture.base.database.isDown = true

        await #expect(throws: (any Error).self) { try await fixture.send(WebhookFixture.event()) }
    }

    // MARK: Handshakes

    @Test
    func `answers a challenge without a signature, and keeps nothing`() async throws {
        let fixture = try await WebhookFixture { rule in
            var answer = ProviderWebhookRule.AnswerRule()
            answer.body = try WebhookExpression("query:challenge")
            rule.handshakes = [
                .init(
                    conditions: [
                        WebhookCondition(.method, equals: "GET"), try WebhookCondition("query:challenge"),
                    ],
                    answer: answer)
            ]
        }

        let answer = try await fixture.send(
            "", secret: nil, method: "GET", query: "?challenge=%3Cscript%3E1")

        #expect(answer.status == 200 && String(decoding: answer.body, as: UTF8.self) == "<script>1")
        #expect(answer.headers.contains(.init("content-type", "text/plain")))
        #expect(answer.headers.contains(.init("x-content-type-options", "nosniff")))
        #expect(try await fixture.kept().isEmpty)
        #expect(try await fixture.send("", secret: nil, method: "GET").status == 405)
    }

    @Test
    func `learns a secret once, at the address of its registration`() async throws {
        let fixture = try await WebhookFixture(
            rule: { rule in
                rule.isPerConnection = true
                rule.keys["secret"] = ProviderWebhookRule.Key([.subscription])
                var answer = ProviderWebhookRule.AnswerRule()
                answer.headers = [("x-hook-secret", try WebhookExpression("header:x-hook-secret"))]
                var handshake = ProviderWebhookRule.Handshake(
                    conditions: [try WebhookCondition("header:x-hook-secret")], answer: answer)
                handshake.storedSecret = try WebhookExpression("header:x-hook-secret")
                rule.handshakes = [handshake]
            }, custom: [:])
        let made = try await fixture.engine.providerWebhooks.subscribe(
            integrationKey: "desk", connectionID: "alice", params: [:], manual: true, secret: nil,
            in: fixture.base.scope)
        let address = fixture.address(made.token)
        let tell = [("x-hook-secret", "told")]

        // Nobody can tell one where no registration waits for it.
        #expect(try await fixture.send("", secret: nil, headers: tell).status == 401)
        let answer = try await fixture.send("", secret: nil, headers: tell, to: address)
        #expect(answer.status == 200 && answer.headers.contains(.init("x-hook-secret", "told")))
        // The same again is the provider's; another is somebody else's.
        #expect(try await fixture.send("", secret: nil, headers: tell, to: address).status == 200)
        let other = [("x-hook-secret", "forged")]
        #expect(try await fixture.send("", secret: nil, headers: other, to: address).status == 401)

        #expect(try await fixture.send(WebhookFixture.event(), secret: "forged", to: address).status == 401)
        #expect(try await fixture.send(WebhookFixture.event(), secret: "told", to: address).status == 200)
        // The address tells whose it is, whatever the event names.
        #expect(try await fixture.work().count == 1)
    }

    // MARK: Signed tokens

    @Test
    func `fetches the keys of signed tokens once, and again for a new one`() async throws {
        let url = "https://keys.example/certs"
        let fixture = try await WebhookFixture { rule in
            var jwt = ProviderWebhookRule.JWTRule(
                source: .header("authorization"), algorithm: "RS256", key: "secret")
            jwt.prefix = "Bearer "
            jwt.keySetURL = url
            rule.verification = .jwt(jwt)
        }
        fixture.base.endpoints.set(url) { request in
            OutboundResponse(
                status: 200, headers: [], body: Array(#"{"keys":[{"kid":"k1","kty":"RSA","n":"AQ","e":"AQAB"}]}"#.utf8),
                url: request.url)
        }
        func token(_ kid: String) -> [(String, String)] {
            let part = Base64.url.encode(Array(#"{"alg":"RS256","kid":"\#(kid)"}"#.utf8))
            return [("authorization", "Bearer \(part).e30.AAAA")]
        }
        func fetched() -> Int { fixture.base.endpoints.requests(to: url).count }

        for _ in 0..<3 {
            #expect(try await fixture.send(WebhookFixture.event(), secret: nil, headers: token("k1")).status == 401)
        }
        #expect(fetched() == 1)
        // Who names a key that is not there makes us ask again, but not at will.
        fixture.base.clock.advance(by: .seconds(61))
        for _ in 0..<3 {
            #expect(try await fixture.send(WebhookFixture.event(), secret: nil, headers: token("k2")).status == 401)
        }
        #expect(fetched() == 2)
        fixture.base.clock.advance(by: .seconds(3601))
        fixture.base.endpoints.set(url, status: 500)
        #expect(try await fixture.send(WebhookFixture.event(), secret: nil, headers: token("k1")).status == 401)
        #expect(fetched() == 3)
        #expect(try await fixture.kept().isEmpty)
    }
}
