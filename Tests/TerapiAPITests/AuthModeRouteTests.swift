import HTTPTypes
import Synchronization
import TerapiCore
import Testing

@testable import TerapiAPI

/// The routes of the auth modes beyond OAuth 2, keys and passwords.
struct AuthModeRouteTests {
    @Test(arguments: [
        ("/oauth2/auth", AuthMode.oauth2ClientCredentials), ("/auth/jwt", .jwt), ("/auth/bill", .bill),
        ("/auth/two-step", .twoStep), ("/auth/signature", .signature), ("/auth/aws-sigv4", .awsSigV4),
    ])
    func `hands what was entered to the flow, which knows the provider's form`(path: String, mode: AuthMode)
        async throws
    {
        let world = World()

        let answer = try await world.send(
            .post, "\(path)/keyed", bearer: world.sessionToken,
            body: #"{"user":"u","privateKey":{"id":"i","secret":"typed-canary"},"none":null}"#
        )

        #expect(answer.json == ["providerConfigKey": "keyed", "connectionId": "made-by-flow"])
        let given: JSONObject = ["user": "u", "privateKey": ["id": "i", "secret": "typed-canary"]]
        #expect(
            world.engine.state.withLock { $0.typedIn } == [.derived(DerivedCredentials(mode: mode, given: given))]
        )
    }

    @Test func `keeps what is entered once apart`() async throws {
        let world = World()

        _ = try await world.send(
            .post, "/auth/two-step/keyed", bearer: world.sessionToken,
            body: #"{"user":"u","assertionOption":{"privateKey":"k"}}"#
        )

        guard case .derived(let derived) = world.engine.state.withLock({ $0.typedIn.first }) else {
            Issue.record("nothing arrived")
            return
        }
        #expect(derived.given == ["user": "u"] && derived.once == ["privateKey": "k"])
    }

    @Test func `takes NetSuite's tokens, with a client of their own or without`() async throws {
        let world = World()
        let own = #"{"token_id":"t","token_secret":"s","oauth_client_id_override":"c"}"#

        _ = try await world.send(
            .post, "/auth/tba/keyed", bearer: world.sessionToken, body: #"{"token_id":"t","token_secret":"s"}"#
        )
        _ = try await world.send(.post, "/auth/tba/keyed", bearer: world.sessionToken, body: own)
        let wrong = try await world.send(
            .post, "/auth/tba/keyed", bearer: world.sessionToken, body: #"{"token_id":"","x":1}"#
        )

        let tokens = OAuth1Credentials(token: Secret("t"), tokenSecret: Secret("s"))
        var overridden = tokens
        overridden.configOverride = .init(clientID: "c")
        #expect(world.engine.state.withLock { $0.typedIn } == [.tba(tokens), .tba(overridden)])
        #expect(wrong.paths == [["token_id"], ["token_secret"], ["x"]])
    }

    @Test func `ends an installation where the app's setup URL points`() async throws {
        let world = World()
        world.engine.state.withLock { $0.result = ConnectResult(outcome: .success(connectionID: "c")) }

        let answer = try await world.send(.get, "/app-auth/connect?installation_id=7&setup_action=install&state=abc")

        #expect(answer.status == 200)
        let finished = try #require(world.engine.state.withLock { $0.finished.first })
        #expect(finished.key == nil && finished.query["installation_id"] == "7" && finished.query["state"] == "abc")
    }

    @Test func `shows who we are to servers that read it from a document`() async throws {
        let world = World()
        _ = try await world.send(
            .post, "/integrations", bearer: world.devKey, body: #"{"unique_key":"my mcp","provider":"mcp"}"#
        )

        let document = try await world.send(.get, "/oauth/client-metadata/uuid-dev/my%20mcp")

        #expect(document.status == 200)
        // The client id is the address itself.
        #expect(document.json?["client_id"] == "http://localhost:3003/oauth/client-metadata/uuid-dev/my%20mcp")
        #expect(document.json?["redirect_uris"] == ["http://localhost:3003/oauth/callback/my mcp"])
        #expect(document.json?["token_endpoint_auth_method"] == "none")
        for other in ["uuid-prod/my%20mcp", "uuid-dev/zendesk", "nothing/my%20mcp"] {
            #expect(try await world.send(.get, "/oauth/client-metadata/\(other)").status == 404)
        }
    }

    private static let pem = "-----BEGIN PRIVATE KEY-----\\ncanary\\n-----END PRIVATE KEY-----"

    @Test(arguments: [
        ("first", #"{"type":"OAUTH1","client_id":"i","client_secret":"s"}"#, 200, [[String]]()),
        ("first", #"{"type":"OAUTH2","client_id":"i","client_secret":"s"}"#, 400, [["credentials", "type"]]),
        ("app", #"{"type":"APP","app_id":"1","app_link":"https://h.example/a","private_key":"PEM"}"#, 200, []),
        (
            "app", #"{"type":"APP","client_id":"1"}"#, 400,
            [
                ["credentials", "app_id"], ["credentials", "app_link"], ["credentials", "private_key"],
                ["credentials", "client_id"],
            ]
        ),
        (
            "app", #"{"type":"APP","app_id":"1","app_link":"ftp:x","private_key":"x"}"#, 400,
            [["credentials", "app_link"], ["credentials", "private_key"]]
        ),
        ("keyed", #"{"type":"OAUTH2","client_id":"i","client_secret":"s"}"#, 400, [["credentials", "type"]]),
        ("mcp", #"{"type":"OAUTH2","client_id":"i","client_secret":"s"}"#, 200, []),
    ])
    func `takes an integration's credentials by the mode`(
        provider: String, credentials: String, status: Int, paths: [[String]]
    ) async throws {
        let world = World()
        let credentials = credentials.replacing("PEM", with: Self.pem)

        let answer = try await world.send(
            .post, "/integrations", bearer: world.devKey,
            body: #"{"unique_key":"new","provider":"\#(provider)","credentials":\#(credentials)}"#
        )

        #expect(answer.status == status, "\(answer.body)")
        #expect(answer.paths == paths, "\(answer.body)")
        #expect(!answer.body.contains("canary"))
    }

    @Test func `shows an app's credentials to those who may, and keeps what a change leaves out`() async throws {
        let world = World()
        let made = #"{"type":"APP","app_id":"1","app_link":"https://h.example/a","private_key":"PEM"}"#
        _ = try await world.send(
            .post, "/integrations", bearer: world.devKey,
            body: #"{"unique_key":"new","provider":"app","credentials":\#(made.replacing("PEM", with: Self.pem))}"#
        )

        let changed = try await world.send(
            .patch, "/integrations/new", bearer: world.devKey, body: #"{"credentials":{"type":"APP","app_id":"2"}}"#
        )
        let shown = try await world.send(.get, "/integrations/new?include=credentials", bearer: world.devKey)

        #expect(changed.status == 200, "\(changed.body)")
        let credentials = shown.json?["data"]?["credentials"]
        #expect(credentials?["app_id"] == "2" && credentials?["app_link"] == "https://h.example/a")
        #expect(credentials?["private_key"]?.string?.contains("canary") == true)
        #expect(credentials?["client_secret"] == nil)
        let bare = try await world.send(
            .get, "/integrations/new?include=credentials", bearer: world.key([.readIntegration])
        )
        #expect(!bare.body.contains("canary"))
    }
}
