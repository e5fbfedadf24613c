import Crypto
import CryptoExtras
import TerapiCore
import TestSupport

@testable import TerapiProviders

/// A provider on loopback that looks at what every request shows before it answers, by its own reading of the rules.
struct CheckingServer {
    typealias Check = @Sendable (LoopbackServer.Request) -> LoopbackServer.Answer

    let server: LoopbackServer
    let client: ProviderClient

    init(_ check: @escaping Check) async throws {
        server = try await LoopbackServer(answer: check)
        client = ProviderClient(guardedBy: OutboundGuard(allowed: try loopback(), lifetime: .zero))
    }

    var url: String { server.url }

    /// The provider `acme`, whose file may say `ROOT` for this server.
    func provider(_ lines: String) throws -> ProviderRequests {
        let text = "display_name: Acme\ncategories: [other]\ndocs: https://acme.example\n" + lines
        let file = ProviderCatalog.File(path: "acme.yaml", name: "acme", text: text.replacing("ROOT", with: url))
        return ProviderRequests(
            catalog: try ProviderCatalog(files: [file]), client: client, clock: FixedClock()
        )
    }

    static let refused = LoopbackServer.Answer.json(#"{"error":"invalid_client"}"#, status: 401)
    static let unsigned = LoopbackServer.Answer.json(#"{"error":"unauthorized"}"#, status: 401)
}

extension ProviderRequests {
    /// Gets what goes with credentials as a connect session does.
    func connect(
        _ given: JSONObject,
        _ mode: AuthMode,
        integration: Integration = Sample.integration("acme"),
        config: JSONObject = [:],
        once: JSONObject = [:]
    ) async throws -> NewCredentials {
        var derived = DerivedCredentials(mode: mode, given: given)
        derived.once = once
        let access = ConnectionAccess(
            integration: integration, connectionID: "c", config: config, credentials: .derived(derived)
        )
        return try await issue(access, now: Sample.now)
    }

    /// The status of a call in the name of a connection.
    func call(
        _ credentials: Credentials,
        _ request: ScriptRequest = ScriptRequest(method: "GET", endpoint: "/me?b=2&a=1%20x"),
        integration: Integration = Sample.integration("acme"),
        config: JSONObject = [:]
    ) async throws -> Int {
        let access = ConnectionAccess(
            integration: integration, connectionID: "c", config: config, credentials: credentials
        )
        return try await send(request, access: access).status
    }
}

extension LoopbackServer.Request {
    var path: String { String(target.prefix { $0 != "?" }) }
    var query: [String: String] { Dictionary(queryPairs) { $1 } }
    var form: [String: String] { Dictionary(Self.pairs(text)) { $1 } }
    var json: JSONValue? { try? JSONReader.read(body) }

    private var queryPairs: [(String, String)] { Self.pairs(String(target.drop { $0 != "?" }.dropFirst())) }

    private static func pairs(_ text: String) -> [(String, String)] {
        text.split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1).map {
                PercentEncoding.decode($0, plusIsSpace: true) ?? ""
            }
            return (parts[0], parts.count == 2 ? parts[1] : "")
        }
    }

    // MARK: OAuth 1

    /// Whether the signature is one of these two secrets, by RFC 5849 as a server reads it.
    func isSigned(
        method: String,
        consumerSecret: String,
        tokenSecret: String,
        root: String,
        realm: String? = nil
    ) -> Bool {
        guard let header = headers["authorization"], header.hasPrefix("OAuth ") else { return false }
        var fields: [String: String] = [:]
        for part in header.dropFirst(6).split(separator: ",") {
            let pair = part.split(separator: "=", maxSplits: 1)
            let value = pair[1].dropFirst().dropLast()
            fields[pair[0].filter { $0 != " " }] = PercentEncoding.decode(value)
        }
        guard let signature = fields.removeValue(forKey: "oauth_signature"),
            fields.removeValue(forKey: "realm") == realm,
            fields["oauth_signature_method"] == method, fields["oauth_version"] == "1.0",
            fields["oauth_timestamp"] == String(Sample.now.unixSeconds), (fields["oauth_nonce"]?.count ?? 0) >= 16
        else { return false }
        let key = PercentEncoding.encode(consumerSecret) + "&" + PercentEncoding.encode(tokenSecret)
        if method == "PLAINTEXT" { return signature == key }
        var pairs = fields.map { [PercentEncoding.encode($0), PercentEncoding.encode($1)] }
        pairs += queryPairs.map { [PercentEncoding.encode($0), PercentEncoding.encode($1)] }
        if headers["content-type"] == "application/x-www-form-urlencoded" {
            pairs += Self.pairs(text).map { [PercentEncoding.encode($0), PercentEncoding.encode($1)] }
        }
        let sorted = pairs.sorted { $0[0] == $1[0] ? $0[1] < $1[1] : $0[0] < $1[0] }
        let normal = sorted.map { $0.joined(separator: "=") }.joined(separator: "&")
        let base = [self.method, root + path, normal].map(PercentEncoding.encode).joined(separator: "&")
        let symmetric = SymmetricKey(data: Array(key.utf8))
        let bytes = Array(base.utf8)
        let expected =
            method == "HMAC-SHA256"
            ? Array(HMAC<SHA256>.authenticationCode(for: bytes, using: symmetric))
            : Array(HMAC<Insecure.SHA1>.authenticationCode(for: bytes, using: symmetric))
        return signature == Base64.standard.encode(expected)
    }
}

/// Keys of one kind, made for one test.
enum TestKey {
    static func rsa() throws -> (pem: String, verifies: @Sendable (String) -> JSONValue?) {
        let key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
        let pem = key.publicKey.pemRepresentation
        return (
            key.pemRepresentation,
            { token in
                claims(token, "RS256") { message, signature in
                    guard let key = try? _RSA.Signing.PublicKey(pemRepresentation: pem) else { return false }
                    return key.isValidSignature(
                        _RSA.Signing.RSASignature(rawRepresentation: signature), for: message,
                        padding: .insecurePKCS1v1_5
                    )
                }
            }
        )
    }

    static func ec() -> (pem: String, verifies: @Sendable (String) -> JSONValue?) {
        let key = P256.Signing.PrivateKey()
        return (
            key.pemRepresentation,
            { token in
                claims(token, "ES256") { message, signature in
                    guard let signature = try? P256.Signing.ECDSASignature(rawRepresentation: signature) else {
                        return false
                    }
                    return key.publicKey.isValidSignature(signature, for: message)
                }
            }
        )
    }

    static func hmac(_ key: [UInt8], _ token: String) -> JSONValue? {
        claims(token, "HS256") { message, signature in
            HMAC<SHA256>.isValidAuthenticationCode(
                signature, authenticating: message, using: SymmetricKey(data: key)
            )
        }
    }

    /// The claims of a token whose signature holds, with its header under `header`.
    private static func claims(
        _ token: String,
        _ algorithm: String,
        _ isValid: (_ message: [UInt8], _ signature: [UInt8]) -> Bool
    ) -> JSONValue? {
        let parts = token.split(separator: ".").map(String.init)
        let bytes = parts.compactMap(Base64.url.decode)
        guard parts.count == 3, bytes.count == 3, isValid(Array("\(parts[0]).\(parts[1])".utf8), bytes[2]),
            let header = try? JSONReader.read(bytes[0]), header["alg"]?.string == algorithm,
            var claims = (try? JSONReader.read(bytes[1]))?.object
        else { return nil }
        claims["header"] = header
        return .object(claims)
    }
}
