import Crypto
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// Seals values with AES-256-GCM so that each can be opened only in the place for which it was sealed.
///
/// A sealed value is `1 ‖ key id (4 bytes) ‖ nonce (12) ‖ ciphertext ‖ tag (16)`. The key id names the key that sealed
/// it, so that keys can be rotated while old values stay readable.
public struct SecretBox: Sendable {
    /// Where a value lives. Part of what is authenticated: a value copied to another row or column does not open.
    public struct Place: Sendable {
        let bytes: [UInt8]

        public init(table: StaticString, column: StaticString, environmentID: Int64, row: String) {
            bytes = Array("\(table)\u{0}\(column)\u{0}\(environmentID)\u{0}\(row)".utf8)
        }

        /// The same place for many rows: `row` is appended to a prefix that was made once.
        public func appending(_ row: String) -> Place {
            Place(bytes: bytes + row.utf8)
        }

        private init(bytes: [UInt8]) {
            self.bytes = bytes
        }
    }

    private static let version: UInt8 = 1
    private static let overhead = 1 + 4 + 12 + 16

    private let current: EncryptionKey
    private let keys: [UInt32: EncryptionKey]
    private let nonces = NonceSource()

    /// - Parameters:
    ///   - current: seals from now on.
    ///   - older: still open what they sealed.
    public init(current: EncryptionKey, older: [EncryptionKey] = []) {
        self.current = current
        keys = Dictionary((older + [current]).map { ($0.id, $0) }, uniquingKeysWith: { $1 })
    }

    public func seal(_ plain: some ContiguousBytes, for place: Place) throws -> [UInt8] {
        do {
            let nonce = try nonces.next()
            let box = try plain.withUnsafeBytes { plain in
                try AES.GCM.seal(plain, using: current.symmetricKey, nonce: nonce, authenticating: place.bytes)
            }
            guard let combined = box.combined else { preconditionFailure("A nonce of 12 bytes has a combined form") }
            return [UInt8](unsafeUninitializedCapacity: 5 + combined.count) { sealed, count in
                let bytes = UnsafeMutableRawBufferPointer(sealed)
                bytes[0] = Self.version
                bytes.storeBytes(of: current.id.bigEndian, toByteOffset: 1, as: UInt32.self)
                combined.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: bytes[5...]).copyMemory(from: $0) }
                count = 5 + combined.count
            }
        } catch {
            throw TerapiError(.serverError, "A value could not be encrypted.", cause: error)
        }
    }

    /// - Throws: `TerapiError(.serverError)` when the key is unknown, or the value was changed or moved.
    public func open(_ sealed: some ContiguousBytes, for place: Place) throws -> [UInt8] {
        try sealed.withUnsafeBytes { try open(bytes: $0, for: place) }
    }

    /// Opens a value where it lies, without copying it first.
    public func open(bytes sealed: UnsafeRawBufferPointer, for place: Place) throws -> [UInt8] {
        guard sealed.count >= Self.overhead, sealed[0] == Self.version else {
            throw TerapiError(.serverError, "A stored value is not in a form that this version can decrypt.")
        }
        let keyID = UInt32(bigEndian: sealed.loadUnaligned(fromByteOffset: 1, as: UInt32.self))
        guard let key = keys[keyID] else {
            throw TerapiError(
                .serverError,
                "A stored value was encrypted with key \(String(keyID, radix: 16)), which is not configured. "
                    + "Add the old key to the key file and start again."
            )
        }
        do {
            // Where it lies: a copy of each record into a box of its own would cost as much as opening it.
            guard let start = UnsafeMutableRawPointer(mutating: sealed.baseAddress) else {
                preconditionFailure("A value that is long enough has an address")
            }
            let combined = Data(bytesNoCopy: start + 5, count: sealed.count - 5, deallocator: .none)
            let box = try AES.GCM.SealedBox(combined: combined)
            let plain = try AES.GCM.open(box, using: key.symmetricKey, authenticating: place.bytes)
            return plain.withUnsafeBytes { Array($0) }
        } catch {
            throw TerapiError(.serverError, "A stored value could not be decrypted.", cause: error)
        }
    }
}

/// 256 bits that everything at rest is sealed with, and from which the other keys of an installation are derived.
public struct EncryptionKey: Sendable {
    /// The first four bytes of the key's SHA-256: names the key without telling it.
    public let id: UInt32

    fileprivate let symmetricKey: SymmetricKey

    /// - Returns: `nil` unless there are exactly 32 bytes.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        symmetricKey = SymmetricKey(data: bytes)
        id = SHA256.hash(data: bytes).withUnsafeBytes { UInt32(bigEndian: $0.loadUnaligned(as: UInt32.self)) }
    }

    public static func random() -> (key: EncryptionKey, bytes: [UInt8]) {
        let bytes = randomBytes(32)
        guard let key = EncryptionKey(bytes: bytes) else { preconditionFailure("32 bytes make a key") }
        return (key, bytes)
    }
}

/// Random nonces, fetched many at a time: asking the system for each would cost as much as the sealing.
private final class NonceSource: Sendable {
    private static let count = 128
    private static let size = 12
    private let unused = Mutex<[UInt8]>([])

    func next() throws -> AES.GCM.Nonce {
        try unused.withLock { unused in
            if unused.isEmpty { unused = randomBytes(Self.count * Self.size) }
            defer { unused.removeLast(Self.size) }
            return try AES.GCM.Nonce(data: unused.suffix(Self.size))
        }
    }
}

/// Bytes from the system's cryptographic random number generator.
public func randomBytes(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        while initialized < count {
            let part = UnsafeMutableBufferPointer(rebasing: buffer[initialized..<min(count, initialized + 256)])
            // It gives up to 256 bytes at a time, and those always.
            guard getentropy(part.baseAddress, part.count) == 0 else {
                preconditionFailure("The system's random number generator fails")
            }
            initialized += part.count
        }
    }
}
