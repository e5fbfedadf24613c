import HTTPTypes
import Synchronization
import TerapiCore
import Testing

@testable import TerapiAPI

/// The end user's browser: to the provider, back, and the pages that a person sees.
struct BrowserFlowTests {
    /// The name of the cookie of the flow with this state.
    private static func cookie(_ state: String) -> String {
        "terapi_oauth_\(hex(sha256(Array(state.utf8)).prefix(8)))"
    }

    /// Begins at the public host, which the test client does not call itself.
    private func start(_ world: World, _ more: String = "") async throws -> Answer {
        let token = world.sessionToken.text.reveal()
        return try await world.send(
            .get, "/oauth/connect/zendesk?connect_session_token=\(token)&redirected=true\(more)"
        )
    }

    @Test func `sends the browser to the provider with a cookie that scripts cannot read`() async throws {
        let world = World()

        let answer = try await start(
            world,
            "&attempt_id=\(world.attemptID)&params%5Bsubdomain%5D=acme&params%5Bregion%5D=us&user_scope=a,b"
                + "&authorization_params%5Bprompt%5D=login&opener_origin=https%3A%2F%2Fapp.example.com"
        )

        #expect(answer.status == 302)
        #expect(answer.headers[.location] == "https://provider.example/authorize?state=abc")
        #expect(
            answer.headers[.setCookie]
                == "\(Self.cookie("abc"))=browser-canary-abc; Path=/; HttpOnly; SameSite=Lax; Max-Age=600"
        )
        #expect(answer.headers[.cacheControl] == "no-store")
        #expect(!answer.body.contains("canary"))
        let started = try #require(world.engine.state.withLock { $0.started.first })
        #expect(started.attemptID == world.attemptID)
        #expect(started.userScopes == ["a", "b"])
        #expect(started.authorizationParams == ["prompt": "login"])
        #expect(started.openerOrigin == "https://app.example.com")
        #expect(started.config == ["subdomain": "acme", "region": "us"])
    }

    @Test func `uses a cookie that only this very host can set over https`() async throws {
        let world = World(publicURL: "https://terapi.example.com")

        let answer = try await start(world)

        #expect(
            answer.headers[.setCookie]
                == "__Host-\(Self.cookie("abc"))=browser-canary-abc; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=600"
        )
    }

    @Test func `goes to the public host first, once`() async throws {
        let world = World(publicURL: "https://terapi.example.com")

        let token = world.sessionToken.text.reveal()

        let first = try await world.send(.get, "/oauth/connect/zendesk?connect_session_token=\(token)")
        let second = try await start(world)

        #expect(first.status == 302)
        #expect(first.headers[.location]?.hasPrefix("https://terapi.example.com/oauth/connect/zendesk?") == true)
        #expect(first.headers[.location]?.hasSuffix("&redirected=true") == true)
        #expect(first.headers[.setCookie] == nil)
        #expect(second.headers[.location]?.hasPrefix("https://provider.example/") == true)
    }

    @Test func `refuses an integration that the session is not for`() async throws {
        let world = World()
        let token = world.sessionToken.text.reveal()

        let answer = try await world.send(.get, "/oauth/connect/other?connect_session_token=\(token)")

        #expect(answer.status == 403)
        #expect(world.engine.state.withLock { $0.started.isEmpty })
    }

    /// Spellings with which a page that is not allowed tries to pass for one that is.
    static let foreignPages = [
        "https://evil.example", "https://app.example.com.evil.example", "https://evil.example/https://app.example.com",
        "https://evil.example?https://app.example.com", "https://evil.example#https://app.example.com",
        "https://app.example.com@evil.example", "https://app.example.com:443@evil.example",
        "https://app.example.com%40evil.example", "https://app.example.com\\@evil.example",
        "https://evil.example\\app.example.com", "https:\\\\app.example.com", "https:/app.example.com",
        "https:app.example.com", "//app.example.com", "///app.example.com", "/\\app.example.com", "app.example.com",
        "http://app.example.com", "https://app.example.com:8443", "https://app.example.com:",
        "https://app.example.com:0",
        "https://app.example.com:99999", "https://app.example.com:443443", "https://APP.example.com.",
        "https://app.example.com.",
        "https://.app.example.com", "https://xapp.example.com", "https://app-example.com", "https://app.example.co",
        "https://app.example.com\u{0}.evil.example", "https://app.example.com\n.evil.example",
        "https://app.example.com\t",
        "https://app.example.com\r\nSet-Cookie: a=b", " https://app.example.com", "https://app.example.com evil",
        "https://app.example.com<script>", "https://app.example.com\"", "https://app.ex\u{E4}mple.com",
        "https://app.example.com\u{3002}evil.example", "https://\u{FF41}pp.example.com",
        "https://app\u{2024}example.com",
        "https://[::1]", "https://[app.example.com]", "https://127.0.0.1", "https://localhost:3003", "http://localhost",
        "http://localhost:3004", "http://localhost.evil.example:3003", "javascript:alert(1)",
        "JaVaScRiPt://app.example.com/%0a",
        "data:text/html,https://app.example.com", "file:///etc/passwd", "blob:https://app.example.com/x", "null", "*",
        "%",
        "https://", "https:///app.example.com", "https://?app.example.com", "https://#app.example.com",
        "https://user:pass@app.example.com", "https://@app.example.com", "ftp://app.example.com",
        "ws://app.example.com",
        "https://%61pp.example.com", "https://app.example.com%2F@evil.example", "https://app..example.com",
        "https://-app.example.com", "view-source:https://app.example.com", "https://app.example.com{}",
    ]

    @Test(arguments: foreignPages, ["opener_origin", "return_url"])
    func `tells nothing to a page that is not allowed`(page: String, parameter: String) async throws {
        let world = World()

        let answer = try await start(world, "&\(parameter)=\(PercentEncoding.encode(page))")

        #expect(answer.status == 400)
        #expect(answer.headers[.location] == nil)
        #expect(world.engine.state.withLock { $0.started.isEmpty })
    }

    @Test(arguments: [
        "https://app.example.com", "https://app.example.com/", "https://APP.example.com/a?b=c#d",
        "https://app.example.com:443/x",
        "http://localhost:3003/connect/x",
    ])
    func `returns to a page that is allowed`(page: String) async throws {
        let world = World()

        let answer = try await start(world, "&return_url=\(PercentEncoding.encode(page))")

        #expect(answer.status == 302)
        #expect(world.engine.state.withLock { $0.started.first?.returnURL } == page)
    }

    @Test func `passes everything of the callback on with the browser's secret, and clears the cookie`() async throws {
        let world = World()
        world.engine.state.withLock {
            $0.result = ConnectResult(
                outcome: .success(connectionID: "c9"), integrationKey: "zendesk", attemptID: world.attemptID,
                openerOrigin: "https://app.example.com"
            )
        }

        let answer = try await world.send(
            .get, "/oauth/callback/zendesk?code=code-canary&state=s%2B1&iss=https%3A%2F%2Fp",
            headers: HTTPFields([("Cookie", "other=1; \(Self.cookie("s+1"))=browser-canary; x=y")])
        )

        let finished = try #require(world.engine.state.withLock { $0.finished.first })
        #expect(finished.key == "zendesk")
        #expect(finished.query == ["code": "code-canary", "state": "s+1", "iss": "https://p"])
        #expect(finished.secret == "browser-canary")
        #expect(answer.status == 200)
        #expect(answer.headers[.setCookie] == "\(Self.cookie("s+1"))=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
        #expect(answer.body.contains("You are connected"))
        #expect(answer.body.contains("https://app.example.com"))
        #expect(answer.body.contains("c9"))
        #expect(!answer.body.contains("canary"))
    }

    @Test func `names no opener when none was registered`() async throws {
        let world = World()
        world.engine.state.withLock { $0.result = ConnectResult(outcome: .success(connectionID: "c9")) }

        let answer = try await world.send(.get, "/oauth/callback?code=1&state=2")

        #expect(answer.body.contains("&quot;origin&quot;:null"))
        #expect(world.engine.state.withLock { $0.finished.first?.key } == .some(nil))
    }

    @Test func `does not use an answer that names a parameter twice`() async throws {
        let world = World()

        let answer = try await world.send(.get, "/oauth/callback/zendesk?code=a&code=b&state=c")

        #expect(answer.status == 400)
        #expect(world.engine.state.withLock { $0.finished.isEmpty })
        #expect(answer.body.contains("url_param_err"))
    }

    @Test func `two flows at once in one browser do not end each other`() async throws {
        let world = World()
        var jar: [String] = []
        for state in ["abc", "def"] {
            world.engine.state.withLock { $0.nextState = state }
            let begun = try await start(world)
            let cookie = try #require(begun.headers[.setCookie]?.split(separator: ";").first.map(String.init))
            // A browser replaces a cookie of the same name.
            jar.removeAll { $0.prefix { $0 != "=" } == cookie.prefix { $0 != "=" } }
            jar.append(cookie)
        }
        world.engine.state.withLock { $0.result = ConnectResult(outcome: .success(connectionID: "c9")) }

        let older = try await world.send(
            .get, "/oauth/callback?code=1&state=abc", headers: HTTPFields([("Cookie", jar.joined(separator: "; "))])
        )
        jar.removeAll { older.headers[.setCookie]?.hasPrefix($0.prefix { $0 != "=" } + "=;") == true }
        _ = try await world.send(
            .get, "/oauth/callback?code=2&state=def", headers: HTTPFields([("Cookie", jar.joined(separator: "; "))])
        )

        let secrets = world.engine.state.withLock { $0.finished.map(\.secret) }
        #expect(secrets == ["browser-canary-abc", "browser-canary-def"])
    }

    @Test(arguments: [
        "\(cookie("c"))=a; \(cookie("c"))=b", "X\(cookie("c"))=a", "\(cookie("c"))2=a", "", "__Host-\(cookie("c"))=a",
        "\(cookie("b"))=a", "terapi_oauth=a",
    ])
    func `takes the cookie only when it is there once`(cookie: String) async throws {
        let world = World()

        _ = try await world.send(.get, "/oauth/callback?state=c", headers: HTTPFields([("Cookie", cookie)]))

        #expect(world.engine.state.withLock { $0.finished.first?.secret } == .some(nil))
    }

    @Test func `says plainly what happened, and escapes what a provider says`() async throws {
        let world = World()
        world.engine.state.withLock {
            $0.result = ConnectResult(
                outcome: .failure(type: "callback_err", message: "<script>alert(1)</script> said 'no' & \"never\""),
                openerOrigin: "https://app.example.com"
            )
        }

        let answer = try await world.send(.get, "/oauth/callback/zendesk?error=access_denied&state=x")

        #expect(answer.status == 400)
        #expect(answer.body.contains("The connection was not made"))
        #expect(answer.body.contains("&lt;script&gt;alert(1)&lt;/script&gt;"))
        #expect(!answer.body.contains("<script>alert"))
        #expect(answer.body.contains("give this number"))
    }

    @Test(arguments: [
        ("https://app.example.com/done", "https://app.example.com/done?status=success&connection_id=c%209%26x%3D1"),
        ("https://app.example.com/?a=b#c", "https://app.example.com/?a=b&status=success&connection_id=c%209%26x%3D1#c"),
    ])
    func `goes back to the page that sent the browser`(page: String, expected: String) async throws {
        let world = World()
        world.engine.state.withLock {
            $0.result = ConnectResult(outcome: .success(connectionID: "c 9&x=1"), returnURL: page)
        }

        let answer = try await world.send(.get, "/oauth/callback/zendesk?code=1&state=2")

        #expect(answer.status == 302)
        #expect(answer.headers[.location] == expected)
    }

    @Test func `tells the page that waits why it could not begin`() async throws {
        let world = World()
        world.engine.state.withLock {
            $0.beginFailure = TerapiError(
                .invalidBody, "A field is missing.",
                issues: [TerapiError.Issue(code: "x", message: "Required.", path: ["subdomain"])]
            )
        }

        let popup = try await start(world, "&opener_origin=https%3A%2F%2Fapp.example.com")
        let redirect = try await start(world, "&return_url=https%3A%2F%2Fapp.example.com%2Fx")

        #expect(popup.status == 400)
        #expect(popup.body.contains("A field is missing. subdomain: Required."))
        #expect(redirect.headers[.location] == "https://app.example.com/x?status=error&error_type=invalid_body")
    }

    @Test func `takes typed-in credentials and shows them to nobody`() async throws {
        let world = World()

        let key = try await world.send(
            .post, "/api-auth/api-key/keyed?connection_id=mine&params%5Bhost%5D=x", bearer: world.sessionToken,
            body: #"{"apiKey":"typed-canary"}"#
        )
        let empty = try await world.send(
            .post, "/api-auth/api-key/keyed", bearer: world.sessionToken, body: #"{"apiKey":""}"#
        )
        let basic = try await world.send(
            .post, "/api-auth/basic/keyed", bearer: world.sessionToken, body: #"{"username":"u"}"#
        )

        #expect(key.json == ["providerConfigKey": "keyed", "connectionId": "mine"])
        #expect(empty.paths == [["apiKey"]])
        #expect(basic.status == 200)
        #expect(
            world.engine.state.withLock { $0.typedIn }
                == [.apiKey(Secret("typed-canary")), .basic(username: "u", password: Secret(""))]
        )
    }

    // MARK: - The connect page

    @Test func `shows what can be connected, and no secret`() async throws {
        let world = World()

        let answer = try await world.send(.get, "/connect/\(world.sessionToken.text.reveal())")

        #expect(answer.status == 200)
        #expect(answer.headers[.contentType] == "text/html; charset=utf-8")
        #expect(answer.body.contains("Zendesk dev-canary"))
        #expect(answer.body.contains("Keyed &lt;b&gt;"))
        #expect(answer.body.contains("Your subdomain"))
        #expect(!answer.body.contains("client-secret-canary"))
        #expect(!answer.body.contains(world.sessionToken.text.reveal()))
        #expect(answer.headers[.referrerPolicy] == "no-referrer")
        #expect(answer.headers[.cacheControl] == "no-store")
        let policy = try #require(answer.headers[.contentSecurityPolicy])
        #expect(policy.contains("default-src 'none'"))
        #expect(policy.contains("frame-ancestors https://app.example.com"))
        #expect(!policy.contains("unsafe"))
    }

    @Test func `runs nothing that stands in the page itself`() async throws {
        let world = World()
        let page = try await world.send(.get, "/connect/\(world.sessionToken.text.reveal())").body
        let result = try await world.send(.get, "/oauth/callback?state=x").body

        for text in [page, result] {
            #expect(!text.contains("<style"))
            #expect(!text.contains("style="))
            #expect(!text.contains("onclick"))
            #expect(text.ranges(of: "<script").count == text.ranges(of: "src=\"/connect/assets/").count)
        }
    }

    @Test(arguments: ["terapi_connect_session_0", "x", "terapi_connect_session_" + String(repeating: "0", count: 64)])
    func `tells a person that a link has expired`(token: String) async throws {
        let answer = try await World().send(.get, "/connect/\(token)")

        #expect(answer.status == 401)
        #expect(answer.body.contains("This link has expired"))
        #expect(answer.headers[.contentSecurityPolicy]?.contains("frame-ancestors 'none'") == true)
    }

    @Test(arguments: ["connect.css", "connect.js", "result.js"])
    func `serves its files`(name: String) async throws {
        let answer = try await World().send(.get, "/connect/assets/\(name)")

        #expect(answer.status == 200)
        #expect(answer.body.count > 100)
        #expect(answer.headers[.xContentTypeOptions] == "nosniff")
    }

    @Test func `posts messages to named origins only`() async throws {
        for name in ["connect.js", "result.js"] {
            let script = try await World().send(.get, "/connect/assets/\(name)").body

            #expect(script.contains("postMessage("))
            #expect(!script.contains("'*'"))
            #expect(!script.contains("\"*\""))
            #expect(!script.contains("innerHTML"))
        }
    }
}
