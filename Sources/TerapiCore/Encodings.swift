/// Lower-case hexadecimal.
public func hex(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}

/// Base64 (RFC 4648): section 4 with padding, or section 5 (`url`) without.
public enum Base64: Sendable {
    case standard, url

    private static let alphabets: (standard: [UInt8], url: [UInt8]) = {
        let common = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        return (Array((common + "+/").utf8), Array((common + "-_").utf8))
    }()

    private var alphabet: [UInt8] {
        self == .url ? Self.alphabets.url : Self.alphabets.standard
    }

    public func encode(_ bytes: some Collection<UInt8>) -> String {
        let alphabet = alphabet
        return String(unsafeUninitializedCapacity: (bytes.count + 2) / 3 * 4) { text in
            var length = 0
            func put(_ character: UInt8) {
                text[length] = character
                length += 1
            }
            var group: UInt32 = 0
            var count = 0
            for byte in bytes {
                group = group << 8 | UInt32(byte)
                count += 1
                if count == 3 {
                    for shift in [18, 12, 6, 0] as [UInt32] { put(alphabet[Int(group >> shift & 63)]) }
                    group = 0
                    count = 0
                }
            }
            if count > 0 {
                group <<= UInt32(8 * (3 - count))
                for place in 0...count { put(alphabet[Int(group >> UInt32(18 - 6 * place) & 63)]) }
                if self == .standard { for _ in count..<3 { put(UInt8(ascii: "=")) } }
            }
            return length
        }
    }

    /// - Returns: `nil` unless the text is exactly what ``encode(_:)`` gives for some bytes.
    public func decode(_ text: String) -> [UInt8]? {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
        var bytes: [UInt8] = []
        var group: UInt32 = 0
        var bits = 0
        for character in text.utf8 {
            if character == UInt8(ascii: "="), self == .standard { continue }
            guard values[Int(character)] != 255 else { return nil }
            group = group << 6 | UInt32(values[Int(character)])
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: group >> UInt32(bits)))
            }
        }
        return encode(bytes) == text ? bytes : nil
    }
}

/// A random UUID (version 4) in lower case.
public func randomUUID() -> String {
    var bytes = randomBytes(16)
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    let text = hex(bytes).utf8
    return String(unsafeUninitializedCapacity: 36) { buffer in
        var end = 0
        for (index, digit) in text.enumerated() {
            if [8, 12, 16, 20].contains(index) {
                buffer[end] = UInt8(ascii: "-")
                end += 1
            }
            buffer[end] = digit
            end += 1
        }
        return end
    }
}
