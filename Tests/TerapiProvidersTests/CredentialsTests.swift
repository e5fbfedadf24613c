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

    @Test(arguments: [
        oauth2, .apiKey(Secret("k")), .basic(username: "u", password: Secret("")), .none,
        .oauth2(OAuth2Credentials(accessToken: Secret("only"))),
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
}
