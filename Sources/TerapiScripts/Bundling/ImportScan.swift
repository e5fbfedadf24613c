/// Tells whether a JavaScript file imports anything that the host does not provide.
///
/// No parser: a comment that looks like an import only costs a needless bundling.
enum ImportScan {
    static func needsBundling(_ code: [UInt8]) -> Bool {
        for word in ["import", "export"] where places(of: word, in: code).contains(where: { isModule($0, code) }) {
            return true
        }
        return places(of: "require", in: code).contains { place in
            guard let module = argument(after: place + "require".utf8.count, in: code) else { return false }
            return !Esbuild.provided.contains(module)
        }
    }

    /// Whether `import` or `export` at this place begins a statement, or calls for a module.
    private static func isModule(_ place: Int, _ code: [UInt8]) -> Bool {
        let after = code[(place + 6)...].first { !isSpace($0) }
        if after == UInt8(ascii: "("), code[place] == UInt8(ascii: "i") { return true }
        let before = code[..<place].last { $0 != 0x20 && $0 != 0x09 }
        let isStatement = before.map { [0x0A, 0x0D, UInt8(ascii: ";"), UInt8(ascii: "}")].contains($0) } ?? true
        return isStatement && after != UInt8(ascii: "=") && after != UInt8(ascii: ":")
    }

    /// The text in `("…")`.
    private static func argument(after start: Int, in code: [UInt8]) -> String? {
        var rest = code[start...].drop(while: isSpace)
        guard rest.first == UInt8(ascii: "(") else { return nil }
        rest = rest.dropFirst().drop(while: isSpace)
        guard let quote = rest.first, quote == 0x22 || quote == 0x27 || quote == 0x60 else { return nil }
        return String(decoding: rest.dropFirst().prefix { $0 != quote }, as: UTF8.self)
    }

    /// Where the word stands alone.
    private static func places(of word: String, in code: [UInt8]) -> [Int] {
        let word = Array(word.utf8)
        var places: [Int] = []
        var index = 0
        while index + word.count < code.count {
            if code[index] == word[0], code[index..<index + word.count].elementsEqual(word),
                index == 0 || !isPartOfName(code[index - 1]), !isPartOfName(code[index + word.count])
            {
                places.append(index)
                index += word.count
            } else {
                index += 1
            }
        }
        return places
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || (0x09...0x0D).contains(byte)
    }

    private static func isPartOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "$"), UInt8(ascii: "."), 0x80...:
            true
        default: false
        }
    }
}
