/// The ways in which Node's Buffer writes bytes as text, with its tolerance: what cannot be read is left out.
enum ByteEncoding: String {
    case utf8, utf16le, latin1, ascii, base64, base64url, hex

    func bytes(of units: UnsafeBufferPointer<UInt16>) -> [UInt8] {
        switch self {
        case .utf8:
            [UInt8](unsafeUninitializedCapacity: units.count * 3) { buffer, count in
                count = buffer.baseAddress.map { UTF16Text.encode(units, into: $0) } ?? 0
            }
        case .utf16le: units.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
        case .latin1, .ascii: units.map { UInt8(truncatingIfNeeded: $0) }
        case .base64, .base64url: Self.bytes(ofBase64: units)
        case .hex: Self.bytes(ofHex: units)
        }
    }

    /// - Returns: 16-bit units; `nil` when `isStrict` and the bytes are not UTF-8.
    func units(of bytes: UnsafeRawBufferPointer, isStrict: Bool = false) -> [UInt16]? {
        switch self {
        case .utf8:
            var isValid = true
            let units = [UInt16](unsafeUninitializedCapacity: bytes.count) { buffer, count in
                guard let start = buffer.baseAddress, !bytes.isEmpty else { return }
                let decoded = UTF16Text.decode(bytes, into: start)
                isValid = decoded != nil
                count = decoded ?? 0
            }
            if isValid { return units }
            return isStrict ? nil : Array(String(decoding: bytes, as: UTF8.self).utf16)
        case .utf16le:
            return (0..<bytes.count / 2).map { UInt16(bytes[$0 * 2]) | UInt16(bytes[$0 * 2 + 1]) << 8 }
        case .latin1: return bytes.map(UInt16.init)
        case .ascii: return bytes.map { UInt16($0 & 0x7F) }
        case .base64: return Self.base64(bytes, alphabet: Self.alphabet, isPadded: true)
        case .base64url: return Self.base64(bytes, alphabet: Self.urlAlphabet, isPadded: false)
        case .hex:
            let digits = Array("0123456789abcdef".utf16)
            return bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        }
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf16)
    private static let urlAlphabet = Array(alphabet.dropLast(2)) + Array("-_".utf16)

    /// The value of each letter of both alphabets, 255 for all others.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 128)
        for alphabet in [alphabet, urlAlphabet] {
            for (value, letter) in alphabet.enumerated() { values[Int(letter)] = UInt8(value) }
        }
        return values
    }()

    /// Up to the first `=`; what is no letter of an alphabet is passed over.
    private static func bytes(ofBase64 units: UnsafeBufferPointer<UInt16>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(units.count / 4 * 3 + 3)
        var bits: UInt32 = 0
        var count = 0
        for unit in units {
            if unit == UInt16(UInt8(ascii: "=")) { break }
            guard unit < 128, case let value = values[Int(unit)], value < 64 else { continue }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return bytes
    }

    private static func base64(_ bytes: UnsafeRawBufferPointer, alphabet: [UInt16], isPadded: Bool) -> [UInt16] {
        var units: [UInt16] = []
        units.reserveCapacity((bytes.count + 2) / 3 * 4)
        var index = 0
        while index < bytes.count {
            let count = min(3, bytes.count - index)
            var bits: UInt32 = 0
            for offset in 0..<3 { bits = bits << 8 | (offset < count ? UInt32(bytes[index + offset]) : 0) }
            for letter in 0...count { units.append(alphabet[Int(bits >> UInt32(18 - letter * 6) & 63)]) }
            if isPadded { units.append(contentsOf: repeatElement(UInt16(UInt8(ascii: "=")), count: 3 - count)) }
            index += count
        }
        return units
    }

    /// Up to the first pair that is not of two digits.
    private static func bytes(ofHex units: UnsafeBufferPointer<UInt16>) -> [UInt8] {
        func digit(_ unit: UInt16) -> UInt8? {
            UInt8(exactly: unit).flatMap { Character(UnicodeScalar($0)).hexDigitValue }.map(UInt8.init)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(units.count / 2)
        for index in stride(from: 0, to: units.count - 1, by: 2) {
            guard let high = digit(units[index]), let low = digit(units[index + 1]) else { break }
            bytes.append(high << 4 | low)
        }
        return bytes
    }
}
