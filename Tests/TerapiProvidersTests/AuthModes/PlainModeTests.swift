import TerapiCore
import TestSupport
import Testing

@testable import TerapiProviders

/// The modes that were there from the beginning, against a server that checks what they show.
@Suite(.timeLimit(.minutes(1)))
struct PlainModeTests {
    private func verify(_ acme: ProviderRequests, _ credentials: Credentials) async throws {
        try await acme.verify(Sample.access("acme", credentials: credentials))
    }

    @Test(arguments: [
        (
            "API_KEY", "headers: {x-key: 'k ${apiKey}'}", Credentials.apiKey(Secret("k-1")),
            Credentials.apiKey(Secret("k-2"))
        ),
        ("API_KEY", "query: {key: '${apiKey}'}", .apiKey(Secret("k-1")), .apiKey(Secret("k-2"))),
        ("BASIC", "", .basic(username: "u:", password: Secret("p")), .basic(username: "u:", password: Secret("q"))),
        ("NONE", "", .none, .apiKey(Secret("k-1"))),
    ])
    func `a mode shows what the server asks for`(mode: String, lines: String, good: Credentials, bad: Credentials)
        async throws
    {
        let server = try await CheckingServer { request in
            let isKnown =
                switch mode {
                case "API_KEY": request.headers["x-key"] == "k k-1" || request.query["key"] == "k-1"
                case "BASIC": request.headers["authorization"] == "Basic dTo6cA=="
                default: request.headers["authorization"] == nil && request.query["a"] == "1"
                }
            return isKnown ? .json("{}") : CheckingServer.unsigned
        }
        let acme = try server.provider(
            "auth_mode: \(mode)\nproxy:\n  base_url: ROOT\n  verification: {endpoints: ['/me?a=1']}\n  \(lines)"
        )

        try await verify(acme, good)

        guard mode != "NONE" else { return }
        let error = await #expect(throws: TerapiError.self) { try await verify(acme, bad) }
        #expect(error?.code == .connectionTestFailed && error?.payload?["status"] == 401)
    }

    /// The odd ways of OAUTH2, each of which the server insists on.
    struct Oddity: Sendable {
        var lines: String
        var isRight: @Sendable (LoopbackServer.Request) -> Bool = { _ in true }
        var answer = #"{"access_token":"tok-1"}"#
        var config: JSONObject = [:]
        var callback: [String: String] = ["code": "c-1"]
        var expected: JSONObject = [:]
    }

    @Test(arguments: [
        Oddity(lines: "body_format: json") { $0.json?["code"] == "c-1" && $0.json?["client_secret"] == "top-secret" },
        Oddity(lines: "body_format: query") { $0.query["code"] == "c-1" && $0.body.isEmpty },
        Oddity(lines: "token_request_auth_method: custom\ntoken_params: {app: '${clientId}', key: '${clientSecret}'}") {
            $0.form["app"] == "client-1" && $0.form["key"] == "top-secret" && $0.form["client_id"] == nil
        },
        Oddity(
            lines: "alternate_access_token_response_path: authed_user",
            answer: #"{"ok":true,"authed_user":{"access_token":"tok-1"}}"#
        ),
        Oddity(
            lines: "redirect_uri_metadata: [realmId]", callback: ["code": "c-1", "realmId": "r-9"],
            expected: ["realmId": "r-9"]
        ),
        Oddity(
            lines: "authorization_code_param_in_callback: spapi_oauth_code", callback: ["spapi_oauth_code": "c-1"]
        ),
        Oddity(
            lines: "token_response_metadata: [instance_url]",
            answer: #"{"access_token":"tok-1","instance_url":"https://eu.example"}"#,
            expected: ["instance_url": "https://eu.example"]
        ),
    ])
    func `OAUTH2 follows the provider's odd ways`(oddity: Oddity) async throws {
        let server = try await CheckingServer { request in
            if request.path == "/me" {
                return request.headers["authorization"] == "Bearer tok-1" ? .json("{}") : CheckingServer.unsigned
            }
            let isRight =
                oddity.isRight(request) && request.path == "/token" && request.text.contains("c-1")
                || request.target.contains("c-1") && oddity.isRight(request)
            return isRight ? .json(oddity.answer) : CheckingServer.refused
        }
        let acme = try server.provider(
            """
            auth_mode: OAUTH2
            authorization_url: ROOT/authorize
            token_url: ROOT/token
            proxy: {base_url: ROOT}
            \(oddity.lines)
            """
        )
        func finish(_ query: [String: String]) async throws -> NewCredentials {
            try await acme.exchange(
                CodeExchange(
                    integration: Sample.integration("acme"), config: oddity.config, redirectURI: "http://r/cb",
                    codeVerifier: Secret("v-1"), callbackQuery: query
                ),
                now: Sample.now
            )
        }

        let new = try await finish(oddity.callback)

        #expect(try await acme.call(new.credentials) == 200)
        #expect(new.config == oddity.expected)
        #expect(new.credentials.expiresAt == nil)
        // The control: the server knows one code.
        let other = oddity.callback.mapValues { $0 == "c-1" ? "x-1" : $0 }
        await #expect(throws: TerapiError.self) { _ = try await finish(other) }
    }

    @Test func `OAUTH2 shows a signed assertion where a secret would do elsewhere`() async throws {
        let key = try TestKey.rsa()
        let server = try await CheckingServer { request in
            guard let claims = request.form["client_assertion"].flatMap(key.verifies), claims["sub"] == "client-1",
                request.form["client_secret"] == nil
            else { return CheckingServer.refused }
            return .json(#"{"access_token":"tok-1"}"#)
        }
        let acme = try server.provider(
            """
            auth_mode: OAUTH2
            authorization_url: ROOT/authorize
            token_url: ROOT/token
            token_request_auth_method: private_key_jwt
            """
        )
        func finish(_ secret: String) async throws {
            _ = try await acme.exchange(
                CodeExchange(
                    integration: Sample.integration("acme", secret: secret), config: [:], redirectURI: "http://r/cb",
                    codeVerifier: nil, callbackQuery: ["code": "c"]
                ),
                now: Sample.now
            )
        }

        try await finish(key.pem)

        let other = try TestKey.rsa().pem
        await #expect(throws: TerapiError.self) { try await finish(other) }
    }

    @Test func `a provider that has a place of its own for the token gets it there only`() async throws {
        let server = try await CheckingServer { request in
            request.query["access_token"] == "tok-1" && request.headers["authorization"] == nil
                ? .json("{}") : CheckingServer.unsigned
        }
        let acme = try server.provider(
            """
            auth_mode: OAUTH2
            authorization_url: ROOT/authorize
            token_url: ROOT/token
            proxy: {base_url: ROOT, query: {access_token: "${accessToken}"}}
            """
        )

        #expect(try await acme.call(.oauth2(OAuth2Credentials(accessToken: Secret("tok-1")))) == 200)
        #expect(try await acme.call(.oauth2(OAuth2Credentials(accessToken: Secret("tok-2")))) == 401)
    }
}
