import Crypto
import TerapiCore

/// A token made from what the end user entered, without asking anybody.
struct SelfSignedToken {
    let signed: Provider.SelfSigned
    let values: TemplateValues

    init(_ signed: Provider.SelfSigned, _ values: TemplateValues) {
        self.signed = signed
        self.values = values
    }

    /// - Throws: `TerapiError` with `.invalidBody` when a field or the key does not fit.
    func text() throws -> String {
        if signed.family == .wsse { return try usernameToken() }
        let key = Template(signed.signingKey).render(values)
        guard key.isResolved else {
            throw TerapiError(.invalidBody, "The signing key is missing: \(key.unresolved.joined(separator: ", ")).")
        }
        return try JSONWebToken.signed(
            header: header,
            payload: payload,
            algorithm: algorithm,
            key: signed.family == .hmac ? hmacKey(key.text) : Array(key.text.utf8)
        )
    }

    private var header: JSONObject {
        JSONObject(
            signed.header.compactMap { entry in
                let rendering = Template(entry.value).render(values)
                return rendering.isResolved ? (entry.name, .string(rendering.text)) : nil
            }
        )
    }

    private var payload: JSONObject {
        var payload = ConnectionRequest.rendered(.object(signed.payload), values).object ?? JSONObject()
        let now = values.now.unixSeconds
        if payload["iat"] == nil { payload["iat"] = JSONValue(now) }
        if payload["exp"] == nil {
            payload["exp"] = JSONValue(now + Int64((signed.lifetime ?? DerivedTokens.usualLifetime).seconds))
        }
        return payload
    }

    private var algorithm: JSONWebToken.Algorithm {
        let named = signed.header.first { $0.name == "alg" }.flatMap { JSONWebToken.Algorithm(rawValue: $0.value) }
        switch signed.family {
        case .hmac: return .hs256
        case .ec: return .es256
        case .rsa, .wsse: return named ?? .rs256
        }
    }

    /// Secrets of this kind are mostly shown as hexadecimal digits; the file says where they are text.
    private func hmacKey(_ text: String) -> [UInt8] {
        let digits = text.compactMap(\.hexDigitValue)
        let isHex = !text.isEmpty && digits.count == text.count && digits.count % 2 == 0
        switch signed.hmacKeyEncoding ?? (isHex ? .hex : .utf8) {
        case .hex where isHex:
            return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
        case .base64: return Base64.standard.decode(text) ?? Array(text.utf8)
        default: return Array(text.utf8)
        }
    }

    /// The digest is of nonce, moment and password (WS-Security UsernameToken Profile 1.0, section 3.1); the nonce goes
    /// over as Base64.
    private func usernameToken() throws -> String {
        guard let username = values.value("credentials.username"), let password = values.value("credentials.password")
        else { throw TerapiError(.invalidBody, "User name and password are needed.") }
        let nonce = hex(randomBytes(16))
        let created = DateFormat.text(of: values.now, format: "YYYY-MM-DDTHH:mm:ss[Z]")
        let digest = Insecure.SHA1.hash(data: Array("\(nonce)\(created)\(password)".utf8))
        let name = username.filter { $0 != "\"" && $0 != "\\" }
        return "UsernameToken Username=\"\(name)\", PasswordDigest=\"\(Base64.standard.encode(Array(digest)))\", "
            + "Nonce=\"\(Base64.standard.encode(Array(nonce.utf8)))\", Created=\"\(created)\""
    }
}
