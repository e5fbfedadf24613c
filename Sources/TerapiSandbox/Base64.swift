private let standardAlphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
private let urlAlphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

/// Base 64 with padding, as in a Basic authorization (RFC 4648, section 4).
func base64(_ bytes: some Sequence<UInt8>) -> String {
    encode(Array(bytes), with: standardAlphabet, isPadded: true)
}

/// Base 64 for addresses, without padding, as in a PKCE challenge (RFC 4648, section 5).
func base64URL(_ bytes: some Sequence<UInt8>) -> String {
    encode(Array(bytes), with: urlAlphabet, isPadded: false)
}

private func encode(_ bytes: [UInt8], with alphabet: [UInt8], isPadded: Bool) -> String {
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let group = bytes[start..<min(start + 3, bytes.count)]
        var bits = group.reduce(0) { $0 << 8 | UInt32($1) }
        bits <<= 8 * UInt32(3 - group.count)
        for place in 0...group.count {
            text.append(alphabet[Int(bits >> (18 - 6 * UInt32(place)) & 63)])
        }
        if isPadded {
            text.append(contentsOf: repeatElement(UInt8(ascii: "="), count: 3 - group.count))
        }
    }
    return String(decoding: text, as: UTF8.self)
}
