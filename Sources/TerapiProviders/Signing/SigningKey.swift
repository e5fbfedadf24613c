import Crypto
import CryptoExtras
import TerapiCore

/// Private keys as people paste them into a form.
enum SigningKey {
    /// The 32 bytes of the seed, or seed and public key together, in base64 or hexadecimal; or PKCS #8 in PEM.
    static func ed25519(_ text: String) -> Curve25519.Signing.PrivateKey? {
        if text.contains("-----BEGIN") {
            // The fixed head of an Ed25519 key in PKCS #8 (RFC 8410, section 7); the seed follows.
            let head: [UInt8] = [0x30, 0x2E, 2, 1, 0, 0x30, 5, 6, 3, 0x2B, 0x65, 0x70, 4, 0x22, 4, 0x20]
            guard let bytes = pemBytes(text), bytes.starts(with: head), bytes.count == head.count + 32 else {
                return nil
            }
            return try? Curve25519.Signing.PrivateKey(rawRepresentation: Array(bytes.dropFirst(head.count)))
        }
        // Every hexadecimal text of this length is base64 too.
        let isHex = [64, 128].contains(text.utf8.count)
        guard let bytes = isHex ? hexBytes(text) ?? Base64.standard.decode(text) : Base64.standard.decode(text),
            [32, 64].contains(bytes.count)
        else { return nil }
        return try? Curve25519.Signing.PrivateKey(rawRepresentation: Array(bytes.prefix(32)))
    }

    static let fingerprintMark = "SHA256:"

    /// `SHA256:` and the hash of the public key's DER form in base64.
    static func fingerprint(ofPEM text: String) -> String? {
        let publicKey =
            (try? _RSA.Signing.PrivateKey(pemRepresentation: text)).map { Array($0.publicKey.derRepresentation) }
            ?? (try? P256.Signing.PrivateKey(pemRepresentation: text)).map { Array($0.publicKey.derRepresentation) }
        return publicKey.map { fingerprintMark + Base64.standard.encode(sha256($0)) }
    }

    private static func pemBytes(_ text: String) -> [UInt8]? {
        let lines = text.split { $0.isNewline }.filter { !$0.hasPrefix("-----") }
        return Base64.standard.decode(lines.joined())
    }

    private static func hexBytes(_ text: String) -> [UInt8]? {
        guard text.utf8.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        var rest = text[...]
        while !rest.isEmpty {
            guard let byte = UInt8(rest.prefix(2), radix: 16) else { return nil }
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}
