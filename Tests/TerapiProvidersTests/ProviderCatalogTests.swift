import TerapiCore
import TerapiProviders
import Testing

struct ProviderCatalogTests {
    private func catalog(_ text: String, name: String = "acme") throws -> ProviderCatalog {
        try ProviderCatalog(files: [ProviderCatalog.File(path: "acme.yaml", name: name, text: text)])
    }

    private let head = "display_name: Acme\ncategories: [crm]\ndocs: https://acme.example\n"

    @Test func `reads what a file says`() throws {
        let catalog = try ProviderCatalog.load()
        let zendesk = try #require(catalog.provider("zendesk"))

        let oauth2 = try #require(zendesk.oauth2)
        #expect(oauth2.rotation == .strict)
        #expect(oauth2.tokenParams.map(\.name) == ["expires_in"])
        #expect(zendesk.connectionConfig.map(\.name) == ["subdomain", "account_id"])
        #expect(zendesk.proxy.verification?.endpoints == ["/api/v2/users/me.json"])
        #expect(zendesk.entry["display_name"] == "Zendesk")
    }

    @Test(arguments: [
        ("auth_mode: OAUTH3", "acme.yaml:4:12: \"auth_mode\": expected one of"),
        (
            "auth_mode: NONE\nauthorisation_url: x",
            "acme.yaml:5:1: Unknown key \"authorisation_url\". Did you mean \"authorization_url\"?"
        ),
        (
            "auth_mode: NONE\nproxy:\n  base_ulr: x",
            "acme.yaml:6:3: Unknown key \"proxy.base_ulr\". Did you mean \"base_url\"?"
        ),
        ("auth_mode: NONE\nproxy: x", "acme.yaml:5:8: \"proxy\": expected a map, found \"x\"."),
        (
            "auth_mode: NONE\ndisable_pkce: maybe",
            "acme.yaml:5:15: \"disable_pkce\": expected true or false, found \"maybe\"."
        ),
        ("auth_mode: NONE\ndefault_scopes: a,b", "expected a list of text, found \"a,b\"."),
        ("auth_mode: NONE\ntoken_expiration_buffer: '30'", "expected a whole number"),
        ("auth_mode: NONE\nrotation: sometimes", "acme.yaml:5:11: \"rotation\": expected one of static"),
        ("auth_mode: OAUTH2", "\"authorization_url\" is missing"),
        ("auth_mode: OAUTH1", "\"request_url\" is missing"),
        ("auth_mode: TWO_STEP\ntoken_url: x", "\"token_response\" is missing"),
        ("auth_mode: JWT\ntoken: {}", "\"signature\" is missing"),
        ("proxy: {base_url: x}", "\"auth_mode\" is missing"),
        ("auth_mode: [", "acme.yaml:5:"),
        ("alias: nowhere", "names no provider"),
        ("alias: acme", "leads back to itself"),
        ("auth_mode: NONE\nauth_mode: NONE", "acme.yaml:5:1: The key \"auth_mode\" stands here twice."),
        (
            "auth_mode: NONE\nproxy:\n  retry:\n    afer: [x]",
            "acme.yaml:7:5: Unknown key \"proxy.retry.afer\". Did you mean"
        ),
        ("auth_mode: NONE\nconnection_config:\n  host: {title: 5}", "\"connection_config.host.title\": expected text"),
    ])
    func `says where a mistake is and what was expected`(lines: String, expected: String) throws {
        let error = #expect(throws: TerapiError.self) { try catalog(head + lines) }

        #expect(error?.code == .invalidDefinition)
        let text = error?.issues.map(\.message).joined(separator: "\n") ?? ""
        #expect(text.contains(expected), "\(text)")
    }

    @Test func `what has no effect yet is said`() throws {
        let text =
            head + """
                auth_mode: INSTALL_PLUGIN
                auth_type: BASIC
                post_connection_script: acmePostConnection
                proxy:
                  connection_config: {a: b}
                """

        let warnings = try catalog(text).warnings.map(\.description)

        #expect(warnings.contains { $0.contains("INSTALL_PLUGIN") && $0.hasPrefix("acme.yaml:4:12") })
        #expect(warnings.contains { $0.contains("\"auth_type\"") && $0.hasPrefix("acme.yaml:5:1:") })
        #expect(warnings.contains { $0.contains("post_connection_script") && $0.hasPrefix("acme.yaml:6:1:") })
        #expect(warnings.contains { $0.contains("\"proxy.connection_config\"") && $0.hasPrefix("acme.yaml:8:3:") })
    }

    @Test func `an alias of an alias takes over what it does not say itself`() throws {
        let files = [
            ("c", "alias: b\ndisplay_name: C\nproxy: {base_url: 'https://c.example'}"),
            ("b", "alias: a\ndisplay_name: B\nscope_separator: ','"),
            (
                "a",
                head
                    + "auth_mode: OAUTH2\nauthorization_url: https://a.example/auth\ntoken_url: https://a.example/token\n"
                    + "proxy: {base_url: 'https://a.example', headers: {x: y}}"
            ),
        ].map { ProviderCatalog.File(path: "\($0.0).yaml", name: $0.0, text: $0.1) }

        let catalog = try ProviderCatalog(files: files)
        let provider = try #require(catalog.provider("c"))

        #expect(provider.displayName == "C")
        #expect(provider.oauth2?.scopeSeparator == ",")
        #expect(provider.oauth2?.tokenURL == "https://a.example/token")
        #expect(provider.proxy.baseURL == "https://c.example")
        #expect(provider.proxy.headers.isEmpty)
    }

    @Test func `a later file replaces a built-in one`() throws {
        let files = ["First", "Second"].map {
            ProviderCatalog.File(
                path: "acme.yaml",
                name: "acme",
                text: "auth_mode: NONE\ncategories: []\ndocs: x\ndisplay_name: \($0)"
            )
        }

        let catalog = try ProviderCatalog(files: files)

        #expect(catalog.provider("acme")?.displayName == "Second")
    }

    @Test(arguments: [
        ("static", Provider.Rotation.fixed), ("reissue", .reissue), ("strict", .strict), ("unknown", .unknown),
        ("{grace: 30}", .grace(.seconds(30))),
    ])
    func `reads the kind of rotation`(text: String, expected: Provider.Rotation) throws {
        let file =
            head
            + "auth_mode: OAUTH2\nauthorization_url: https://a.example\ntoken_url: https://a.example\nrotation: \(text)"

        let provider = try catalog(file).provider("acme")

        #expect(provider?.oauth2?.rotation == expected)
    }

    @Test func `takes every key of the common provider file`() throws {
        let lines = """
            auth_mode: OAUTH2
            authorization_url: https://a.example/auth
            token_url: https://a.example/token
            docs_connect: x
            setup_guide_url: x
            authorization_params: {response_type: code, force: true}
            token_params: {grant_type: authorization_code, nested: {a: b}, n: 1}
            refresh_params: {grant_type: refresh_token}
            refresh_url: https://a.example/refresh
            scope_separator: "+"
            body_format: json
            token_request_auth_method: basic
            authorization_method: header
            disable_pkce: true
            token_headers: {x-key: y}
            default_scopes: [a]
            token_response_metadata: [a.b]
            refresh_token_response_metadata: [a]
            redirect_uri_metadata: [a]
            authorization_url_replacements: {a: ""}
            authorization_url_skip_empty: true
            authorization_url_skip_encode: [scopes]
            authorization_url_fragment: /oauth
            authorization_code_param_in_callback: tenant
            alternate_access_token_response_path: authed_user
            token_expiration_buffer: 30
            expires_in_unit: milliseconds
            connection_configuration: [portalId]
            decode_url: true
            auth: {response_type: code}
            logo: {letters: Ac, color: "#112233"}
            scopes: {a: What it allows}
            unverified: {scopes: From memory}
            proxy:
              decompress: true
              forward_headers_on_redirect: true
              body: {api_key: "${apiKey}"}
              retry: {at: [x], after: [y], remaining: z, error_code: ["429", 5xx], in_body: {path: a, value: b, strategy: at}}
              verification: {method: POST, endpoints: [/a], headers: {a: b}, data: {a: 1}, base_url_override: "https://b.example"}
            """

        let catalog = try catalog(head + lines)

        #expect(catalog.warnings == [])
        let oauth2 = try #require(catalog.provider("acme")?.oauth2)
        #expect(oauth2.clientAuthentication == .basic && oauth2.bodyFormat == .json && !oauth2.usesPKCE)
        #expect(oauth2.codeParamInCallback == "tenant" && oauth2.expiresInMilliseconds)
        #expect(oauth2.tokenExpirationBuffer == .seconds(30))
    }
}
