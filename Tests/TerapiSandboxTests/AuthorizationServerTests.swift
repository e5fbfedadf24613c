import TerapiCore
import Testing

@testable import TerapiSandbox

struct AuthorizationServerTests {
    private let clock = TestClock()
    private let options = SandboxOptions()
    private let statistics = SandboxStatistics()
    private let server: AuthorizationServer
    private let client: AuthorizationServer.ClientProof
    private let redirectURI = "http://localhost:3003/oauth/callback"

    init() {
        server = AuthorizationServer(options: options, statistics: statistics)
        client = .init(id: options.clientID, secret: options.clientSecret)
    }

    @Test
    func `trades a code with its verifier for tokens that the API accepts`() throws {
        let pair = try redeem(try approvedCode())

        #expect(server.accepts(accessToken: pair.accessToken, at: clock.now))
    }

    @Test
    func `computes the challenge of RFC 7636, appendix B`() {
        let challenge = AuthorizationServer.challenge(for: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")

        #expect(challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
    }

    @Test
    func `refuses a wrong verifier and uses the code up`() throws {
        let code = try approvedCode()

        #expect(throws: AuthorizationServer.Refusal.self) { try redeem(code, verifier: "wrong") }
        #expect(throws: AuthorizationServer.Refusal.self) { try redeem(code) }
    }

    @Test
    func `a code that comes twice revokes the tokens of its first use`() throws {
        let code = try approvedCode()
        let pair = try redeem(code)

        #expect(throws: AuthorizationServer.Refusal.self) { try redeem(code) }
        #expect(!server.accepts(accessToken: pair.accessToken, at: clock.now))
    }

    @Test
    func `refuses a code after a minute`() throws {
        let code = try approvedCode()

        clock.advance(by: .seconds(60))

        #expect(throws: AuthorizationServer.Refusal.self) { try redeem(code) }
    }

    @Test
    func `access tokens end with their lifetime`() throws {
        let pair = try redeem(try approvedCode())

        clock.advance(by: .seconds(59))
        #expect(server.accepts(accessToken: pair.accessToken, at: clock.now))
        clock.advance(by: .seconds(1))
        #expect(!server.accepts(accessToken: pair.accessToken, at: clock.now))
    }

    @Test
    func `each refresh gives a new refresh token`() throws {
        var pair = try redeem(try approvedCode())

        for _ in 0..<20 {
            let next = try server.refresh(pair.refreshToken, client: client, at: clock.now)
            #expect(next.refreshToken != pair.refreshToken)
            pair = next
        }
        #expect(server.accepts(accessToken: pair.accessToken, at: clock.now))
    }

    @Test
    func `a refresh token that comes twice revokes the newest tokens too`() throws {
        let first = try redeem(try approvedCode())
        let second = try server.refresh(first.refreshToken, client: client, at: clock.now)

        #expect(throws: AuthorizationServer.Refusal.self) {
            try server.refresh(first.refreshToken, client: client, at: clock.now)
        }
        #expect(throws: AuthorizationServer.Refusal.self) {
            try server.refresh(second.refreshToken, client: client, at: clock.now)
        }
        #expect(!server.accepts(accessToken: second.accessToken, at: clock.now))
        #expect(statistics.json["reuse"]?.int == 1)
    }

    @Test(arguments: [false, true])
    func `tells of a token that comes twice whether the tokens given for it have come`(isAnswerSeen: Bool) throws {
        let first = try redeem(try approvedCode())
        let usedAt = clock.now
        let second = try server.refresh(first.refreshToken, client: client, at: usedAt)
        if isAnswerSeen { #expect(server.accepts(accessToken: second.accessToken, at: clock.now)) }
        clock.advance(by: .seconds(5))

        #expect(throws: AuthorizationServer.Refusal.self) {
            try server.refresh(first.refreshToken, client: client, at: clock.now)
        }
        #expect(statistics.json["reuses"] == [["used_at": JSONValue(usedAt), "answer_seen": .bool(isAnswerSeen)]])
    }

    @Test
    func `refuses an application with a wrong secret`() throws {
        let code = try approvedCode()

        #expect(throws: AuthorizationServer.Refusal.invalidClient) {
            try server.redeem(
                code: code,
                verifier: "verifier",
                redirectURI: redirectURI,
                client: .init(id: options.clientID, secret: Secret("wrong")),
                at: clock.now
            )
        }
    }

    private func approvedCode() throws -> String {
        let request = try AuthorizationRequest(
            parameters: [
                "client_id": options.clientID, "redirect_uri": redirectURI, "response_type": "code",
                "code_challenge": AuthorizationServer.challenge(for: "verifier"), "code_challenge_method": "S256",
            ],
            options: options
        )
        return server.approve(request, at: clock.now)
    }

    private func redeem(_ code: String, verifier: String = "verifier") throws -> AuthorizationServer.TokenPair {
        try server.redeem(
            code: code,
            verifier: verifier,
            redirectURI: redirectURI,
            client: client,
            at: clock.now
        )
    }
}
