import CJavaScriptCore
import Crypto

/// What would be slow or unsafe in JavaScript: texts as bytes, hashes, and chance.
extension HostFunctions {
    static let onBytes: [(String, JSObjectCallAsFunctionCallback)] = [
        ("encode", encode), ("decode", decode), ("hash", hash), ("sign", sign), ("random", random),
    ]

    /// `encode(text, encoding)`: a Uint8Array.
    private static let encode: JSObjectCallAsFunctionCallback = { context, _, _, count, arguments, _ in
        answer(context, count, arguments) { arguments in
            guard let encoding = arguments.text(1).flatMap(ByteEncoding.init(rawValue:)) else { return nil }
            var value: JSValueRef?
            arguments.withString(0) { string in
                let units = UnsafeBufferPointer(
                    start: JSStringGetCharactersPtr(string), count: JSStringGetLength(string))
                value = encoding.bytes(of: units).withUnsafeBytes { arguments.bytesValue($0) }
            }
            return value
        }
    }

    /// `decode(bytes, encoding, isStrict)`: a text; undefined when it is strict and the bytes are not of the encoding.
    private static let decode: JSObjectCallAsFunctionCallback = { context, _, _, count, arguments, _ in
        answer(context, count, arguments) { arguments in
            guard let encoding = arguments.text(1).flatMap(ByteEncoding.init(rawValue:)) else { return nil }
            let units = arguments.withBytes(0) { encoding.units(of: $0, isStrict: arguments.number(2) == 1) }
            guard let units else { return nil }
            let string = JSStringCreateWithCharacters(units, units.count)
            defer { JSStringRelease(string) }
            return JSValueMakeString(arguments.context, string)
        }
    }

    /// `hash(algorithm, bytes)`: undefined when the algorithm is not known.
    private static let hash: JSObjectCallAsFunctionCallback = { context, _, _, count, arguments, _ in
        answer(context, count, arguments) { arguments in
            let digest = arguments.withBytes(1) { bytes in
                Digests.named(arguments.text(0))?.hash(bytes)
            }
            return digest.flatMap { $0.withUnsafeBytes { arguments.bytesValue($0) } }
        }
    }

    /// `sign(algorithm, key, bytes)`: an HMAC; undefined when the algorithm is not known.
    private static let sign: JSObjectCallAsFunctionCallback = { context, _, _, count, arguments, _ in
        answer(context, count, arguments) { arguments in
            let code = arguments.withBytes(1) { key in
                arguments.withBytes(2) { bytes in
                    Digests.named(arguments.text(0))?.sign(bytes, key: key)
                }
            }
            return code.flatMap { $0.withUnsafeBytes { arguments.bytesValue($0) } }
        }
    }

    /// `random(count)`: bytes that nobody can foresee.
    private static let random: JSObjectCallAsFunctionCallback = { context, _, _, count, arguments, _ in
        answer(context, count, arguments) { arguments in
            var generator = SystemRandomNumberGenerator()
            var word: UInt64 = 0
            let bytes = (0..<arguments.number(0)).map { index in
                word = index % 8 == 0 ? generator.next() : word >> 8
                return UInt8(truncatingIfNeeded: word)
            }
            return bytes.withUnsafeBytes { arguments.bytesValue($0) }
        }
    }
}

/// A hash function by the name that Node gives it.
private enum Digests {
    static func named(_ name: String?) -> (any DigestFunctions.Type)? {
        switch name {
        case "md5": Digest<Insecure.MD5>.self
        case "sha1": Digest<Insecure.SHA1>.self
        case "sha256": Digest<SHA256>.self
        case "sha384": Digest<SHA384>.self
        case "sha512": Digest<SHA512>.self
        default: nil
        }
    }
}

private protocol DigestFunctions {
    static func hash(_ bytes: UnsafeRawBufferPointer) -> [UInt8]
    static func sign(_ bytes: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer) -> [UInt8]
}

private enum Digest<Function: HashFunction>: DigestFunctions {
    static func hash(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var function = Function()
        function.update(bufferPointer: bytes)
        return Array(function.finalize())
    }

    static func sign(_ bytes: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer) -> [UInt8] {
        Array(HMAC<Function>.authenticationCode(for: bytes, using: SymmetricKey(data: key)))
    }
}
