import TerapiCore
import Testing

struct CredentialsTests {
    private static let oauth2 = Credentials.oauth2(
        OAuth2Credentials(
            accessToken: Secret("at"),
            refreshToken: Secret("rt"),
            expiresAt: Timestamp(microseconds: 1_700_000_000_000_000),
            scopes: ["a", "b"],
            raw: ["access_token": "at", "refresh_token": "rt", "id_token": "idt", "team": ["bot_token": "bt"]],
            configOverride: .init(clientID: "id", clientSecret: Secret("cs"))
        )
    )

    private static let derived = Credentials.derived(
        DerivedCredentials(
            mode: .twoStep,
            given: ["username": "user-name", "apiSecret": "sec-1", "key": ["id": "kid-1", "secret": "sec-2"]],
            issued: ["token": "tok-1"],
            refreshToken: Secret("ref-1"),
            issuedAt: Timestamp(microseconds: 1_600_000_000_000_000),
            expiresAt: Timestamp(microseconds: 1_700_000_000_000_000),
            raw: ["RefreshToken": "ref-1", "SessionKey": "sec-3", "name": "plain"]
        )
    )

    @Test func `derived ones know every secret in them, and are printed without any`() {
        let secrets = Set(Self.derived.allSecrets.map { $0.reveal() })

        #expect(secrets == ["sec-1", "kid-1", "sec-2", "tok-1", "ref-1", "sec-3"])
        for text in ["\(Self.derived)", String(reflecting: Self.derived)] {
            #expect(!secrets.contains { text.contains($0) })
        }
        #expect(!Self.derived.publicJSON(includesRefreshToken: false).text().contains("ref-1"))
        #expect(Self.derived.lifetime == .seconds(100_000_000))
    }

    @Test func `what was entered once is not stored`() {
        guard case .derived(var derived) = Self.derived else { return }
        derived.once = ["privateKey": "canary"]

        #expect(!Credentials.derived(derived).stored.text().contains("canary"))
        #expect(Credentials.derived(derived).allSecrets.contains(Secret("canary")))
    }

    @Test(arguments: [
        oauth2, .apiKey(Secret("k")), .basic(username: "u", password: Secret("")), .none,
        .oauth2(OAuth2Credentials(accessToken: Secret("only"))),
        .oauth2(
            OAuth2Credentials(
                accessToken: Secret("at"),
                server: .init(issuer: "i", tokenURL: "t", resource: "r", clientAuthentication: "client_secret_basic")
            )
        ),
        .oauth1(OAuth1Credentials(token: Secret("t"), tokenSecret: Secret("s"), raw: ["oauth_token": "t"])),
        .tba(
            OAuth1Credentials(token: Secret("t"), tokenSecret: Secret("s"), configOverride: .init(clientID: "c"))
        ),
        derived,
    ])
    func `come back from the stored form as they were`(credentials: Credentials) throws {
        let stored = try JSONReader.read(credentials.stored.encoded())

        #expect(try Credentials(stored: stored) == credentials)
    }

    @Test func `show the refresh token only to those who may see it`() {
        let shown = Self.oauth2.publicJSON(includesRefreshToken: true)
        let hidden = Self.oauth2.publicJSON(includesRefreshToken: false)

        #expect(shown["refresh_token"] == "rt" && shown["raw"]?["refresh_token"] == "rt")
        #expect(!hidden.text().contains("\"rt\""))
        #expect(hidden["type"] == "OAUTH2" && hidden["access_token"] == "at")
        #expect(hidden["expires_at"] == "2023-11-14T22:13:20.000000+00:00")
    }

    @Test func `know every secret in them`() {
        #expect(Set(Self.oauth2.allSecrets) == Set(["at", "rt", "cs", "idt", "bt"].map { Secret($0) }))
    }

    @Test(arguments: [
        (#"{"access_token":"a"}"#, AuthMode.oauth2, ""), (#"{"type":"API_KEY","apiKey":"k"}"#, .apiKey, ""),
        (#"{"username":"","password":""}"#, .basic, ""), ("{}", .none, ""),
        ("{}", .oauth2, "credentials.access_token"), (#"{"type":"BASIC","apiKey":"k"}"#, .apiKey, "credentials.type"),
        (#"{"apiKey":""}"#, .apiKey, "credentials.apiKey"), (#"{"apiKey":5}"#, .apiKey, "credentials.apiKey"),
        (#"{"apiKey":"k","extra":1}"#, .apiKey, "credentials.extra"),
        (#"{"username":"u"}"#, .basic, "credentials.password"), (#""text""#, .apiKey, "credentials"),
        (#"{"access_token":"a","expires_at":"tomorrow"}"#, .oauth2, "credentials.expires_at"),
        (#"{"type":"OAUTH2","access_token":"a"}"#, .mcpOAuth2, ""),
        (#"{"oauth_token":"t","oauth_token_secret":"s"}"#, .oauth1, ""),
        (#"{"oauth_token":"t"}"#, .oauth1, "credentials.oauth_token_secret"),
        (#"{"token_id":"t","token_secret":"s","config_override":{"client_id":"c"}}"#, .tba, ""),
        (#"{"token_id":"t"}"#, .tba, "credentials.token_secret"),
        (#"{"token":"t","client_id":"c","client_secret":"s"}"#, .oauth2ClientCredentials, ""),
        (#"{"client_id":"c","client_private_key":"k"}"#, .oauth2ClientCredentials, ""),
        (#"{"token":"t","client_id":"c"}"#, .oauth2ClientCredentials, "credentials.client_secret"),
        (#"{"app_id":"1","installation_id":"2"}"#, .app, ""), (#"{"app_id":"1"}"#, .app, "credentials.installation_id"),
    ])
    func `are imported, or refused with the field that is wrong`(text: String, mode: AuthMode, path: String) throws {
        let json = try JSONReader.read(text)
        guard !path.isEmpty else {
            #expect(throws: Never.self) { try Credentials(imported: json, mode: mode, now: Sample.now) }
            return
        }
        let error = #expect(throws: TerapiError.self) { try Credentials(imported: json, mode: mode, now: Sample.now) }

        #expect(error?.code == .invalidBody)
        #expect(error?.issues.contains { $0.path.joined(separator: ".") == path } == true)
    }

    @Test(arguments: [AuthMode.jwt, .bill, .twoStep, .signature, .awsSigV4])
    func `cannot be imported where only a connect session has what is needed`(mode: AuthMode) {
        let error = #expect(throws: TerapiError.self) { try Credentials(imported: [:], mode: mode, now: Sample.now) }

        #expect(error?.code == .invalidBody && error?.message.contains("connect session") == true)
    }
}
