import TerapiCore
import Testing

@testable import TerapiProviders

struct ConnectionRequestTests {
    private func send(
        _ request: ScriptRequest,
        _ provider: String = "github",
        config: JSONObject = [:],
        credentials: Credentials = Sample.tokens,
        custom: JSONObject = [:],
        extra: String? = nil
    ) async throws -> OutboundRequest {
        let client = FakeClient()
        _ = try await Sample.requests(client, extra: extra).send(
            request,
            access: Sample.access(provider, config: config, credentials: credentials, custom: custom)
        )
        return try #require(client.requests.first)
    }

    private func get(_ endpoint: String, base: String? = nil, headers: [(name: String, value: String)] = [])
        -> ScriptRequest
    {
        ScriptRequest(method: "get", endpoint: endpoint, baseURLOverride: base, headers: headers)
    }

    @Test(arguments: [
        ("/user", "https://api.github.com/user"), ("user", "https://api.github.com/user"),
        ("", "https://api.github.com"),
        ("//evil.example/x", "https://api.github.com/evil.example/x"), ("/a?x=1", "https://api.github.com/a?x=1"),
        ("https://api.github.com/repos?page=2", "https://api.github.com/repos?page=2"),
        ("https://api.github.com:443/x", "https://api.github.com:443/x"),
        ("@evil.example/", "https://api.github.com/@evil.example/"),
        (".evil.example/", "https://api.github.com/.evil.example/"),
        (":80@evil.example/", "https://api.github.com/:80@evil.example/"),
    ])
    func `stays at the provider's origin`(endpoint: String, expected: String) async throws {
        let request = try await send(get(endpoint))

        #expect(request.url == expected)
        #expect(request.header("authorization") == "Bearer old-access")
        #expect(request.method == "GET")
    }

    @Test(arguments: [
        "https://evil.example/", "http://api.github.com/", "https://api.github.com:8443/",
        "https://api.github.com@evil.example/",
        "https://api.github.com.evil.example/", "HTTPS://evil.example", "https://api.github.com\\@evil.example/",
    ])
    func `sends no credentials to another origin`(endpoint: String) async throws {
        let error = await #expect(throws: TerapiError.self) { _ = try await send(get(endpoint)) }

        #expect(error?.code == .outboundRefused)
    }

    @Test func `another base URL is the caller's own decision`() async throws {
        let request = try await send(get("/x", base: "https://uploads.github.com/"))

        #expect(request.url == "https://uploads.github.com/x")
        #expect(request.header("authorization") == "Bearer old-access")
    }

    @Test func `an uncontrolled fetch has no credentials`() async throws {
        let request = try await send(
            ScriptRequest(method: "GET", endpoint: "https://other.example/a", query: [("q", "1")], isAuthorized: false)
        )

        #expect(request.url == "https://other.example/a?q=1")
        #expect(request.headers.isEmpty)
    }

    @Test func `query parameters replace those of the endpoint`() async throws {
        let request = try await send(
            ScriptRequest(method: "GET", endpoint: "/a?page=1&keep=x%20y", query: [("page", "2"), ("f[a]", "ü &")])
        )

        #expect(request.url == "https://api.github.com/a?keep=x%20y&page=2&f%5Ba%5D=%C3%BC%20%26")
    }

    @Test func `the caller's headers win`() async throws {
        let request = try await send(get("/a", headers: [("Accept", "text/plain"), ("AUTHORIZATION", "token x")]))

        #expect(request.headers.filter { $0.name == "accept" }.map(\.value) == ["text/plain"])
        #expect(request.headers.filter { $0.name == "authorization" }.map(\.value) == ["token x"])
    }

    private struct Case: Sendable {
        var provider: String
        var config: JSONObject
        var credentials: Credentials
        var header: String?
        var url: String
    }

    private static let cases = [
        Case(
            provider: "freshdesk",
            config: ["subdomain": "acme"],
            credentials: .basic(username: "key", password: Secret("")),
            header: "authorization: Basic a2V5Olg=",
            url: "https://acme.freshdesk.com/x"
        ),
        Case(
            provider: "sendgrid",
            config: [:],
            credentials: .apiKey(Secret("SG.1")),
            header: "authorization: Bearer SG.1",
            url: "https://api.sendgrid.com/x"
        ),
        Case(
            provider: "shopify",
            config: ["subdomain": "shop"],
            credentials: Sample.tokens,
            header: "x-shopify-access-token: old-access",
            url: "https://shop.myshopify.com/x"
        ),
        Case(
            provider: "trello",
            config: ["key": "k 1"],
            credentials: .apiKey(Secret("t&1")),
            header: nil,
            url: "https://api.trello.com/x?key=k%201&token=t%261"
        ),
    ]

    @Test(arguments: cases)
    private func `authorises as the provider wants it`(expected: Case) async throws {
        let request = try await send(
            get("/x"),
            expected.provider,
            config: expected.config,
            credentials: expected.credentials
        )

        #expect(request.headers.map { "\($0.name): \($0.value)" } == [expected.header].compactMap(\.self))
        #expect(request.url == expected.url)
    }

    @Test func `a provider's own token header takes the place of the usual one`() async throws {
        let request = try await send(get("/x"), "shopify", config: ["subdomain": "shop"])

        #expect(request.header("authorization") == nil)
    }

    @Test func `the generic providers take their ways from the integration`() async throws {
        let base: JSONObject = ["base_url": "https://api.any.example/v2/"]
        let key = Credentials.apiKey(Secret("k"))

        let header = try await send(
            get("/x"),
            "api-key-header-generic",
            credentials: key,
            custom: base.merging(["header": "X-Key"])
        )
        let query = try await send(
            get("/x"),
            "api-key-query-generic",
            credentials: key,
            custom: base.merging(["parameter": "key"])
        )
        let basic = try await send(
            get("/x"),
            "basic-generic",
            credentials: .basic(username: "u", password: Secret("p")),
            custom: base
        )

        #expect(header.header("x-key") == "k" && header.header("authorization") == nil)
        #expect(query.url == "https://api.any.example/v2/x?key=k")
        #expect(basic.header("authorization") == "Basic dTpw")
    }

    @Test func `an end user cannot choose where the client secret goes`() throws {
        for provider in try ProviderCatalog.load().providers {
            for url in [provider.oauth2?.tokenURL, provider.oauth2?.refreshURL].compactMap(\.self) {
                #expect(
                    !url.hasPrefix("${connectionConfig") && !url.contains("://${connectionConfig.host"),
                    "\(provider.name)"
                )
            }
        }
    }

    @Test func `the provider's fields are merged into a body of JSON`() async throws {
        let extra = """
            display_name: A
            categories: []
            docs: x
            auth_mode: API_KEY
            proxy: {base_url: "https://a.example", body: {api_key: "${apiKey}", none: "${connectionConfig.none}"}}
            """

        let request = try await send(
            ScriptRequest(method: "POST", endpoint: "/x", body: Array(#"{"b":1}"#.utf8)),
            "acme",
            credentials: .apiKey(Secret("k")),
            extra: extra
        )

        #expect(request.text == #"{"api_key":"k","b":1}"#)
    }

    @Test(arguments: [("a=1&b=%20", "a=1&b=%20&api_key=k%2F"), ("", "api_key=k%2F"), ("api_key=mine", "api_key=mine")])
    func `the provider's fields join a form that does not have them`(form: String, expected: String) async throws {
        let extra = """
            display_name: A
            categories: []
            docs: x
            auth_mode: API_KEY
            proxy: {base_url: "https://a.example", body: {api_key: "${apiKey}", none: "${connectionConfig.none}"}}
            """
        let type = [(name: "Content-Type", value: "application/x-www-form-urlencoded; charset=utf-8")]

        let request = try await send(
            ScriptRequest(method: "POST", endpoint: "/x", headers: type, body: Array(form.utf8)),
            "acme",
            credentials: .apiKey(Secret("k/")),
            extra: extra
        )

        #expect(request.text == expected)
    }

    @Test(arguments: [false, true])
    func `a customer's request says itself how it is answered`(isAsked: Bool) async throws {
        let client = FakeClient()
        let request = ProxyRequest(
            scope: EnvironmentScope(environmentID: 1),
            integrationKey: "github",
            connectionID: "c",
            request: ScriptRequest(method: "POST", endpoint: "user?a=1"),
            body: ByteFlow(length: 3) { take in try await take([1, 2, 3]) },
            decompresses: isAsked,
            forwardsHeadersOnRedirect: isAsked
        )

        _ = try await Sample.requests(client).open(request, access: Sample.access("github", credentials: Sample.tokens))

        let sent = try #require(client.requests.first)
        #expect(sent.url == "https://api.github.com/user?a=1")
        #expect(sent.header("authorization") == "Bearer old-access")
        #expect(sent.body == [1, 2, 3])
        #expect(sent.asksForCompression == isAsked)
        #expect(sent.redirects == (isAsked ? .followWithHeaders : .follow))
    }

    @Test func `a body is sent byte for byte`() async throws {
        let body = Array("{\"z\":1, \"a\":\"\\u00e9\"}".utf8)

        let request = try await send(ScriptRequest(method: "POST", endpoint: "/x", body: body))

        #expect(request.body == body)
        #expect(request.header("content-type") == "application/json")
    }

    @Test(arguments: [(200, true), (204, true), (401, false), (403, false), (500, false)])
    func `tests credentials at the provider`(status: Int, works: Bool) async throws {
        let client = FakeClient(status: status)
        let requests = try Sample.requests(client)
        let access = Sample.access("sendgrid", credentials: .apiKey(Secret("SG.1")))

        if works {
            try await requests.verify(access)
        } else {
            let error = await #expect(throws: TerapiError.self) { try await requests.verify(access) }
            #expect(error?.code == .connectionTestFailed)
        }

        #expect(client.requests.map(\.url) == ["https://api.sendgrid.com/v3/scopes"])
        #expect(client.requests.first?.header("authorization") == "Bearer SG.1")
    }

    @Test func `a provider without a test is taken at its word`() async throws {
        let client = FakeClient(status: 500)

        try await Sample.requests(client).verify(
            Sample.access(
                "api-key-generic",
                credentials: .apiKey(Secret("k")),
                custom: ["base_url": "https://a.example"]
            )
        )

        #expect(client.requests.isEmpty)
    }
}
