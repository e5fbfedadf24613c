import TerapiCore
import Testing

@testable import TerapiProviders

struct OAuth2Tests {
    private func authorization(
        _ provider: String = "zendesk",
        config: JSONObject = ["subdomain": "acme"],
        scopes: [String] = ["read", "write"],
        params: [String: String] = [:],
        extra: String? = nil
    ) async throws -> String {
        try await Sample.requests(FakeClient(), extra: extra).beginAuthorization(
            AuthorizationRequest(
                integration: Sample.integration(provider, scopes: scopes),
                config: config,
                redirectURI: "http://localhost:3003/oauth/callback/zendesk",
                state: "state-1",
                codeVerifier: Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
                authorizationParams: params
            )
        ).url
    }

    private func acme(_ lines: String) -> String {
        """
        display_name: Acme
        categories: [crm]
        docs: x
        auth_mode: OAUTH2
        authorization_url: https://a.example/auth
        token_url: https://a.example/token
        \(lines)
        """
    }

    @Test func `sends the browser with state, scopes and the challenge of RFC 7636`() async throws {
        let url = try await authorization()

        #expect(
            url == "https://acme.zendesk.com/oauth/authorizations/new?response_type=code&client_id=client-1"
                + "&redirect_uri=http%3A%2F%2Flocalhost%3A3003%2Foauth%2Fcallback%2Fzendesk&scope=read%20write&state=state-1"
                + "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
        )
        #expect(!url.contains("top-secret"))
    }

    @Test(arguments: [
        ("disable_pkce: true", "code_challenge", false), ("scope_separator: ','", "scope=read%2Cwrite", true),
        ("default_scopes: [offline]", "scope=offline%20read%20write", true),
        ("authorization_params: {prompt: consent}", "&prompt=consent", true),
        ("authorization_params: {resource: '${connectionConfig.none}'}", "resource", false),
        ("authorization_params: {response_type: ''}\nauthorization_url_skip_empty: true", "response_type", false),
        ("authorization_url_replacements: {'response_type=code&': ''}", "response_type", false),
        ("authorization_url_fragment: /oauth", "https://a.example/auth#/oauth?response_type", true),
        ("scope_separator: '+'\nauthorization_url_skip_encode: [scopes]", "scope=read+write", true),
    ])
    func `follows the provider's ways`(lines: String, part: String, isThere: Bool) async throws {
        #expect(try await authorization("acme", extra: acme(lines)).contains(part) == isThere)
    }

    @Test(arguments: ["state", "redirect_uri", "client_id", "code_challenge", "response_type", "code_challenge_method"])
    func `nobody else sets what binds the answer to the flow`(name: String) async {
        let error = await #expect(throws: TerapiError.self) { try await authorization(params: [name: "evil"]) }

        #expect(error?.code == .invalidBody)
    }

    @Test(arguments: ["", "evil.example/", "a.b", "-x"])
    func `asks for a subdomain that fits`(subdomain: String) async {
        let error = await #expect(throws: TerapiError.self) {
            try await authorization(config: ["subdomain": .string(subdomain)])
        }

        #expect(error?.code == .invalidBody)
        #expect(error?.issues.first?.path == ["connection_config", "subdomain"])
    }

    private func exchange(
        _ client: FakeClient,
        _ provider: String = "zendesk",
        query: [String: String] = ["code": "code-1"],
        extra: String? = nil
    )
        async throws -> NewCredentials
    {
        try await Sample.requests(client, extra: extra).exchange(
            CodeExchange(
                integration: Sample.integration(provider),
                config: ["subdomain": "acme"],
                redirectURI: "http://r/cb",
                codeVerifier: Secret("verifier-1"),
                callbackQuery: query
            ),
            now: Sample.now
        )
    }

    @Test func `exchanges the code`() async throws {
        let client = FakeClient(#"{"access_token":"at","refresh_token":"rt","expires_in":1800,"scope":"read write"}"#)

        let new = try await exchange(client)

        let request = try #require(client.requests.first)
        #expect(request.url == "https://acme.zendesk.com/oauth/tokens")
        #expect(
            request.text == "grant_type=authorization_code&code=code-1&redirect_uri=http%3A%2F%2Fr%2Fcb"
                + "&code_verifier=verifier-1&expires_in=1800&client_id=client-1&client_secret=top-secret"
        )
        #expect(request.purpose == .token && request.timeout == .seconds(15))
        guard case .never = request.redirects, case .oauth2(let tokens) = new.credentials else {
            Issue.record("redirects or credentials")
            return
        }
        #expect(tokens.accessToken == Secret("at") && tokens.refreshToken == Secret("rt"))
        #expect(tokens.expiresAt == Sample.now + .seconds(1800))
        #expect(tokens.scopes == ["read", "write"])
    }

    @Test func `authenticates by header and writes JSON where the provider wants it`() async throws {
        let client = FakeClient(#"{"access_token":"at","workspace_id":"w-1"}"#)

        let new = try await exchange(client, "notion")

        let request = try #require(client.requests.first)
        #expect(request.header("authorization") == "Basic Y2xpZW50LTE6dG9wLXNlY3JldA==")
        #expect(request.header("content-type") == "application/json")
        #expect(!request.text.contains("top-secret") && request.text.hasPrefix("{"))
        #expect(new.config == ["workspace_id": "w-1"])
    }

    @Test(arguments: [
        ("access_token=gho_1&scope=repo%2Cgist&token_type=bearer", "gho_1", nil as Int64?),
        (#"{"access_token":"a","expires_in":"60"}"#, "a", 60), (#"{"access_token":"a","expires_in":60.5}"#, "a", 60),
        (#"{"access_token":"a","expires_in":0}"#, "a", nil), (#"{"access_token":"a","expires_in":null}"#, "a", nil),
        (#"{"access_token":"a","expires_at":1700000060}"#, "a", 60),
        (#"{"access_token":"a","expires_at":"2023-11-14T22:14:20Z"}"#, "a", 60),
        (#"{"access_token":"a","expires_in":1e300}"#, "a", 10_000_000_000),
    ])
    func `reads the answers that providers give`(body: String, token: String, life: Int64?) async throws {
        let new = try await exchange(FakeClient(body), "github")

        guard case .oauth2(let tokens) = new.credentials else {
            Issue.record("no tokens")
            return
        }
        #expect(tokens.accessToken == Secret(token))
        #expect(tokens.expiresAt?.unixSeconds == life.map { Sample.now.unixSeconds + $0 })
    }

    @Test func `finds a token that stands elsewhere and takes metadata along`() async throws {
        let client = FakeClient(#"{"ok":true,"authed_user":{"access_token":"xoxp"},"team":{"id":"T1"}}"#)
        let lines =
            "alternate_access_token_response_path: authed_user\ntoken_response_metadata: [team.id]\nredirect_uri_metadata: [shop]"

        let new = try await exchange(client, "acme", query: ["code": "c", "shop": "s"], extra: acme(lines))

        guard case .oauth2(let tokens) = new.credentials else {
            Issue.record("no tokens")
            return
        }
        #expect(tokens.accessToken == Secret("xoxp"))
        #expect(new.config == ["team.id": "T1", "shop": "s"])
    }

    @Test(arguments: [
        (
            ["error": "access_denied", "error_description": "The person said no"], 200, "{}",
            "access_denied: The person said no"
        ),
        (["state": "x"], 200, "{}", "without a code"),
        (
            ["code": "c"], 400,
            #"{"error":"invalid_grant","error_description":"code code-1 was used with top-secret"}"#, "invalid_grant"
        ),
        (["code": "c"], 200, #"{"error":"bad_verification_code"}"#, "bad_verification_code"),
        (["code": "c"], 500, "<html>top-secret</html>", "it answered 500"),
        (["code": "c"], 200, #"{"ok":false,"error":"invalid_code"}"#, "invalid_code"),
    ])
    func `says what the provider said, without secrets`(
        query: [String: String],
        status: Int,
        body: String,
        part: String
    ) async throws {
        let error = await #expect(throws: TerapiError.self) {
            _ = try await exchange(FakeClient(status: status, body), "github", query: query)
        }

        #expect(error?.code == .providerError)
        #expect(error?.message.contains(part) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("top-secret") == false)
    }

    // MARK: Refresh

    @Test func `a refresh sends the refresh token and brings the answer unread`() async throws {
        let client = FakeClient("not even JSON")

        let reply = await (try Sample.requests(client)).sendRefresh(
            Sample.access("zendesk", config: ["subdomain": "acme"], credentials: Sample.tokens)
        )

        guard case .answer(let answer) = reply else {
            Issue.record("\(reply)")
            return
        }
        #expect(answer.body == Array("not even JSON".utf8))
        #expect(
            client.requests.first?.text == "grant_type=refresh_token&refresh_token=old-refresh&expires_in=1800"
                + "&client_id=client-1&client_secret=top-secret"
        )
    }

    @Test func `a refresh goes to the refresh URL and uses the connection's own client`() async throws {
        let client = FakeClient()
        var tokens = OAuth2Credentials(accessToken: Secret("a"), refreshToken: Secret("r"))
        tokens.configOverride = .init(clientID: "own", clientSecret: Secret("own-secret"))

        _ = await (try Sample.requests(client)).sendRefresh(Sample.access("figma", credentials: .oauth2(tokens)))

        #expect(client.requests.first?.url == "https://api.figma.com/v1/oauth/refresh")
        #expect(client.requests.first?.header("authorization") == "Basic b3duOm93bi1zZWNyZXQ=")
    }

    @Test(arguments: [
        (OutboundFailure.Outcome.notSent, TerapiError.Code.providerUnreachable, true),
        (.unknown, .providerUnreachable, false),
        (.unknown, .providerError, false), (.notSent, .outboundRefused, true),
    ])
    func `knows whether a refresh has left`(outcome: OutboundFailure.Outcome, code: TerapiError.Code, isNotSent: Bool)
        async throws
    {
        let client = FakeClient { _ in throw TerapiError(code, "x", cause: OutboundFailure(outcome, "x")) }

        let reply = await (try Sample.requests(client)).sendRefresh(
            Sample.access("zendesk", config: ["subdomain": "acme"], credentials: Sample.tokens)
        )

        switch reply {
        case .notSent: #expect(isNotSent)
        case .unknown: #expect(!isNotSent)
        case .answer: Issue.record("an answer")
        }
    }

    @Test func `a refresh that cannot be written is not sent`() async throws {
        let client = FakeClient()

        let reply = await (try Sample.requests(client)).sendRefresh(
            Sample.access("zendesk", credentials: Sample.tokens)
        )

        guard case .notSent = reply else {
            Issue.record("\(reply)")
            return
        }
        #expect(client.requests.isEmpty)
    }

    enum Class: String, Sendable { case refreshed, invalidGrant, invalidClient, retryLater }

    @Test(arguments: [
        (200, #"{"access_token":"a"}"#, Class.refreshed),
        (201, #"{"access_token":"a","refresh_token":"b"}"#, .refreshed),
        (200, "access_token=a&expires_in=3600", .refreshed), (200, #"{"access_token":""}"#, .retryLater),
        (200, "{}", .retryLater), (200, "", .retryLater), (200, "<html>maintenance</html>", .retryLater),
        (200, #"["access_token"]"#, .retryLater), (200, #"{"access_token":5}"#, .retryLater),
        (200, #"{"error":"bad_refresh_token"}"#, .invalidGrant),
        (200, #"{"ok":false,"error":"invalid_refresh_token"}"#, .invalidGrant),
        (200, #"{"ok":false,"error":"token_revoked"}"#, .invalidGrant),
        (400, #"{"error":"invalid_grant"}"#, .invalidGrant),
        (401, #"{"error":"invalid_grant"}"#, .invalidGrant), (403, #"{"error":"invalid_grant"}"#, .invalidGrant),
        (400, "error=invalid_grant&error_description=x", .invalidGrant),
        (400, #"{"error":{"code":"invalid_grant","message":"x"}}"#, .invalidGrant),
        (500, #"{"error":"invalid_grant"}"#, .retryLater), (503, #"{"error":"invalid_grant"}"#, .retryLater),
        (429, #"{"error":"invalid_grant"}"#, .retryLater), (400, #"{"error":"invalid_client"}"#, .invalidClient),
        (401, #"{"error":"invalid_client"}"#, .invalidClient), (401, "", .invalidClient),
        (401, "<html>", .invalidClient),
        (400, #"{"error":"unauthorized_client"}"#, .invalidClient),
        (200, #"{"error":"incorrect_client_credentials"}"#, .invalidClient),
        (400, #"{"error":"invalid_request"}"#, .retryLater), (400, #"{"error":"unsupported_grant_type"}"#, .retryLater),
        (400, #"{"error":"invalid_scope"}"#, .retryLater), (400, #"{"error":"temporarily_unavailable"}"#, .retryLater),
        (400, "", .retryLater), (400, "Bad Request", .retryLater), (400, #"{"message":"invalid_grant"}"#, .retryLater),
        (403, "", .retryLater), (403, "<html>blocked invalid_grant</html>", .retryLater), (404, "{}", .retryLater),
        (302, "", .retryLater), (500, "", .retryLater), (502, "<html>", .retryLater), (504, "", .retryLater),
        (429, "", .retryLater), (200, #"{"access_token":"a""#, .retryLater),
    ])
    func `sorts the answers to a refresh`(status: Int, body: String, expected: Class) throws {
        let access = Sample.access("github", credentials: Sample.tokens)
        let answer = RefreshAnswer(status: status, contentType: "", retryAfter: "7", body: Array(body.utf8))

        let found: Class =
            switch try Sample.requests(FakeClient()).readRefresh(answer, access: access, now: Sample.now) {
            case .refreshed: .refreshed
            case .invalidGrant: .invalidGrant
            case .invalidClient: .invalidClient
            case .retryLater: .retryLater
            }

        #expect(found == expected)
    }

    @Test func `keeps the old refresh token when none comes, and takes a new one`() throws {
        let requests = try Sample.requests(FakeClient())
        let access = Sample.access("github", credentials: Sample.tokens)
        func read(_ body: String) -> OAuth2Credentials? {
            let answer = RefreshAnswer(status: 200, contentType: "", retryAfter: nil, body: Array(body.utf8))
            guard case .refreshed(let new) = requests.readRefresh(answer, access: access, now: Sample.now),
                case .oauth2(let tokens) = new.credentials
            else { return nil }
            return tokens
        }

        #expect(read(#"{"access_token":"n"}"#)?.refreshToken == Secret("old-refresh"))
        #expect(read(#"{"access_token":"n","refresh_token":""}"#)?.refreshToken == Secret("old-refresh"))
        #expect(read(#"{"access_token":"n","refresh_token":"r2"}"#)?.refreshToken == Secret("r2"))
        #expect(read(#"{"access_token":"n"}"#)?.scopes == ["read"])
        #expect(read(#"{"access_token":"n"}"#)?.expiresAt == nil)
    }

    @Test func `no refusal shows what was sent`() throws {
        let access = Sample.access("github", credentials: Sample.tokens)
        let body = #"{"error":"invalid_grant","error_description":"token old-refresh of top-secret is unknown"}"#
        let answer = RefreshAnswer(status: 400, contentType: "", retryAfter: nil, body: Array(body.utf8))

        guard
            case .invalidGrant(let text) = try Sample.requests(FakeClient()).readRefresh(
                answer,
                access: access,
                now: Sample.now
            )
        else {
            Issue.record("another class")
            return
        }

        #expect(text == "invalid_grant: token *** of *** is unknown")
    }
}
