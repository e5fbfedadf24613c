import TerapiCore
import TestSupport
import Testing

@testable import TerapiProviders

/// OAUTH1 in three legs and TBA, against a server that computes each signature itself.
@Suite(.timeLimit(.minutes(1)))
struct OAuth1Tests {
    private static let file = """
        auth_mode: OAUTH1
        request_url: ROOT/request?x=1
        request_params: {access: write}
        authorization_url: ROOT/authorize
        authorization_params: {perms: "read,write"}
        token_url: ROOT/access
        signature_method: METHOD
        proxy: {base_url: ROOT}
        """

    private static func server(_ method: String) async throws -> CheckingServer {
        try await CheckingServer { request in
            let root = "http://\(request.headers["host"] ?? "")"
            func isSigned(_ tokenSecret: String) -> Bool {
                request.isSigned(method: method, consumerSecret: "top-secret", tokenSecret: tokenSecret, root: root)
            }
            let header = request.headers["authorization"] ?? ""
            switch request.path {
            case "/request":
                let callback = "oauth_callback=\"http%3A%2F%2Fr%2Fcb%3Fstate%3Dstate-1\""
                guard isSigned(""), header.contains(callback), request.query == ["x": "1", "access": "write"] else {
                    return CheckingServer.unsigned
                }
                return .json("oauth_token=rt-1&oauth_token_secret=rs%2B1&oauth_callback_confirmed=true")
            case "/access":
                guard isSigned("rs+1"), header.contains("oauth_token=\"rt-1\""),
                    header.contains("oauth_verifier=\"v-1\"")
                else { return CheckingServer.unsigned }
                return .json("oauth_token=at-1&oauth_token_secret=as%261&user_id=7")
            default:
                return isSigned("as&1") && header.contains("oauth_token=\"at-1\"")
                    ? .json("{}") : CheckingServer.unsigned
            }
        }
    }

    private func begin(_ acme: ProviderRequests, secret: String = "top-secret", params: [String: String] = [:])
        async throws -> BegunAuthorization
    {
        try await acme.beginAuthorization(
            AuthorizationRequest(
                integration: Sample.integration("acme", secret: secret), config: [:], redirectURI: "http://r/cb",
                state: "state-1", codeVerifier: nil, authorizationParams: params
            )
        )
    }

    private func finish(_ acme: ProviderRequests, _ begun: BegunAuthorization, _ query: [String: String])
        async throws -> NewCredentials
    {
        try await acme.exchange(
            CodeExchange(
                integration: Sample.integration("acme"), config: [:], redirectURI: "http://r/cb", codeVerifier: nil,
                callbackQuery: query, notes: AuthorizationNotes(stored: begun.notes.stored)
            ),
            now: Sample.now
        )
    }

    private func refusal(_ body: () async throws -> Void) async -> TerapiError? {
        await #expect(throws: TerapiError.self) { try await body() }
    }

    private static let requests = [
        ScriptRequest(method: "GET", endpoint: "/me?b=2&a=1%20x&a=%C3%BC"),
        ScriptRequest(
            method: "POST", endpoint: "/me", headers: [("content-type", "application/x-www-form-urlencoded")],
            body: Array("z=1&y=a+b%26".utf8)
        ),
        ScriptRequest(
            method: "POST", endpoint: "/me", headers: [("content-type", "application/json")],
            body: Array(#"{"z":1}"#.utf8)
        ),
    ]

    @Test(arguments: ["HMAC-SHA1", "HMAC-SHA256", "PLAINTEXT"])
    func `OAUTH1 goes its three legs and signs every call`(method: String) async throws {
        let server = try await Self.server(method)
        let acme = try server.provider(Self.file.replacing("METHOD", with: method))

        let begun = try await begin(acme, params: ["lang": "${clientSecret}", "oauth_token": "evil"])
        let new = try await finish(acme, begun, ["oauth_token": "rt-1", "oauth_verifier": "v-1", "state": "state-1"])

        #expect(
            begun.url
                == "\(server.url)/authorize?oauth_token=rt-1&perms=read%2Cwrite&lang=%24%7BclientSecret%7D"
        )
        for request in Self.requests { #expect(try await acme.call(new.credentials, request) == 200) }
        let shown = new.credentials.publicJSON(includesRefreshToken: false)
        #expect(
            shown["oauth_token"] == "at-1" && shown["oauth_token_secret"] == "as&1" && shown["raw"]?["user_id"] == "7")
        // The controls: another token secret, another consumer secret.
        let other = Credentials.oauth1(OAuth1Credentials(token: Secret("at-1"), tokenSecret: Secret("as&2")))
        for request in Self.requests { #expect(try await acme.call(other, request) == 401) }
        _ = await refusal { _ = try await begin(acme, secret: "other") }
    }

    @Test(arguments: [
        ["oauth_token": "rt-2", "oauth_verifier": "v-1"], ["oauth_token": "rt-1"], ["oauth_verifier": "v-1"],
        ["oauth_token": "rt-1", "oauth_verifier": "v-2"],
        ["denied": "rt-1", "oauth_token": "rt-1", "oauth_verifier": "v-1"],
    ])
    func `a callback of another authorization brings no token`(query: [String: String]) async throws {
        let acme = try await Self.server("HMAC-SHA1").provider(Self.file.replacing("METHOD", with: "HMAC-SHA1"))
        let begun = try await begin(acme)

        #expect(await refusal { _ = try await finish(acme, begun, query) }?.code == .providerError)
    }

    @Test func `a server that does not confirm the callback is not trusted with a browser`() async throws {
        let server = try await CheckingServer { _ in .json("oauth_token=rt-1&oauth_token_secret=rs") }
        let acme = try server.provider(Self.file.replacing("METHOD", with: "HMAC-SHA1"))

        #expect(await refusal { _ = try await begin(acme) }?.message.contains("did not confirm") == true)
    }

    @Test(arguments: [true, false])
    func `TBA signs with HMAC-SHA256 in the realm of the account`(hasOwnClient: Bool) async throws {
        let secret = hasOwnClient ? "own-secret" : "top-secret"
        let server = try await CheckingServer { request in
            let isSigned = request.isSigned(
                method: "HMAC-SHA256", consumerSecret: secret, tokenSecret: "ts-1",
                root: "http://\(request.headers["host"] ?? "")", realm: "123_SB1"
            )
            return isSigned ? .json("{}") : CheckingServer.unsigned
        }
        let acme = try server.provider(
            """
            auth_mode: TBA
            connection_config: {accountId: {type: string, title: Account}}
            proxy: {base_url: ROOT, verification: {endpoints: [/me]}}
            """
        )
        func credentials(_ tokenSecret: String) -> Credentials {
            .tba(
                OAuth1Credentials(
                    token: Secret("ti-1"), tokenSecret: Secret(tokenSecret),
                    configOverride: hasOwnClient ? .init(clientID: "own", clientSecret: Secret("own-secret")) : nil
                )
            )
        }
        func verify(_ credentials: Credentials) async throws {
            try await acme.verify(Sample.access("acme", config: ["accountId": "123_SB1"], credentials: credentials))
        }

        try await verify(credentials("ts-1"))
        for request in Self.requests {
            #expect(try await acme.call(credentials("ts-1"), request, config: ["accountId": "123_SB1"]) == 200)
        }
        // The controls: another secret, another realm.
        #expect(await refusal { try await verify(credentials("ts-2")) }?.code == .connectionTestFailed)
        #expect(try await acme.call(credentials("ts-1"), config: ["accountId": "124"]) == 401)
    }
}
