import Synchronization
import TerapiCore
import TestSupport
import Testing

@testable import TerapiProviders

/// MCP servers: found, registered with and authorised when somebody connects.
@Suite(.timeLimit(.minutes(1)))
struct MCPAuthorizationTests {
    /// What a test changes about a server that does everything right.
    struct Ways: Sendable {
        var issuer: String?
        var resource: String?
        var tokenEndpoint: String?
        var pkce = "S256"
        var authentications = #"["none"]"#
        var isFoundByChallenge = false
        var registers = true
    }

    private static let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    private static let verifier = Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    private static let callback = "http://r/cb"

    private static func server(_ ways: Ways = Ways()) async throws -> CheckingServer {
        try await CheckingServer { request in
            let root = "http://\(request.headers["host"] ?? "")"
            let about = LoopbackServer.Answer.json(
                #"{"resource":"\#(ways.resource ?? "\(root)/mcp")","authorization_servers":["\#(root)/as"]}"#
            )
            switch request.path {
            case "/mcp" where request.headers["authorization"] == "Bearer tok-1": return .json("{}")
            case "/mcp":
                let hint = ways.isFoundByChallenge ? ", resource_metadata=\"\(root)/elsewhere\"" : ""
                return .http(401, headers: [("WWW-Authenticate", "Bearer realm=\"x\"\(hint)")])
            case "/elsewhere": return about
            case "/.well-known/oauth-protected-resource/mcp" where !ways.isFoundByChallenge: return about
            case "/.well-known/oauth-authorization-server/as":
                return .json(
                    """
                    {"issuer":"\(ways.issuer ?? "\(root)/as")","authorization_endpoint":"\(root)/as/authorize",
                    "token_endpoint":"\(ways.tokenEndpoint ?? "\(root)/as/token")",
                    "registration_endpoint":"\(root)/as/register","code_challenge_methods_supported":["\(ways.pkce)"],
                    "authorization_response_iss_parameter_supported":true,
                    "token_endpoint_auth_methods_supported":\(ways.authentications)}
                    """
                )
            case "/as/register":
                let method = request.json?["token_endpoint_auth_method"]?.string ?? ""
                guard ways.registers, request.json?["redirect_uris"] == [.string(callback)],
                    request.json?["client_name"] == "Terapi"
                else {
                    return .json(#"{"error":"invalid_client_metadata","error_description":"not you"}"#, status: 400)
                }
                let secret = method == "none" ? "" : #","client_secret":"dyn-secret""#
                return .json(
                    #"{"client_id":"dyn-1"\#(secret),"token_endpoint_auth_method":"\#(method)"}"#, status: 201
                )
            case "/as/token":
                let form = request.form
                let basic = "Basic " + Base64.standard.encode(Array("dyn-1:dyn-secret".utf8))
                let isKnown =
                    ways.authentications.contains("basic")
                    ? request.headers["authorization"] == basic
                    : form["client_id"] == "dyn-1" && form["client_secret"] == nil
                let isGranted =
                    form["grant_type"] == "refresh_token"
                    ? form["refresh_token"] == "ref-1"
                    : form["code"] == "code-1" && form["redirect_uri"] == callback
                        && form["code_verifier"].map { Authorization.challenge(Secret($0)) } == challenge
                guard isKnown, isGranted, form["resource"] == "\(root)/mcp" else { return CheckingServer.refused }
                return .json(#"{"access_token":"tok-1","refresh_token":"ref-1","expires_in":3600}"#)
            default: return .json("{}", status: 404)
            }
        }
    }

    private static let generic = """
        auth_mode: MCP_OAUTH2_GENERIC
        connection_config: {mcp_server_url: {type: string, title: Server}}
        proxy: {base_url: "${connectionConfig.mcp_server_url}"}
        """

    private func begin(_ server: CheckingServer, _ acme: ProviderRequests, resource: String? = nil) async throws
        -> BegunAuthorization
    {
        try await acme.beginAuthorization(
            AuthorizationRequest(
                integration: Sample.integration("acme"),
                config: ["mcp_server_url": .string(resource ?? "\(server.url)/mcp")],
                redirectURI: Self.callback,
                state: "state-1",
                codeVerifier: Self.verifier,
                clientDocumentURL: "https://terapi.example/oauth/client-metadata/u/acme"
            )
        )
    }

    private func finish(
        _ server: CheckingServer,
        _ acme: ProviderRequests,
        _ begun: BegunAuthorization,
        issuer: String?
    ) async throws -> NewCredentials {
        var query = ["code": "code-1"]
        query["iss"] = issuer
        return try await acme.exchange(
            CodeExchange(
                integration: Sample.integration("acme"), config: ["mcp_server_url": .string("\(server.url)/mcp")],
                redirectURI: Self.callback, codeVerifier: Self.verifier, callbackQuery: query,
                notes: AuthorizationNotes(stored: begun.notes.stored)
            ),
            now: Sample.now
        )
    }

    @Test(arguments: [
        Ways(), Ways(isFoundByChallenge: true), Ways(authentications: #"["client_secret_basic"]"#),
    ])
    func `finds the server, registers, and gets and renews tokens`(ways: Ways) async throws {
        let server = try await Self.server(ways)
        let acme = try server.provider(Self.generic)

        let begun = try await begin(server, acme)
        let new = try await finish(server, acme, begun, issuer: "\(server.url)/as")

        let resource = PercentEncoding.encode("\(server.url)/mcp")
        #expect(begun.url.hasPrefix("\(server.url)/as/authorize?response_type=code&client_id=dyn-1&"))
        #expect(begun.url.contains("code_challenge=\(Self.challenge)") && begun.url.contains("resource=\(resource)"))
        let config: JSONObject = ["mcp_server_url": .string("\(server.url)/mcp")]
        let request = ScriptRequest(method: "POST", endpoint: "")
        #expect(try await acme.call(new.credentials, request, config: config) == 200)

        // After a while, out of the storage, in another process.
        let stored = try Credentials(stored: new.credentials.stored)
        let access = Sample.access("acme", config: config, credentials: stored)
        guard case .answer(let answer) = await acme.sendRefresh(access),
            case .refreshed(let renewed) = acme.readRefresh(answer, access: access, now: Sample.now)
        else {
            Issue.record("not refreshed")
            return
        }
        #expect(renewed.credentials.configOverride?.clientID == "dyn-1")
        guard case .oauth2(let before) = stored, case .oauth2(let after) = renewed.credentials else { return }
        #expect(before.server == after.server && after.server?.tokenURL == "\(server.url)/as/token")
    }

    @Test(arguments: [
        (Ways(issuer: "https://other.example"), "names another issuer"),
        (Ways(resource: "https://other.example/mcp"), "describes itself as another one"),
        (Ways(tokenEndpoint: "https://evil.example/${clientSecret}"), "by an address that is not one"),
        (Ways(tokenEndpoint: "javascript:alert(1)"), "is no address of a server"),
        (Ways(pkce: "plain"), "does not support PKCE"), (Ways(registers: false), "did not register a client: not you"),
    ])
    func `goes to no server that contradicts itself`(ways: Ways, words: String) async throws {
        let server = try await Self.server(ways)
        let acme = try server.provider(Self.generic)

        let error = await #expect(throws: TerapiError.self) { try await begin(server, acme) }

        #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
        #expect(!server.server.requests.contains { $0.target.contains("top-secret") || $0.text.contains("top-secret") })
    }

    @Test(arguments: ["https://other.example", nil])
    func `takes no code that another server may have sent`(issuer: String?) async throws {
        let server = try await Self.server()
        let acme = try server.provider(Self.generic)
        let begun = try await begin(server, acme)

        let error = await #expect(throws: TerapiError.self) { try await finish(server, acme, begun, issuer: issuer) }

        #expect(error?.message.contains("does not come from") == true)
        #expect(!server.server.requests.contains { $0.path == "/as/token" })
    }

    @Test func `what a person enters as a server cannot name a secret`() async throws {
        let server = try await Self.server()
        let acme = try server.provider(Self.generic)

        _ = await #expect(throws: TerapiError.self) {
            try await begin(server, acme, resource: "\(server.url)/mcp/${clientSecret}")
        }

        #expect(!server.server.requests.contains { $0.target.contains("top-secret") })
    }

    @Test(arguments: ["dynamic", "static", "cimd"])
    func `MCP_OAUTH2 is a client as the file says`(kind: String) async throws {
        let server = try await Self.server()
        let acme = try server.provider(
            """
            auth_mode: MCP_OAUTH2
            client_registration: \(kind)
            registration_url: ROOT/as/register
            authorization_url: ROOT/as/authorize
            token_url: ROOT/as/token
            token_params: {resource: ROOT/mcp}
            proxy: {base_url: ROOT}
            """
        )

        let begun = try await begin(server, acme)

        let expected = [
            "dynamic": "dyn-1", "static": "client-1", "cimd": "https://terapi.example/oauth/client-metadata/u/acme",
        ]
        #expect(begun.url.contains("client_id=\(PercentEncoding.encode(expected[kind] ?? ""))&"))
        #expect(!begun.url.contains("top-secret"))
        guard kind == "dynamic" else { return }
        let new = try await finish(server, acme, begun, issuer: nil)
        #expect(try await acme.call(new.credentials, ScriptRequest(method: "GET", endpoint: "/mcp")) == 200)
    }
}
