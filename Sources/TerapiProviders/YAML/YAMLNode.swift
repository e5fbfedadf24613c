/// A place in a YAML document with what stands there: scalars as they were written, everything with line and column.
struct YAMLNode: Sendable {
    /// One member of a map.
    struct Member: Sendable {
        var name: String
        var place: Place
        var value: YAMLNode
    }

    /// Counted from 1.
    struct Place: Sendable, Equatable {
        var line: Int32
        var column: Int32
    }

    enum Content: Sendable {
        /// - isPlain: neither quoted nor a block: such a text may mean a number, a flag or nothing.
        case scalar(String, isPlain: Bool)
        case list([YAMLNode])
        case map([Member])
    }

    var content: Content
    var place: Place

    var members: [Member]? { if case .map(let members) = content { members } else { nil } }
    var items: [YAMLNode]? { if case .list(let items) = content { items } else { nil } }
    var scalar: String? { if case .scalar(let text, _) = content { text } else { nil } }

    subscript(name: String) -> YAMLNode? { members?.first { $0.name == name }?.value }
}

/// What a scalar means, after the core schema of YAML 1.2: `no` and `on` are words and not flags.
enum YAMLScalar: Equatable {
    case text
    case flag(Bool)
    case integer
    /// A number with a fraction or an exponent.
    case decimal
    case nothing

    init(plain text: String) {
        guard let first = text.utf8.first else {
            self = .nothing
            return
        }
        switch first {
        case UInt8(ascii: "t"), UInt8(ascii: "T"):
            self = ["true", "True", "TRUE"].contains(text) ? .flag(true) : .text
        case UInt8(ascii: "f"), UInt8(ascii: "F"):
            self = ["false", "False", "FALSE"].contains(text) ? .flag(false) : .text
        case UInt8(ascii: "n"), UInt8(ascii: "N"), UInt8(ascii: "~"):
            self = ["null", "Null", "NULL", "~"].contains(text) ? .nothing : .text
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."):
            self = Self.number(text)
        default: self = .text
        }
    }

    /// Only what is a number in JSON too: `007` and `1.` keep their characters.
    private static func number(_ text: String) -> YAMLScalar {
        var rest = text.utf8[...]
        func digits(_ rest: inout Substring.UTF8View) -> Int {
            let count = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }.count
            rest = rest.dropFirst(count)
            return count
        }
        if rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
        let startsWithZero = rest.first == UInt8(ascii: "0")
        let whole = digits(&rest)
        guard whole > 0, whole == 1 || !startsWithZero else { return .text }
        if rest.isEmpty { return whole <= 18 ? .integer : .text }
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            guard digits(&rest) > 0 else { return .text }
        }
        if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
            rest = rest.dropFirst()
            if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
            guard digits(&rest) > 0 else { return .text }
        }
        return rest.isEmpty ? .decimal : .text
    }
}

extension YAMLNode {
    /// `nil` for maps and lists.
    var kind: YAMLScalar? {
        guard case .scalar(let text, let isPlain) = content else { return nil }
        return isPlain ? YAMLScalar(plain: text) : .text
    }

    var isNothing: Bool { kind == .nothing }
    var flag: Bool? { if case .flag(let flag) = kind { flag } else { nil } }

    /// In the words of an error message.
    var found: String {
        switch content {
        case .scalar(let text, _): "\"\(text)\""
        case .list: "a list"
        case .map: "a map"
        }
    }
}
