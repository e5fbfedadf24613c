import Crypto
import TerapiCore

/// The placeholders of provider files: `${connectionConfig.subdomain}`, `${base64(${username}:${password})}`,
/// `${now:YYYY-MM-DD}`, and `A || B` for "A if it is known, else B".
struct Template: Sendable {
    /// A text whose placeholders are filled in. Those that are not known stay as they were.
    struct Rendering: Sendable, Equatable {
        var text = ""
        var unresolved: [String] = []

        var isResolved: Bool { unresolved.isEmpty }
    }

    let source: String

    init(_ source: String) {
        self.source = source
    }

    func render(_ values: TemplateValues) -> Rendering {
        let alternatives = Self.alternatives(of: source)
        let renderings = alternatives.map { Self.render($0, values) }
        return renderings.first(where: \.isResolved) ?? renderings.last ?? Rendering()
    }

    /// A piece of a template: text as it is, or the inside of a placeholder.
    enum Piece: Equatable {
        case text(String)
        case placeholder(String)
    }

    static func pieces(of source: Substring) -> [Piece] {
        var pieces: [Piece] = []
        var literal = ""
        var rest = source
        while let start = rest.firstRange(of: "${") {
            guard let end = closingBrace(in: rest[start.upperBound...]) else { break }
            literal += rest[..<start.lowerBound]
            if !literal.isEmpty { pieces.append(.text(literal)) }
            literal = ""
            pieces.append(.placeholder(String(rest[start.upperBound..<end])))
            rest = rest[rest.index(after: end)...]
        }
        literal += rest
        if !literal.isEmpty { pieces.append(.text(literal)) }
        return pieces
    }

    /// The texts between `||` that stand outside placeholders.
    static func alternatives(of source: String) -> [Substring] {
        var alternatives: [Substring] = []
        var start = source.startIndex
        var depth = 0
        var index = source.startIndex
        while index < source.endIndex {
            let rest = source[index...]
            if rest.hasPrefix("${") { depth += 1 }
            if rest.hasPrefix("}"), depth > 0 { depth -= 1 }
            if depth == 0, rest.hasPrefix("||") {
                alternatives.append(trimmed(source[start..<index]))
                index = source.index(index, offsetBy: 2)
                start = index
            } else {
                index = source.index(after: index)
            }
        }
        alternatives.append(alternatives.isEmpty ? source[start...] : trimmed(source[start...]))
        return alternatives
    }

    private static func render(_ source: Substring, _ values: TemplateValues) -> Rendering {
        var rendering = Rendering()
        for piece in pieces(of: source) {
            switch piece {
            case .text(let text): rendering.text += text
            case .placeholder(let inside):
                if let value = value(of: inside, values) {
                    rendering.text += value
                } else {
                    rendering.text += "${\(inside)}"
                    rendering.unresolved.append(inside)
                }
            }
        }
        return rendering
    }

    /// What a placeholder stands for, or `nil` when it is not known.
    static func value(of inside: String, _ values: TemplateValues) -> String? {
        guard let open = inside.firstIndex(of: "("), inside.last == ")" else { return values.value(inside) }
        let arguments = render(inside[inside.index(after: open)...].dropLast(), values)
        guard arguments.isResolved else { return nil }
        let text = arguments.text
        switch inside[..<open] {
        case "base64": return Base64.standard.encode(Array(text.utf8))
        case "sha256Hex": return hex(sha256(Array(text.utf8)))
        case "sha256Base64": return Base64.standard.encode(sha256(Array(text.utf8)))
        case "hmacSha1Hex":
            guard let comma = text.lastIndex(of: ",") else { return nil }
            let message = text[..<comma].replacing("\\n", with: "\n")
            let key = SymmetricKey(data: Array(trimmed(text[text.index(after: comma)...]).utf8))
            return hex(Array(HMAC<Insecure.SHA1>.authenticationCode(for: Array(message.utf8), using: key)))
        default: return nil
        }
    }

    /// Functions that a template names and that do not exist here.
    static func unknownFunctions(in source: String) -> [String] {
        let known: Set = ["base64", "sha256Hex", "sha256Base64", "hmacSha1Hex"]
        return pieces(of: source[...]).flatMap { piece -> [String] in
            guard case .placeholder(let inside) = piece, let open = inside.firstIndex(of: "("), inside.last == ")"
            else {
                return []
            }
            let name = String(inside[..<open])
            let inner = String(inside[inside.index(after: open)...].dropLast())
            return (known.contains(name) ? [] : [name]) + unknownFunctions(in: inner)
        }
    }

    private static func closingBrace(in text: Substring) -> Substring.Index? {
        var depth = 0
        var index = text.startIndex
        while index < text.endIndex {
            switch text[index] {
            case "{": depth += 1
            case "}":
                if depth == 0 { return index }
                depth -= 1
            default: break
            }
            index = text.index(after: index)
        }
        return nil
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " }
        while text.last == " " { text = text.dropLast() }
        return text
    }
}
