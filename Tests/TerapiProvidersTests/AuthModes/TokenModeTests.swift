import Crypto
import TerapiCore
import TestSupport
import Testing

@testable import TerapiProviders

/// The modes that get a token for what an end user enters, each against a server that checks it.
@Suite(.timeLimit(.minutes(1)))
struct TokenModeTests {
    /// Answers `/me` to whoever shows the token.
    private static func guarded(
        _ token: String = "tok-1",
        _ other: @escaping CheckingServer.Check
    ) -> CheckingServer.Check {
        { request in
            guard request.path == "/me" else { return other(request) }
            return request.headers["authorization"] == "Bearer \(token)" ? .json("{}") : CheckingServer.unsigned
        }
    }

    private func derived(_ new: NewCredentials) throws -> DerivedCredentials {
        guard case .derived(let derived) = new.credentials else { throw TerapiError(.serverError, "another kind") }
        return derived
    }

    private func refusal(_ body: () async throws -> Void) async -> TerapiError? {
        await #expect(throws: TerapiError.self) { try await body() }
    }

    // MARK: Client credentials

    @Test(arguments: ["", "token_request_auth_method: basic", "body_format: json", "body_format: query"])
    func `OAUTH2_CC shows id and secret where the provider wants them`(lines: String) async throws {
        let server = try await CheckingServer(
            Self.guarded { request in
                let basic = "Basic " + Base64.standard.encode(Array("id-1:s%3Acret".utf8))
                let fields =
                    [request.form, request.query, Self.texts(request.json)].first { $0["grant_type"] != nil } ?? [:]
                let isKnown =
                    lines.contains("basic")
                    ? request.headers["authorization"] == basic && fields["client_secret"] == nil
                    : fields["client_id"] == "id-1" && fields["client_secret"] == "s:cret"
                guard isKnown, fields["grant_type"] == "client_credentials", fields["scope"] == "a b" else {
                    return CheckingServer.refused
                }
                return .json(#"{"access_token":"tok-1","tenant":"t9"}"#)
            }
        )
        let acme = try server.provider(
            """
            auth_mode: OAUTH2_CC
            token_url: ROOT/token
            default_scopes: [a, b]
            token_response_metadata: [tenant]
            proxy: {base_url: ROOT}
            \(lines)
            """
        )

        let new = try await acme.connect(["client_id": "id-1", "client_secret": "s:cret"], .oauth2ClientCredentials)

        #expect(try await acme.call(new.credentials) == 200)
        #expect(new.config == ["tenant": "t9"])
        #expect(new.credentials.expiresAt == Sample.now + .seconds(55 * 60))
        let shown = new.credentials.publicJSON(includesRefreshToken: false)
        #expect(shown["type"] == "OAUTH2_CC" && shown["token"] == "tok-1" && shown["client_id"] == "id-1")
        // The controls: another secret, and another token.
        let error = await refusal {
            _ = try await acme.connect(["client_id": "id-1", "client_secret": "no"], .oauth2ClientCredentials)
        }
        #expect(error?.code == .connectionTestFailed && error?.message.contains("invalid_client") == true)
        var other = try derived(new)
        other.issued["token"] = "tok-2"
        #expect(try await acme.call(.derived(other)) == 401)
    }

    private static func texts(_ json: JSONValue?) -> [String: String] {
        Dictionary((json?.object?.members ?? []).compactMap { name, value in value.string.map { (name, $0) } }) { $1 }
    }

    @Test(arguments: [true, false])
    func `OAUTH2_CC signs an assertion with the client's own key`(isRSA: Bool) async throws {
        let key = isRSA ? try TestKey.rsa() : TestKey.ec()
        let server = try await CheckingServer(
            Self.guarded { request in
                let form = request.form
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
                guard let claims = form["client_assertion"].flatMap(key.verifies), claims["iss"] == "id-1",
                    claims["sub"] == "id-1", claims["aud"]?.string?.hasSuffix("/token") == true,
                    claims["exp"]?.int ?? 0 > Sample.now.unixSeconds, claims["jti"] != nil,
                    form["client_assertion_type"] == kind, form["client_secret"] == nil
                else { return CheckingServer.refused }
                return .json(#"{"access_token":"tok-1","expires_in":60}"#)
            }
        )
        let acme = try server.provider(
            """
            auth_mode: OAUTH2_CC
            token_url: ROOT/token
            token_request_auth_method: private_key_jwt
            proxy: {base_url: ROOT}
            """
        )

        let new = try await acme.connect(
            ["client_id": "id-1", "client_private_key": .string(key.pem)], .oauth2ClientCredentials
        )

        #expect(try await acme.call(new.credentials) == 200)
        let other = try TestKey.rsa().pem
        let error = await refusal {
            _ = try await acme.connect(
                ["client_id": "id-1", "client_private_key": .string(other)], .oauth2ClientCredentials
            )
        }
        #expect(error?.code == .connectionTestFailed)
    }

    // MARK: Self-signed

    @Test(arguments: [("RSA", "RS256"), ("EC", "ES256"), ("HMAC", "HS256")])
    func `JWT signs what the file says with what the end user entered`(family: String, algorithm: String) async throws {
        let rsa = try TestKey.rsa()
        let ec = TestKey.ec()
        let secret = "00112233445566778899aabbccddeeff"
        let bytes: [UInt8] = stride(from: 0, to: 256, by: 17).map { UInt8($0) }
        let server = try await CheckingServer { request in
            let token = String(request.headers["authorization"]?.dropFirst(7) ?? "")
            let claims =
                switch family {
                case "RSA": rsa.verifies(token)
                case "EC": ec.verifies(token)
                default: TestKey.hmac(bytes, token)
                }
            guard let claims, claims["iss"] == "issuer-1", claims["header"]?["kid"] == "kid-1",
                claims["aud"] == "/admin/",
                claims["iat"] == JSONValue(Sample.now.unixSeconds),
                claims["exp"] == JSONValue(Sample.now.unixSeconds + 300)
            else { return CheckingServer.unsigned }
            return .json("{}")
        }
        let acme = try server.provider(
            """
            auth_mode: JWT
            signature: {protocol: \(family)}
            credentials:
              issuer: {type: string, title: Issuer}
              privateKey: {type: string, title: Key, secret: true}
            token:
              signing_key: ${credentials.privateKey.secret} || ${credentials.privateKey}
              expires_in_ms: 300000
              header: {alg: \(algorithm), kid: "${credentials.privateKey.id} || kid-1"}
              payload: {iss: "${credentials.issuer}", aud: /admin/}
            proxy: {base_url: ROOT}
            """
        )
        func given(_ key: String) -> JSONObject { ["issuer": "issuer-1", "privateKey": .string(key)] }
        let keys = ["RSA": rsa.pem, "EC": ec.pem, "HMAC": "kid-1:\(secret)"]
        let others = ["RSA": try TestKey.rsa().pem, "EC": TestKey.ec().pem, "HMAC": "kid-1:ff\(secret.dropFirst(2))"]

        let good = try await acme.connect(given(keys[family] ?? ""), .jwt)
        let bad = try await acme.connect(given(others[family] ?? ""), .jwt)

        #expect(try await acme.call(good.credentials) == 200)
        #expect(try await acme.call(bad.credentials) == 401)
        #expect(good.credentials.expiresAt == Sample.now + .seconds(300))
    }

    @Test func `SIGNATURE shows a digest of the password that is good once`() async throws {
        let server = try await CheckingServer { request in
            let header = request.headers["x-wsse"] ?? ""
            var fields: [String: String] = [:]
            for part in header.drop(while: { $0 != " " }).split(separator: ",") {
                let pair = part.split(separator: "=", maxSplits: 1)
                fields[pair[0].filter { $0 != " " }] = String(pair[1].dropFirst().dropLast())
            }
            let nonce = fields["Nonce"].flatMap(Base64.standard.decode) ?? []
            let text = String(decoding: nonce, as: UTF8.self) + (fields["Created"] ?? "") + "pass-1"
            let digest = Base64.standard.encode(Array(Insecure.SHA1.hash(data: Array(text.utf8))))
            let isGood =
                header.hasPrefix("UsernameToken ") && fields["Username"] == "user-1" && nonce.count >= 16
                && fields["PasswordDigest"] == digest && fields["Created"] == "2023-11-14T22:13:20Z"
                && request.headers["authorization"] == nil && !header.contains("pass-1")
            return isGood ? .json("{}") : CheckingServer.unsigned
        }
        let acme = try server.provider(
            """
            auth_mode: SIGNATURE
            signature: {protocol: WSSE}
            token: {expires_in_ms: 240000}
            proxy:
              base_url: ROOT
              headers: {x-wsse: "${accessToken}"}
            """
        )

        let good = try await acme.connect(["username": "user-1", "password": "pass-1"], .signature)
        let bad = try await acme.connect(["username": "user-1", "password": "pass-2"], .signature)

        #expect(try await acme.call(good.credentials) == 200)
        #expect(try await acme.call(bad.credentials) == 401)
        #expect(good.credentials.expiresAt == Sample.now + .seconds(240))
    }

    // MARK: Apps

    @Test func `APP shows the app's own token for one of the installation`() async throws {
        let key = try TestKey.rsa()
        let server = try await CheckingServer(
            Self.guarded { request in
                let token = String(request.headers["authorization"]?.dropFirst(7) ?? "")
                guard let claims = key.verifies(token), claims["iss"] == "app-1",
                    let begin = claims["iat"]?.int, let end = claims["exp"]?.int, begin < Sample.now.unixSeconds,
                    end > Sample.now.unixSeconds, end - begin <= 600
                else { return CheckingServer.refused }
                guard request.method == "POST", request.path == "/app/installations/77/access_tokens" else {
                    return .json(#"{"message":"Not Found"}"#, status: 404)
                }
                return .json(#"{"token":"tok-1","expires_at":"2023-11-14T23:13:20Z"}"#, status: 201)
            }
        )
        let acme = try server.provider(
            """
            auth_mode: APP
            authorization_url: ${connectionConfig.appPublicLink}/installations/new
            token_url: ROOT/app/installations/${connectionConfig.installation_id}/access_tokens
            proxy: {base_url: ROOT}
            """
        )
        func integration(_ pem: String) -> Integration {
            var integration = Sample.integration("acme")
            integration.credentials?.app = .init(
                id: "app-1", link: "https://hub.example/apps/me", privateKey: Secret(pem))
            return integration
        }
        let begun = try await acme.beginAuthorization(
            AuthorizationRequest(
                integration: integration(key.pem), config: [:], redirectURI: "http://r/cb", state: "state-1",
                codeVerifier: nil
            )
        )
        func finish(_ query: [String: String], pem: String) async throws -> NewCredentials {
            try await acme.exchange(
                CodeExchange(
                    integration: integration(pem), config: [:], redirectURI: "http://r/cb", codeVerifier: nil,
                    callbackQuery: query
                ),
                now: Sample.now
            )
        }

        let new = try await finish(["installation_id": "77", "setup_action": "install"], pem: key.pem)

        #expect(begun.url == "https://hub.example/apps/me/installations/new?state=state-1")
        #expect(try await acme.call(new.credentials) == 200)
        #expect(new.config == ["installation_id": "77"])
        #expect(new.credentials.expiresAt == Sample.now + .seconds(3600))
        #expect(new.credentials.publicJSON(includesRefreshToken: false)["access_token"] == "tok-1")
        let other = try TestKey.rsa().pem
        for (query, pem) in [
            (["installation_id": "78"], key.pem), (["installation_id": "77"], other), ([:], key.pem),
            (["installation_id": "../../77"], key.pem), (["setup_action": "request"], key.pem),
        ] {
            _ = await refusal { _ = try await finish(query, pem: pem) }
        }
    }

    @Test func `a refusal of the app's key is the integration's trouble, and a lost installation the connection's`()
        async throws
    {
        let server = try await CheckingServer { _ in .json("{}") }
        let acme = try server.provider("auth_mode: APP\ntoken_url: ROOT/x\nproxy: {base_url: ROOT}")
        func read(_ status: Int, _ body: String) -> String {
            let access = Sample.access(
                "acme", credentials: .derived(DerivedCredentials(mode: .app, given: ["installation_id": "1"]))
            )
            let answer = RefreshAnswer(status: status, contentType: "", retryAfter: nil, body: Array(body.utf8))
            return switch acme.readRefresh(answer, access: access, now: Sample.now) {
            case .refreshed: "refreshed"
            case .invalidGrant: "grant"
            case .invalidClient: "client"
            case .retryLater: "later"
            }
        }

        #expect(read(401, #"{"message":"Bad credentials"}"#) == "client")
        #expect(read(404, #"{"message":"Not Found"}"#) == "grant")
        #expect(read(503, "{}") == "later")
        #expect(read(404, "<html></html>") == "later")
    }
}
