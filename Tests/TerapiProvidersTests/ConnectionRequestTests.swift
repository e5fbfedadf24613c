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

    /// Who may send requests through a connection is not told the developer's secrets by it.
    @Test(arguments: [
        "${clientSecret}", "${integrationConfig.secret_access_key}", "${credentials.refreshToken}",
        "${credentials.refresh_token}", "${refresh_token}", "${base64(${clientSecret})}",
        "${connectionConfig.none} || ${clientSecret}",
    ])
    func `a caller's address cannot name a secret of the developer's`(placeholder: String) async throws {
        let custom: JSONObject = ["secret_access_key": "canary"]
        for (endpoint, base) in [
            ("/x/\(placeholder)", nil), ("/x?y=\(placeholder)", nil), ("/x", "https://evil.example/\(placeholder)"),
        ] {
            let error = await #expect(throws: TerapiError.self) {
                _ = try await send(get(endpoint, base: base), custom: custom)
            }
            #expect(error?.code == .invalidBody, "\(endpoint)")
        }
        // The control: what is the connection's own can be named.
        let own = try await send(
            get("/x/${connectionConfig.team}?t=${credentials.access_token}"), config: ["team": "a"])
        #expect(own.url == "https://api.github.com/x/a?t=old-access")
    }

    /// Whoever may name an address, a script in its cage among them, must not be able to stop the server with it.
    @Test(arguments: [
        "/x?a=${now+-9223372036854775808:days:X}", "/x?a=${now--9223372036854775808:days:X}",
        "/x?a=${now+9223372036854775807:days:X}", "/x?a=${now+ 1:days:X}",
        "/x?a=" + String(repeating: "${base64(", count: 1500) + String(repeating: ")}", count: 1500),
        "/x?a=" + String(repeating: "${base64(", count: 500_000) + String(repeating: ")}", count: 500_000),
        "/x?a=" + String(repeating: "${", count: 5_000_000),
    ])
    func `an address with placeholders that mean nothing is refused`(endpoint: String) async throws {
        let error = await #expect(throws: TerapiError.self) { _ = try await send(get(endpoint)) }
        #expect(error?.code == .invalidBody)
        let other = await #expect(throws: TerapiError.self) {
            _ = try await send(get("/y", base: "https://a.example" + endpoint))
        }
        #expect(other?.code == .invalidBody)

        let control = try await send(get("/x?a=${now+1:days:X}&b=${base64(${base64(a)})}"))
        #expect(control.url == "https://api.github.com/x?a=1700086400&b=WVE9PQ%3D%3D")
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

    @Test(arguments: [("s3", true), ("s3", false), ("execute-api", false)])
    func `a body that flows is not signed as one that is empty`(service: String, flows: Bool) async throws {
        let client = FakeClient()
        let extra =
            "display_name: A\ncategories: [x]\ndocs: https://a.example\nauth_mode: AWS_SIGV4\n"
            + "proxy: {base_url: 'https://b.s3.amazonaws.com'}"
        let request = ProxyRequest(
            scope: EnvironmentScope(environmentID: 1),
            integrationKey: "acme",
            connectionID: "c",
            request: ScriptRequest(method: "PUT", endpoint: "file", body: flows ? nil : [1, 2, 3]),
            body: flows ? ByteFlow(length: 3) { take in try await take([1, 2, 3]) } : nil
        )
        var derived = DerivedCredentials(mode: .awsSigV4, given: ["role_arn": "r"])
        derived.issued = [
            "access_key_id": "a", "secret_access_key": "s", "session_token": "t", "region": "r",
            "service": .string(service),
        ]

        _ = try await Sample.requests(client, extra: extra)
            .open(request, access: Sample.access("acme", credentials: .derived(derived)))

        let hash = service == "s3" ? flows ? "UNSIGNED-PAYLOAD" : hex(sha256([1, 2, 3])) : nil
        #expect(client.requests.first?.header("x-amz-content-sha256") == hash)
    }

    @Test(
        arguments: [
            ("auth_mode: AWS_SIGV4", [:], "application/json", true),
            ("auth_mode: AWS_SIGV4", ["service": "s3"], "application/json", false),
            ("auth_mode: API_KEY", [:], "application/json", false),
            ("auth_mode: API_KEY\nX: ${sha256Hex(${bodyCanonicalParams})}", [:], "application/json", true),
            ("auth_mode: TBA", [:], "application/x-www-form-urlencoded", true),
            ("auth_mode: TBA", [:], "application/json", false),
        ] as [(String, JSONObject, String, Bool)])
    func `knows which bodies must be there before anything is sent`(
        mode: String, custom: JSONObject, type: String, isSigned: Bool
    ) throws {
        let parts = mode.split(separator: "\n")
        var provider = Provider(
            name: "acme", displayName: "Acme",
            authMode: try #require(AuthMode(rawValue: String(parts[0].dropFirst(11))))
        )
        if parts.count == 2 { provider.proxy.headers = [("x", String(parts[1].dropFirst(3)))] }

        #expect(provider.signsBody(type: type, integrationConfig: custom) == isSigned)
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
