import Crypto
import CryptoExtras

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Signatures that are checked with a provider's public key.
enum PublicKeySignature {
    static func isEd25519(_ signature: [UInt8], of message: [UInt8], key: [UInt8]) -> Bool {
        guard signature.count == 64, let key = try? Curve25519.Signing.PublicKey(rawRepresentation: key) else {
            return false
        }
        return key.isValidSignature(signature, for: message)
    }

    /// P-256 and SHA-256; signature and key as DER.
    static func isECDSA(_ signature: [UInt8], of message: [UInt8], key: [UInt8]) -> Bool {
        guard let key = try? P256.Signing.PublicKey(derRepresentation: key),
            let signature = try? P256.Signing.ECDSASignature(derRepresentation: signature)
        else { return false }
        return key.isValidSignature(signature, for: SHA256.hash(data: message))
    }

    /// PKCS #1 version 1.5; the key as DER or PEM.
    static func isRSA(
        _ signature: [UInt8],
        of message: [UInt8],
        key: [UInt8],
        _ digest: ProviderWebhookRule.Digest
    ) -> Bool {
        let text = String(validating: key, as: UTF8.self).flatMap { $0.contains("-----BEGIN") ? $0 : nil }
        let key =
            text.flatMap { try? _RSA.Signing.PublicKey(pemRepresentation: $0) }
            ?? (try? _RSA.Signing.PublicKey(derRepresentation: key))
        guard let key else { return false }
        let signature = _RSA.Signing.RSASignature(rawRepresentation: signature)
        return switch digest {
        case .sha1: key.isValidSignature(signature, for: Insecure.SHA1.hash(data: message), padding: .insecurePKCS1v1_5)
        case .sha256: key.isValidSignature(signature, for: SHA256.hash(data: message), padding: .insecurePKCS1v1_5)
        case .sha512: key.isValidSignature(signature, for: SHA512.hash(data: message), padding: .insecurePKCS1v1_5)
        }
    }

    /// A signature of a JSON Web Token by a key of a published set (RFC 7517).
    static func isSigned(_ message: [UInt8], by signature: [UInt8], algorithm: String, key: JSONValue) -> Bool {
        func bytes(_ name: String) -> [UInt8]? { key[name]?.string.flatMap(Base64.url.decode) }
        switch (algorithm, key["kty"]?.string) {
        case ("RS256", "RSA"):
            guard let modulus = bytes("n"), let exponent = bytes("e"),
                let key = try? _RSA.Signing.PublicKey(n: modulus, e: exponent)
            else { return false }
            return key.isValidSignature(
                _RSA.Signing.RSASignature(rawRepresentation: signature),
                for: SHA256.hash(data: message),
                padding: .insecurePKCS1v1_5
            )
        case ("ES256", "EC"):
            guard key["crv"]?.string == "P-256", let x = bytes("x"), let y = bytes("y"),
                let key = try? P256.Signing.PublicKey(x963Representation: [4] + x + y),
                let signature = try? P256.Signing.ECDSASignature(rawRepresentation: signature)
            else { return false }
            return key.isValidSignature(signature, for: SHA256.hash(data: message))
        default: return false
        }
    }
}
