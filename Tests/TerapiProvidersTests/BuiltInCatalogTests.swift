import Foundation
import TerapiCore
import TestSupport
import Testing

@testable import TerapiProviders

/// Every provider of the built-in catalogue, in order and at work.
struct BuiltInCatalogTests {
    private static let catalog = try? ProviderCatalog.load()
    private static let all = catalog?.providers.map(\.name) ?? []
    private static let oauth2 = catalog?.providers.filter { $0.authMode == .oauth2 }.map(\.name) ?? []
    /// Those whose credentials a person types in.
    private static let typed =
        catalog?.providers.filter { [.apiKey, .basic].contains($0.authMode) }.map(\.name) ?? []

    private let redirectURI = "http://localhost:3003/oauth/callback/x"

    private func provider(_ name: String) throws -> Provider {
        try #require(Self.catalog?.provider(name))
    }

    /// Values as a person would enter them.
    private func filled(_ fields: [Provider.FormField]) -> JSONObject {
        JSONObject(
            fields.filter { !$0.isOptional && $0.defaultValue == nil }.map { field in
                let url = field.format == "uri" || field.name == "instance_url" || field.name == "api_domain"
                let value = field.choices?.first ?? field.example ?? (url ? "https://api.acme.example" : "12345")
                return (field.name, .string(value))
            }
        )
    }

    private func access(_ name: String, _ credentials: Credentials) throws -> ConnectionAccess {
        let provider = try provider(name)
        return Sample.access(
            name,
            config: filled(provider.connectionConfig),
            credentials: credentials,
            custom: filled(provider.integrationConfig)
        )
    }

    @Test func `holds at least 60 providers, without a mistake and with nothing that has no effect`() throws {
        let catalog = try ProviderCatalog.load()

        #expect(catalog.providers.count >= 60)
        #expect(catalog.warnings == [])
    }

    @Test func `every file of the folder is built in`() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Sources/TerapiProviders/Catalog")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)

        #expect(files.sorted() == Self.all.map { "\($0).yaml" }.sorted())
    }

    @Test(arguments: all)
    func `tells a person what is needed`(name: String) throws {
        let provider = try provider(name)

        #expect(provider.docs.hasPrefix("https://"))
        #expect(!provider.categories.isEmpty)
        #expect(provider.proxy.baseURL != nil)
        let isGeneric = name.hasSuffix("generic") || name == "oauth2-generic-basic"
        let logo = provider.entry["logo"]
        #expect(logo?["letters"]?.string.map { (1...2).contains($0.count) } ?? isGeneric)
        #expect(logo?["color"]?.string.map { $0.hasPrefix("#") && $0.count == 7 } ?? isGeneric)
        for field in provider.connectionConfig + provider.credentials + provider.integrationConfig {
            #expect(field.title != field.name && field.description?.isEmpty == false, "\(field.name)")
            if let example = field.example { #expect(field.problem(with: .string(example)) == nil, "\(field.name)") }
        }
        for scope in provider.entry["scopes"]?.object?.members ?? [] {
            #expect(scope.value.string?.isEmpty == false, "\(scope.name)")
        }
        for scope in provider.oauth2?.defaultScopes ?? [] {
            #expect(provider.entry["scopes"]?[scope] != nil, "\(scope) is asked for and not explained")
        }
    }

    @Test(arguments: all)
    func `what is not confirmed is named by its place`(name: String) throws {
        let entry = try JSONValue.object(provider(name).entry)
        for note in entry["unverified"]?.object?.members ?? [] {
            #expect(entry.value(at: note.name) != nil, "\(note.name)")
            #expect(note.value.string?.isEmpty == false)
        }
    }

    @Test func `a GitHub App has GitHub's webhooks, and is installed at its own page`() async throws {
        var integration = Sample.integration("github-app")
        integration.credentials?.app = .init(id: "7", link: "https://github.com/apps/desk", privateKey: Secret("pem"))

        let begun = try await Sample.requests(FakeClient()).beginAuthorization(
            AuthorizationRequest(
                integration: integration, config: [:], redirectURI: redirectURI, state: "state-1", codeVerifier: nil)
        )

        #expect(begun.url == "https://github.com/apps/desk/installations/new?state=state-1")
        let app = try provider("github-app")
        #expect(app.webhook?.routes.map(\.match) == [.field("installation_id")])
        #expect(app.entry["scopes"] == [:] && app.proxy.verification == nil)
    }

    @Test(arguments: oauth2)
    func `sends a person to give permission`(name: String) async throws {
        let provider = try provider(name)
        let oauth2 = try #require(provider.oauth2)
        let custom = filled(provider.integrationConfig)

        let text = try await Sample.requests(FakeClient()).beginAuthorization(
            AuthorizationRequest(
                integration: Sample.integration(name, scopes: ["one", "two"], custom: custom),
                config: filled(provider.connectionConfig),
                redirectURI: redirectURI,
                state: "state-1",
                codeVerifier: oauth2.usesPKCE ? Secret("verifier") : nil
            )
        ).url
        let url = try #require(URLComponents(string: text))
        let query = Dictionary(
            (url.queryItems ?? []).map { ($0.name, $0.value ?? "") },
            uniquingKeysWith: { first, _ in first }
        )

        #expect(url.scheme == "https" && !text.contains("${"))
        #expect(query["client_id"] == "client-1" && query["state"] == "state-1")
        #expect(query["redirect_uri"] == redirectURI && query["response_type"] == "code")
        #expect((query["code_challenge"] != nil) == oauth2.usesPKCE)
        let scopes = oauth2.defaultScopes + ["one", "two"]
        #expect(query["scope"] == scopes.joined(separator: oauth2.scopeSeparator))
    }

    @Test(arguments: oauth2)
    func `gets a token, renews it and signs with it`(name: String) async throws {
        let provider = try provider(name)
        let oauth2 = try #require(provider.oauth2)
        let recording = try await RecordingServer()
        let requests = try recording.requests()
        let access = try access(name, Sample.tokens)

        let new = try await requests.exchange(
            CodeExchange(
                integration: access.integration,
                config: access.config,
                redirectURI: redirectURI,
                codeVerifier: oauth2.usesPKCE ? Secret("verifier") : nil,
                callbackQuery: ["code": "code-1", "realmId": "99"]
            ),
            now: Sample.now
        )
        let refresh = await requests.sendRefresh(access)
        let request = ScriptRequest(method: "GET", endpoint: "/things", query: [(name: "a", value: "b")])
        _ = try await requests.send(request, access: access)
        let sent = recording.requests
        await recording.close()

        guard case .oauth2(let tokens) = new.credentials, case .answer = refresh, sent.count == 3 else {
            Issue.record("\(new) \(refresh) \(sent)")
            return
        }
        #expect(tokens.accessToken == Secret("token-1") && tokens.refreshToken == Secret("refresh-1"))
        try expectToken(sent[0], oauth2, grant: "authorization_code", url: oauth2.tokenURL)
        try expectToken(sent[1], oauth2, grant: "refresh_token", url: oauth2.refreshURL ?? oauth2.tokenURL)
        #expect(sent[2].url.hasPrefix("https://") && sent[2].url.hasSuffix("/things?a=b"))
        let bearer = sent[2].request.headers["authorization"] ?? ""
        let own = sent[2].request.headers["x-shopify-access-token"]
        #expect(bearer == "Bearer old-access" || own == "old-access" && bearer.isEmpty)
    }

    private func expectToken(
        _ sent: (url: String, request: LoopbackServer.Request),
        _ oauth2: Provider.OAuth2,
        grant: String,
        url: String
    ) throws {
        let request = sent.request
        let isJSON = oauth2.bodyFormat == .json
        let fields: [String: String] =
            isJSON
            ? Dictionary(
                uniqueKeysWithValues: (try JSONReader.read(request.body).object?.members ?? []).map { member in
                    (member.name, member.value.string ?? member.value.text())
                }
            )
            : Dictionary(PercentEncoding.form(request.text).map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
        #expect(request.method == "POST")
        #expect(sent.url.hasPrefix(String(url.prefix { $0 != "$" })) || url.hasPrefix("${"))
        #expect(request.headers["content-type"]?.contains(isJSON ? "json" : "form") == true)
        #expect(fields["grant_type"] == grant)
        #expect(fields["code"] == (grant == "authorization_code" ? "code-1" : nil))
        #expect(fields["refresh_token"] == (grant == "refresh_token" ? "old-refresh" : nil))
        if oauth2.clientAuthentication == .basic {
            #expect(request.headers["authorization"] == "Basic Y2xpZW50LTE6dG9wLXNlY3JldA==")
            #expect(fields["client_secret"] == nil)
        } else {
            #expect(fields["client_id"] == "client-1" && fields["client_secret"] == "top-secret")
        }
        #expect((fields["code_verifier"] != nil) == (oauth2.usesPKCE && grant == "authorization_code"))
    }

    @Test(arguments: typed)
    func `signs with what a person typed in`(name: String) async throws {
        let provider = try provider(name)
        let credentials: Credentials =
            provider.authMode == .apiKey
            ? .apiKey(Secret("key-1")) : .basic(username: "user-1", password: Secret("key-1"))
        let recording = try await RecordingServer()

        _ = try await recording.requests()
            .send(ScriptRequest(method: "GET", endpoint: "/things"), access: try access(name, credentials))
        let sent = try #require(recording.requests.first)
        await recording.close()

        let header = sent.request.headers["authorization"] ?? ""
        let basic = Base64.standard.decode(String(header.dropFirst("Basic ".count)))
            .map { String(decoding: $0, as: UTF8.self) }
        let places = [header, basic ?? "", sent.url] + sent.request.headers.values
        let secret = name == "freshdesk" ? "user-1:X" : "key-1"
        #expect(places.contains { $0.contains(secret) }, "\(sent)")
        #expect(!sent.url.contains("${") && !places.contains { $0.contains("${") })
    }

    @Test(arguments: all)
    func `tests credentials with a request that can be made`(name: String) async throws {
        let provider = try provider(name)
        let credentials: Credentials? =
            switch provider.authMode {
            case .oauth2: Sample.tokens
            case .apiKey: .apiKey(Secret("key-1"))
            case .basic: .basic(username: "user-1", password: Secret("key-1"))
            default: nil
            }
        guard let credentials, let verification = provider.proxy.verification else { return }
        let recording = try await RecordingServer()

        try await recording.requests().verify(access(name, credentials))
        let sent = try #require(recording.requests.first)
        await recording.close()

        #expect(sent.request.method == verification.method)
        #expect(!sent.url.contains("${") && sent.url.hasPrefix("https://"))
        #expect(sent.request.body.isEmpty == (verification.data == nil))
    }
}
