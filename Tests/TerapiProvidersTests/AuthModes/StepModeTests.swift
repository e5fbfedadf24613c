import Crypto
import Synchronization
import TerapiCore
import TestSupport
import Testing

@testable import TerapiProviders

/// TWO_STEP, BILL and AWS_SIGV4: requests of their own kind that lead to a token, a session or keys.
@Suite(.timeLimit(.minutes(1)))
struct StepModeTests {
    private static let given: JSONObject = ["user": "u <1>", "secret": "s&1"]

    private static let form = """
        credentials:
          user: {type: string, title: User}
          secret: {type: string, title: Secret, secret: true}
        """

    private func refusal(_ body: () async throws -> Void) async -> TerapiError? {
        await #expect(throws: TerapiError.self) { try await body() }
    }

    private static func me(_ request: LoopbackServer.Request) -> LoopbackServer.Answer? {
        guard request.path == "/me" else { return nil }
        return request.headers["authorization"] == "Bearer tok-1" ? .json("{}") : CheckingServer.unsigned
    }

    struct Format: Sendable {
        var lines: String
        /// Whether a request says who asks, in the form of the file.
        var isKnown: @Sendable (LoopbackServer.Request) -> Bool
        var answer = #"{"data":{"token":"tok-1","until":3600}}"#
    }

    @Test(arguments: [
        Format(lines: "body_format: json") { request in
            request.headers["content-type"] == "application/json" && request.json?["auth"]?["user"] == "u <1>"
                && request.json?["auth"]?["secret"] == "s&1"
        },
        Format(lines: "body_format: form\ntoken_params: {user: '${credentials.user}', secret: '${credentials.secret}'}")
        {
            $0.headers["content-type"] == "application/x-www-form-urlencoded" && $0.form["user"] == "u <1>"
                && $0.form["secret"] == "s&1"
        },
        Format(
            lines: "body_format: xml",
            isKnown: {
                $0.headers["content-type"] == "application/xml"
                    && $0.text.hasSuffix("<auth><user>u &lt;1&gt;</user><secret>s&amp;1</secret></auth>")
            },
            answer: "<r:data xmlns:r='urn:x'><token>tok-1</token><until>3600</until></r:data>"
        ),
        Format(
            lines:
                "token_request_method: GET\ntoken_params: {user: '${credentials.user}', secret: '${credentials.secret}'}"
        ) { $0.method == "GET" && $0.body.isEmpty && $0.query["user"] == "u <1>" && $0.query["secret"] == "s&1" },
        Format(
            lines:
                "token_params: {}\ntoken_headers: {authorization: 'Basic ${base64(${credentials.user}:${credentials.secret})}'}"
        ) {
            $0.headers["authorization"] == "Basic dSA8MT46cyYx"
        },
    ])
    func `TWO_STEP asks in the form of the file`(format: Format) async throws {
        let server = try await CheckingServer { request in
            Self.me(request) ?? (format.isKnown(request) ? .json(format.answer) : CheckingServer.refused)
        }
        let usual =
            format.lines.contains("token_params")
            ? "" : "token_params: {auth: {user: '${credentials.user}', secret: '${credentials.secret}'}}"
        let acme = try server.provider(
            """
            auth_mode: TWO_STEP
            token_url: ROOT/token
            \(usual)
            \(format.lines)
            token_response: {token: data.token, token_expiration: data.until, token_expiration_strategy: expireIn}
            \(Self.form)
            proxy: {base_url: ROOT}
            """
        )

        let new = try await acme.connect(Self.given, .twoStep)

        #expect(try await acme.call(new.credentials) == 200)
        #expect(new.credentials.expiresAt == Sample.now + .seconds(3600))
        let shown = new.credentials.publicJSON(includesRefreshToken: false)
        #expect(shown["user"] == "u <1>" && shown["token"] == "tok-1")
        let error = await refusal { _ = try await acme.connect(["user": "u <1>", "secret": "s&2"], .twoStep) }
        #expect(error?.code == .connectionTestFailed)
    }

    @Test func `TWO_STEP takes what one step answers into the next`() async throws {
        let server = try await CheckingServer { request in
            switch request.path {
            case "/find" where request.json?["user"] == "u <1>": .json(#"{"door":"door-1","key":{"id":7}}"#)
            case "/door-1" where request.form == ["k": "7"]: .json(#"{"code":"c-1"}"#)
            case "/token" where request.method == "GET" && request.headers["authorization"] == "Bearer c-1":
                .json(#"{"token":"tok-1","tenant":"t-1"}"#)
            default: Self.me(request) ?? CheckingServer.refused
            }
        }
        let acme = try server.provider(
            """
            auth_mode: TWO_STEP
            token_url: ROOT/find
            token_params: {user: "${credentials.user}"}
            additional_steps:
              - {token_url: "ROOT/${step1.door}", body_format: form, token_params: {k: "${step1.key.id}"}}
              - {token_url: ROOT/token, token_request_method: GET, token_headers: {authorization: "Bearer ${step2.code}"}}
            token_response: {token: token}
            token_response_metadata: [tenant]
            \(Self.form)
            proxy: {base_url: ROOT}
            """
        )

        let new = try await acme.connect(Self.given, .twoStep)

        #expect(try await acme.call(new.credentials) == 200)
        #expect(new.config == ["tenant": "t-1"])
        #expect(new.credentials.expiresAt == nil)
        // The control: who is refused in the first step does not get to the second.
        _ = await refusal { _ = try await acme.connect(["user": "other", "secret": "s"], .twoStep) }
        #expect(server.server.requests.last?.path == "/find")
    }

    @Test func `TWO_STEP renews with the refresh token it was given, and keeps the next one`() async throws {
        let current = Mutex(1)
        let server = try await CheckingServer { request in
            if let answer = Self.me(request) { return answer }
            return current.withLock { number in
                guard request.path == "/token" || request.json?["rt"] == .string("r-\(number)") else {
                    return CheckingServer.refused
                }
                number += request.path == "/renew" ? 1 : 0
                return .json(#"{"token":"tok-\#(number)","next":"r-\#(number)","end":"2023-11-14T23:13:20Z"}"#)
            }
        }
        let acme = try server.provider(
            """
            auth_mode: TWO_STEP
            token_url: ROOT/token
            token_params: {user: "${credentials.user}"}
            refresh_url: ROOT/renew
            refresh_token_params: {rt: "${refresh_token}"}
            token_response:
              {token: token, refresh_token: next, token_expiration: end, token_expiration_strategy: expireAt}
            \(Self.form)
            proxy: {base_url: ROOT}
            """
        )
        let first = try await acme.connect(Self.given, .twoStep)
        #expect(first.credentials.expiresAt == Sample.now + .seconds(3600))

        let access = Sample.access("acme", credentials: first.credentials)
        guard case .answer(let answer) = await acme.sendRefresh(access),
            case .refreshed(let second) = acme.readRefresh(answer, access: access, now: Sample.now),
            case .derived(let derived) = second.credentials
        else {
            Issue.record("not refreshed")
            return
        }

        #expect(derived.token == Secret("tok-2") && derived.refreshToken == Secret("r-2"))
        #expect(derived.given == Self.given)
        #expect(!second.credentials.publicJSON(includesRefreshToken: false).text().contains("r-2"))
        // The first refresh token is used up.
        guard case .answer(let late) = await acme.sendRefresh(access) else { return }
        guard case .invalidGrant = acme.readRefresh(late, access: access, now: Sample.now) else {
            Issue.record("\(late)")
            return
        }
    }

    @Test(arguments: [
        ("token_expires_in_ms: 60000", #"{"token":"t"}"#, 60 as Int64?),
        ("token_expires_in_ms: 0", #"{"token":"t"}"#, nil),
        // A token that says itself when it ends is renewed a quarter of an hour before: exp is an hour from now.
        ("", #"{"token":"e30.eyJleHAiOjE3MDAwMDM2MDB9.c2ln"}"#, 2700), ("", #"{"token":"opaque"}"#, nil),
        ("token_expires_in_ms: 60000", #"{"token":"t","ttl":"30"}"#, 30),
    ])
    func `TWO_STEP knows how long a token lives`(lines: String, answer: String, life: Int64?) async throws {
        let server = try await CheckingServer { _ in .json(answer) }
        let acme = try server.provider(
            """
            auth_mode: TWO_STEP
            token_url: ROOT/token
            token_response: {token: token, token_expiration: ttl, token_expiration_strategy: expireIn}
            \(lines)
            """
        )

        let new = try await acme.connect([:], .twoStep)

        #expect(new.credentials.expiresAt == life.map { Sample.now + .seconds($0) })
    }

    @Test func `TWO_STEP can keep a session that is a cookie`() async throws {
        let server = try await CheckingServer { request in
            if request.path == "/me" {
                let isKnown = request.headers["cookie"] == "S=1; R=2" && request.headers["authorization"] == nil
                return isKnown ? .json("{}") : CheckingServer.unsigned
            }
            return .http(
                200, headers: [("Set-Cookie", "S=1; Path=/; HttpOnly"), ("Set-Cookie", "R=2")], body: Array("{}".utf8))
        }
        let acme = try server.provider(
            """
            auth_mode: TWO_STEP
            token_url: ROOT/login
            token_response: {token: token}
            token_response_headers: [Set-Cookie]
            proxy: {base_url: ROOT}
            """
        )

        let new = try await acme.connect([:], .twoStep)

        #expect(try await acme.call(new.credentials) == 200)
    }

    @Test func `an assertion from a key that is entered once is kept, and the key is not`() async throws {
        let key = TestKey.ec()
        let server = try await CheckingServer { request in
            guard let claims = request.form["client_assertion"].flatMap(key.verifies), claims["iss"] == "u <1>",
                claims["exp"] == JSONValue(Sample.now.unixSeconds + 15_552_000), claims["header"]?["kid"] == "k-1"
            else { return CheckingServer.refused }
            return .json(#"{"access_token":"tok-1"}"#)
        }
        let acme = try server.provider(
            """
            auth_mode: TWO_STEP
            token_url: ROOT/token
            body_format: form
            token_params: {client_assertion: "${credentials.assertion}"}
            token_response: {token: access_token}
            assertion_option:
              privateKey: {type: string, title: Private key, secret: true}
            assertion:
              type: jwt
              key: ${assertionOption.privateKey}
              lifetimeInSeconds: "15552000"
              header: {alg: ES256, kid: k-1}
              payload: {iss: "${credentials.user}"}
            """
        )

        let new = try await acme.connect(["user": "u <1>"], .twoStep, once: ["privateKey": .string(key.pem)])
        let access = Sample.access("acme", credentials: new.credentials)
        let again = try await acme.issue(access, now: Sample.now)

        for stored in [new.credentials.stored.text(), again.credentials.stored.text()] {
            #expect(!stored.contains("PRIVATE"))
            #expect(stored.contains("assertion"))
        }
        let other = TestKey.ec().pem
        _ = await refusal {
            _ = try await acme.connect(["user": "u <1>"], .twoStep, once: ["privateKey": .string(other)])
        }
    }

    @Test func `a token request may show a token that is signed here`() async throws {
        let key = try TestKey.rsa()
        let server = try await CheckingServer { request in
            guard request.form["grant_type"] == "jwt-bearer",
                let claims = request.form["assertion"].flatMap(key.verifies),
                claims["sub"] == "u <1>"
            else { return CheckingServer.refused }
            return .json(#"{"access_token":"tok-1","expires_in":3599}"#)
        }
        let acme = try server.provider(
            """
            auth_mode: TWO_STEP
            token_url: ROOT/token
            body_format: form
            token_params: {grant_type: jwt-bearer, assertion: "${token}"}
            token_response: {token: access_token, token_expiration: expires_in, token_expiration_strategy: expireIn}
            signature: {protocol: RSA}
            token:
              signing_key: ${credentials.privateKey}
              payload: {sub: "${credentials.user}"}
            """
        )

        let new = try await acme.connect(["user": "u <1>", "privateKey": .string(key.pem)], .twoStep)

        #expect(new.credentials.expiresAt == Sample.now + .seconds(3599))
        let other = try TestKey.rsa().pem
        _ = await refusal { _ = try await acme.connect(["user": "u <1>", "privateKey": .string(other)], .twoStep) }
    }

    // MARK: Sessions

    @Test func `BILL signs in and shows session and developer key`() async throws {
        let server = try await CheckingServer { request in
            if request.path == "/me" {
                let isKnown = request.headers["sessionid"] == "ses-1" && request.headers["devkey"] == "dev-1"
                return isKnown && request.headers["authorization"] == nil ? .json("{}") : CheckingServer.unsigned
            }
            let expected: JSONValue = ["username": "u", "password": "p", "organizationId": "o", "devKey": "dev-1"]
            return request.json == expected
                ? .json(#"{"sessionId":"ses-1","userId":"u-1","organizationId":"o"}"#)
                : .json(#"[{"code":"BDC_1109","message":"Invalid login"}]"#, status: 401)
        }
        let acme = try server.provider(
            """
            auth_mode: BILL
            token_url: ROOT/v3/login
            proxy:
              base_url: ROOT
              headers: {sessionId: "${credentials.sessionId}", devKey: "${credentials.dev_key}"}
            """
        )
        func given(_ password: JSONValue) -> JSONObject {
            ["username": "u", "password": password, "organization_id": "o", "dev_key": "dev-1"]
        }

        let new = try await acme.connect(given("p"), .bill)

        #expect(try await acme.call(new.credentials) == 200)
        let shown = new.credentials.publicJSON(includesRefreshToken: false)
        #expect(shown["session_id"] == "ses-1" && shown["user_id"] == "u-1" && shown["organization_id"] == "o")
        #expect(await refusal { _ = try await acme.connect(given("q"), .bill) }?.code == .connectionTestFailed)
    }

    // MARK: AWS

    @Test func `AWS_SIGV4 takes on the end user's role and signs with its keys`() async throws {
        let server = try await CheckingServer { request in
            if request.path == "/" {
                guard request.isSigned(key: "AKIDOURS", secret: "our-secret", session: nil, "us-east-1", "sts"),
                    request.form["Action"] == "AssumeRole", request.form["ExternalId"] == "ext-1",
                    request.form["RoleArn"] == "arn:aws:iam::1:role/r"
                else {
                    return .json(
                        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>",
                        status: 403
                    )
                }
                return .json(
                    """
                    <AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
                    <AccessKeyId>ASIATEMP</AccessKeyId><SecretAccessKey>temp/secret</SecretAccessKey>
                    <SessionToken>session==</SessionToken><Expiration>2023-11-14T23:13:20Z</Expiration>
                    </Credentials></AssumeRoleResult></AssumeRoleResponse>
                    """
                )
            }
            let isSigned = request.isSigned(
                key: "ASIATEMP", secret: "temp/secret", session: "session==", "eu-central-1", "execute-api"
            )
            return isSigned ? .json("{}") : CheckingServer.unsigned
        }
        let acme = try server.provider("auth_mode: AWS_SIGV4\nproxy: {base_url: ROOT/stage}")
        func integration(_ secret: JSONValue) -> Integration {
            Sample.integration(
                "acme",
                custom: [
                    "access_key_id": "AKIDOURS", "secret_access_key": secret, "service": "execute-api",
                    "sts_url": .string(server.url),
                ]
            )
        }
        let given: JSONObject = ["role_arn": "arn:aws:iam::1:role/r", "region": "eu-central-1"]
        func connect(_ secret: JSONValue = "our-secret", external: JSONValue = "ext-1") async throws -> NewCredentials {
            try await acme.connect(
                given, .awsSigV4, integration: integration(secret), config: ["external_id": external]
            )
        }

        let new = try await connect()

        let post = ScriptRequest(
            method: "POST", endpoint: "/a%20b/c?z=1&y=ä", headers: [("content-type", "application/json")],
            body: Array(#"{"a":1}"#.utf8)
        )
        #expect(try await acme.call(new.credentials, integration: integration("our-secret")) == 200)
        #expect(try await acme.call(new.credentials, post, integration: integration("our-secret")) == 200)
        let shown = new.credentials.publicJSON(includesRefreshToken: false)
        #expect(
            shown["session_token"] == "session==" && shown["external_id"] == "ext-1"
                && shown["region"] == "eu-central-1")
        #expect(new.credentials.expiresAt == Sample.now + .seconds(3600))
        // The controls: another key of ours, another external id, another key of the role.
        _ = await refusal { _ = try await connect("other") }
        _ = await refusal { _ = try await connect(external: "ext-2") }
        guard case .derived(var other) = new.credentials else { return }
        other.issued["secret_access_key"] = "temp/secres"
        #expect(try await acme.call(.derived(other), integration: integration("our-secret")) == 401)
    }
}

extension LoopbackServer.Request {
    /// Whether this is signed by Signature Version 4, computed from what has arrived.
    func isSigned(key: String, secret: String, session: String?, _ region: String, _ service: String) -> Bool {
        guard let header = headers["authorization"], let date = headers["x-amz-date"],
            headers["x-amz-security-token"] == session
        else { return false }
        let day = String(date.prefix(8))
        let scope = "\(day)/\(region)/\(service)/aws4_request"
        let names = header.components(after: "SignedHeaders=")
        let lines = names.split(separator: ";").map { "\($0):\(headers[String($0)] ?? "")" }
        let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
        let pairs = (parts.count == 2 ? parts[1] : "").split(separator: "&").map(String.init).sorted()
        let path = parts[0].split(separator: "/", omittingEmptySubsequences: false)
            .map { PercentEncoding.encode(String($0)) }.joined(separator: "/")
        let canonical = ([method, path, pairs.joined(separator: "&")] + lines + ["", names, hex(sha256(body))])
            .joined(separator: "\n")
        let text = "AWS4-HMAC-SHA256\n\(date)\n\(scope)\n\(hex(sha256(Array(canonical.utf8))))"
        var derived = Array("AWS4\(secret)".utf8)
        for step in [day, region, service, "aws4_request"] {
            derived = hmacSHA256(key: derived, Array(step.utf8))
        }
        let signature = hex(hmacSHA256(key: derived, Array(text.utf8)))
        return names.contains("host") && header.hasPrefix("AWS4-HMAC-SHA256 Credential=\(key)/\(scope),")
            && header.components(after: "Signature=") == signature
    }
}

extension String {
    fileprivate func components(after name: String) -> String {
        firstRange(of: name).map { String(self[$0.upperBound...].prefix { $0 != "," }) } ?? ""
    }
}
