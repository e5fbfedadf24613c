import TerapiCore

/// Takes templates apart. Arguments are separated before values are put in: no value can add one.
enum TemplateParser {
    /// Functions inside functions. What goes deeper stays text: it would cost a stack as deep.
    private static let maxDepth = 16

    static func alternatives(of source: String) -> [[Template.Piece]] {
        let bytes = Array(source.utf8)
        var starts = [0]
        scan(bytes[...]) { index in
            guard bytes[index] == UInt8(ascii: "|"), index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "|"),
                index >= starts[starts.count - 1]
            else { return }
            starts.append(index + 2)
        }
        guard starts.count > 1 else { return [pieces(of: bytes[...])] }
        return starts.indices.map { number in
            let end = number + 1 < starts.count ? starts[number + 1] - 2 : bytes.count
            return pieces(of: trimmed(bytes[starts[number]..<end]))
        }
    }

    /// A `${` that nothing closes, and where the text behind it begins.
    static func hasOpenPlaceholder(_ source: String) -> Bool {
        alternatives(of: source).contains { pieces in
            pieces.contains { if case .text(let text) = $0 { text.contains("${") } else { false } }
        }
    }

    static func pieces(of bytes: ArraySlice<UInt8>, depth: Int = 0) -> [Template.Piece] {
        var pieces: [Template.Piece] = []
        var text: [UInt8] = []
        var index = bytes.startIndex
        while index < bytes.endIndex {
            guard depth < maxDepth, isOpening(bytes, index), let end = closingBrace(in: bytes[(index + 2)...]) else {
                text.append(bytes[index])
                index += 1
                continue
            }
            if !text.isEmpty { pieces.append(.text(String(decoding: text, as: UTF8.self))) }
            text = []
            pieces.append(.placeholder(placeholder(bytes[(index + 2)..<end], depth)))
            index = end + 1
        }
        if !text.isEmpty { pieces.append(.text(String(decoding: text, as: UTF8.self))) }
        return pieces
    }

    private static func placeholder(_ inside: ArraySlice<UInt8>, _ depth: Int) -> Template.Placeholder {
        let source = String(decoding: inside, as: UTF8.self)
        guard let open = inside.firstIndex(of: UInt8(ascii: "(")), inside.last == UInt8(ascii: ")") else {
            return Template.Placeholder(source: source)
        }
        let name = String(decoding: inside[..<open], as: UTF8.self)
        let parts = arguments(of: TemplateFunction(rawValue: name), inside[(open + 1)...].dropLast())
        let arguments = parts.map { pieces(of: $0, depth: depth + 1) }
        return Template.Placeholder(source: source, call: Template.Call(name: name, arguments: arguments))
    }

    /// Of a function with two arguments, everything before the last comma is the first: messages hold commas.
    private static func arguments(
        of function: TemplateFunction?,
        _ inside: ArraySlice<UInt8>
    ) -> [ArraySlice<UInt8>] {
        var commas: [Int] = []
        scan(inside) { if inside[$0] == UInt8(ascii: ",") { commas.append($0) } }
        switch function?.separation {
        case .byEveryComma?: break
        case .byLastComma?: commas = Array(commas.suffix(1))
        case .never?, nil: return [inside]
        }
        let starts = [inside.startIndex] + commas.map { $0 + 1 }
        let ends = commas + [inside.endIndex]
        let isMessage = function?.separation == .byLastComma
        return zip(starts, ends).enumerated().map { number, bounds in
            let part = inside[bounds.0..<bounds.1]
            guard isMessage, number == 0, commas.count == 1 else { return trimmed(part) }
            return withLineBreaks(part)
        }
    }

    /// `\n` in the message of a signature is a line break; a plain YAML text cannot hold one.
    private static func withLineBreaks(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var result: [UInt8] = []
        var index = text.startIndex
        while index < text.endIndex {
            let isBreak =
                text[index] == UInt8(ascii: "\\") && index + 1 < text.endIndex && text[index + 1] == UInt8(ascii: "n")
            result.append(isBreak ? 0x0A : text[index])
            index += isBreak ? 2 : 1
        }
        return result[...]
    }

    /// Visits every byte that stands outside placeholders.
    private static func scan(_ bytes: ArraySlice<UInt8>, _ visit: (Int) -> Void) {
        var index = bytes.startIndex
        while index < bytes.endIndex {
            if isOpening(bytes, index), let end = closingBrace(in: bytes[(index + 2)...]) {
                index = end + 1
            } else {
                visit(index)
                index += 1
            }
        }
    }

    private static func isOpening(_ bytes: ArraySlice<UInt8>, _ index: Int) -> Bool {
        bytes[index] == UInt8(ascii: "$") && index + 1 < bytes.endIndex && bytes[index + 1] == UInt8(ascii: "{")
    }

    private static func closingBrace(in bytes: ArraySlice<UInt8>) -> Int? {
        var depth = 0
        for index in bytes.indices {
            switch bytes[index] {
            case UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "}"):
                if depth == 0 { return index }
                depth -= 1
            default: break
            }
        }
        return nil
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var bytes = bytes.drop { $0 == UInt8(ascii: " ") }
        while bytes.last == UInt8(ascii: " ") { bytes = bytes.dropLast() }
        return bytes
    }
}
