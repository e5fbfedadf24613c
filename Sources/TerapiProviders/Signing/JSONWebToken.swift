import Crypto
import CryptoExtras
import TerapiCore

/// A JSON Web Token in the compact form (RFC 7515, RFC 7519), signed here.
enum JSONWebToken {
    enum Algorithm: String, CaseIterable {
        case rs256 = "RS256"
        case ps256 = "PS256"
        case es256 = "ES256"
        case hs256 = "HS256"
    }

    /// - Parameters:
    ///   - header: `alg` is put in or replaced, so that it says what was done.
    ///   - key: a private key as PEM; the bytes of the secret for HS256.
    /// - Throws: `TerapiError` with `.invalidBody` when the key cannot be read.
    static func signed(
        header: JSONObject = [:],
        payload: JSONObject,
        algorithm: Algorithm,
        key: [UInt8]
    ) throws -> String {
        var header = header
        header["alg"] = .string(algorithm.rawValue)
        if header["typ"] == nil { header["typ"] = "JWT" }
        let parts = [JSONValue.object(header), .object(payload)].map { Base64.url.encode($0.encoded()) }
        let message = parts.joined(separator: ".")
        let signature = try signature(of: Array(message.utf8), algorithm, key)
        return "\(message).\(Base64.url.encode(signature))"
    }

    private static func signature(of message: [UInt8], _ algorithm: Algorithm, _ key: [UInt8]) throws -> [UInt8] {
        if algorithm == .hs256 { return hmacSHA256(key: key, message) }
        let pem = wellFormed(String(decoding: key, as: UTF8.self))
        do {
            if algorithm == .es256 {
                return Array(
                    try P256.Signing.PrivateKey(pemRepresentation: pem).signature(for: message).rawRepresentation)
            }
            let padding: _RSA.Signing.Padding = algorithm == .ps256 ? .PSS : .insecurePKCS1v1_5
            return Array(
                try _RSA.Signing.PrivateKey(pemRepresentation: pem).signature(for: message, padding: padding)
                    .rawRepresentation
            )
        } catch {
            throw TerapiError(
                .invalidBody,
                "The private key cannot be used for \(algorithm.rawValue): it must be a PEM text that begins with "
                    + "-----BEGIN \(algorithm == .es256 ? "EC " : "")PRIVATE KEY-----."
            )
        }
    }

    /// What a private key of the usual kinds is used for.
    static func algorithm(of pem: String) -> Algorithm {
        (try? P256.Signing.PrivateKey(pemRepresentation: wellFormed(pem))) == nil ? .rs256 : .es256
    }

    /// The lines of a PEM text put back where a form field or an environment variable has lost them.
    static func wellFormed(_ pem: String) -> String {
        let text = pem.replacing("\\n", with: "\n").replacing("\r", with: "")
        let marks = text.ranges(of: "-----")
        guard marks.count == 4 else { return text }
        let begin = text[..<marks[1].upperBound].drop { $0.isWhitespace }
        let end = text[marks[2].lowerBound..<marks[3].upperBound]
        let body = Array(text[marks[1].upperBound..<marks[2].lowerBound].filter { !$0.isWhitespace })
        let lines = stride(from: 0, to: body.count, by: 64).map { String(body[$0..<min($0 + 64, body.count)]) }
        return ([String(begin)] + lines + [String(end)]).joined(separator: "\n") + "\n"
    }

    /// When a token that somebody else signed says that it ends; nothing of it is checked.
    static func expiry(of token: String) -> Timestamp? {
        let parts = token.split(separator: ".")
        guard parts.count == 3, let bytes = Base64.url.decode(String(parts[1])),
            let seconds = (try? JSONReader.read(bytes))?["exp"]?.double, seconds > 0, seconds < 1e11
        else { return nil }
        return Timestamp(microseconds: Int64(seconds * 1_000_000))
    }
}
