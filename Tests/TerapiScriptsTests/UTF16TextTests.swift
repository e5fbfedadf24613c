import Testing

@testable import TerapiScripts

/// The text conversion at the border to JavaScript, beside Swift's own.
struct UTF16TextTests {
    private static let samples = [
        "", "a", "0123456789abcde", "0123456789abcdef", "0123456789abcdef0", "é", "0123456789abcdeé",
        "ein längerer Text mit Umlauten: äöüß, der über einen Block hinausgeht", "漢字と仮名", "a\u{0}b", "\u{7F}\u{80}",
        "\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}", "🙂 at the start and, after more than sixteen bytes, again 🙂",
        String(repeating: "x", count: 1_000) + "ü" + String(repeating: "y", count: 1_000),
    ]

    @Test(arguments: samples)
    func `decodes and encodes text like Swift`(text: String) {
        #expect(Self.decode(Array(text.utf8)) == Array(text.utf16))
        #expect(Self.encode(Array(text.utf16)) == Array(text.utf8))
    }

    @Test
    func `finds a character at every place of a block`() {
        for place in 0..<40 {
            for character in ["é", "漢", "🙂"] {
                let text = String(repeating: "a", count: place) + character + String(repeating: "b", count: 40)

                #expect(Self.decode(Array(text.utf8)) == Array(text.utf16))
                #expect(Self.encode(Array(text.utf16)) == Array(text.utf8))
            }
        }
    }

    @Test
    func `accepts exactly the sequences of two, three and four bytes that Swift accepts`() {
        var random = SystemRandomNumberGenerator()
        let starts: [UInt8] = [0x7F, 0x80, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF]
        let others: [UInt8] = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF]
        for first in starts {
            for second in others {
                for third in others {
                    let bytes = [first, second, third, others.randomElement(using: &random) ?? 0]
                    for length in 1...4 {
                        let sequence = Array(bytes[..<length])
                        let expected = String(validating: sequence, as: UTF8.self).map { Array($0.utf16) }

                        #expect(Self.decode(sequence) == expected, "\(sequence)")
                    }
                }
            }
        }
    }

    @Test(arguments: ["D800", "DC00", "61 D83D 62", "DE42 D83D", "D83D D83D DE42"])
    func `writes half a pair as a replacement character`(text: String) {
        let units = text.split(separator: " ").compactMap { UInt16($0, radix: 16) }

        #expect(Self.encode(units) == Array(String(decoding: units, as: UTF16.self).utf8))
    }

    private static func decode(_ bytes: [UInt8]) -> [UInt16]? {
        var count: Int?
        let units = [UInt16](unsafeUninitializedCapacity: max(bytes.count, 1)) { buffer, initialized in
            count = bytes.withUnsafeBytes { bytes in
                buffer.baseAddress.flatMap { UTF16Text.decode(bytes, into: $0) }
            }
            initialized = count ?? 0
        }
        return count == nil ? nil : units
    }

    private static func encode(_ units: [UInt16]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: max(units.count * 3, 1)) { buffer, initialized in
            initialized = units.withUnsafeBufferPointer { units in
                buffer.baseAddress.map { UTF16Text.encode(units, into: $0) } ?? 0
            }
        }
    }
}
