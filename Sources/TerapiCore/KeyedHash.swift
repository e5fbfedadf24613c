import Crypto

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// HMAC-SHA-256 cut to 128 bits, with the key's schedule computed once.
///
/// Keyed, because an unkeyed hash beside a sealed payload would let small records be guessed.
public struct KeyedHash: Sendable {
    private let prepared: HMAC<SHA256>

    public init(key: [UInt8]) {
        prepared = HMAC<SHA256>(key: SymmetricKey(data: key))
    }

    public func hash(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var hmac = prepared
        hmac.update(data: bytes)
        return hmac.finalize().withUnsafeBytes { Array($0.prefix(16)) }
    }

    public func hash(_ bytes: some ContiguousBytes) -> [UInt8] {
        bytes.withUnsafeBytes { hash($0) }
    }
}

/// HMAC-SHA-256 in full, for signatures.
public func hmacSHA256(key: some ContiguousBytes, _ message: some ContiguousBytes) -> [UInt8] {
    let key = key.withUnsafeBytes { SymmetricKey(data: $0) }
    return message.withUnsafeBytes { message in
        HMAC<SHA256>.authenticationCode(for: message, using: key).withUnsafeBytes { Array($0) }
    }
}

public func sha256(_ bytes: some ContiguousBytes) -> [UInt8] {
    bytes.withUnsafeBytes { SHA256.hash(data: $0).withUnsafeBytes { Array($0) } }
}
