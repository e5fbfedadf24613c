import Crypto
import TerapiCore

/// The `Authorization` header of OAuth 1 (RFC 5849, section 3), and of NetSuite's token-based authentication.
struct OAuth1Signature {
    var consumerKey: String
    var consumerSecret: Secret
    var token: String?
    var tokenSecret: Secret?
    var method: Provider.OAuth1.SignatureMethod = .hmacSHA1
    var realm: String?
    /// `oauth_callback` and `oauth_verifier` while a token is being got.
    var further: [(name: String, value: String)] = []
    var timestamp: Int64
    var nonce = hex(randomBytes(16))

    func header(for request: OutboundRequest) throws -> String {
        var fields = [
            ("oauth_consumer_key", consumerKey), ("oauth_signature_method", method.rawValue),
            ("oauth_timestamp", String(timestamp)), ("oauth_nonce", nonce), ("oauth_version", "1.0"),
        ]
        if let token { fields.append(("oauth_token", token)) }
        fields += further.map { ($0.name, $0.value) }
        fields.append(("oauth_signature", try signature(of: request, fields)))
        let texts = fields.map { "\($0)=\"\(PercentEncoding.encode($1))\"" }
        let place = realm.map { ["realm=\"\($0.filter { $0 != "\"" && $0 != "\\" })\""] } ?? []
        return "OAuth " + (place + texts).joined(separator: ", ")
    }

    private func signature(of request: OutboundRequest, _ fields: [(String, String)]) throws -> String {
        let key = [consumerSecret.reveal(), tokenSecret?.reveal() ?? ""].map(PercentEncoding.encode).joined(
            separator: "&")
        if method == .plaintext { return key }
        let base = Array(try Self.base(of: request, fields).utf8)
        let symmetric = SymmetricKey(data: Array(key.utf8))
        switch method {
        case .hmacSHA256: return Base64.standard.encode(hmacSHA256(key: Array(key.utf8), base))
        default:
            return Base64.standard.encode(
                Array(HMAC<Insecure.SHA1>.authenticationCode(for: base, using: symmetric)))
        }
    }

    /// RFC 5849, section 3.4.1.
    static func base(of request: OutboundRequest, _ fields: [(String, String)]) throws -> String {
        let url: OutboundURL
        do {
            url = try OutboundURL(request.url)
        } catch {
            throw TerapiError(.invalidBody, "The address of the request cannot be signed: \(error.reason).")
        }
        let isDefaultPort = url.port == (url.isHTTPS ? 443 : 80)
        let path = url.target.prefix { $0 != "?" }
        let root = "\(url.isHTTPS ? "https" : "http")://\(url.hostText)\(isDefaultPort ? "" : ":\(url.port)")\(path)"
        var parameters = PercentEncoding.form(String(url.target.drop { $0 != "?" }.dropFirst()))
        let type = request.headers.first { $0.name.lowercased() == "content-type" }?.value.lowercased() ?? ""
        if type.hasPrefix("application/x-www-form-urlencoded"), let body = request.body {
            parameters += PercentEncoding.form(String(decoding: body, as: UTF8.self))
        }
        let encoded = (parameters.map { ($0.name, $0.value) } + fields)
            .map { (name: PercentEncoding.encode($0), value: PercentEncoding.encode($1)) }
            .sorted { ($0.name, $0.value) < ($1.name, $1.value) }
        let normalized = encoded.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
        return [request.method.uppercased(), root, normalized].map(PercentEncoding.encode).joined(separator: "&")
    }
}
