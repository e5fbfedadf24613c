import TerapiCore

/// XML as far as token endpoints speak it, as JSON: an element is its text, or an object of its elements.
///
/// There are no document types and so no entities but the five, which keeps a small answer small.
enum XMLText {
    struct Failure: Error {}

    private static let maxDepth = 32
    private static let maxElements = 10_000
    private static let entities = ["lt": "<", "gt": ">", "amp": "&", "quot": "\"", "apos": "'"]

    // MARK: Writing

    /// - Parameter object: its only member is the root; members that begin with `@` are attributes.
    static func encoded(_ object: JSONObject) -> [UInt8] {
        Array(("<?xml version=\"1.0\" encoding=\"UTF-8\"?>" + children(object)).utf8)
    }

    private static func children(_ object: JSONObject) -> String {
        object.members.filter { !$0.name.hasPrefix("@") }.map { element($0.name, $0.value) }.joined()
    }

    private static func element(_ name: String, _ value: JSONValue) -> String {
        switch value {
        case .array(let values): return values.map { element(name, $0) }.joined()
        case .object(let object):
            let attributes = object.members.filter { $0.name.hasPrefix("@") }
                .map { " \($0.name.dropFirst())=\"\(escaped($0.value.string ?? $0.value.text()))\"" }.joined()
            return "<\(name)\(attributes)>\(children(object))</\(name)>"
        case .null: return "<\(name)/>"
        default: return "<\(name)>\(escaped(value.string ?? value.text()))</\(name)>"
        }
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }

    // MARK: Reading

    /// - Returns: an object whose only member is the root element, or `nil` when this is not XML.
    static func read(_ bytes: [UInt8]) -> JSONValue? {
        guard bytes.count <= 1_000_000, let text = String(validating: bytes, as: UTF8.self) else { return nil }
        var rest = text[...]
        do {
            try skipProlog(&rest)
            var elements = 0
            let (name, value) = try element(&rest, depth: 0, &elements)
            return .object(JSONObject([(name, value)]))
        } catch {
            return nil
        }
    }

    private static func skipProlog(_ rest: inout Substring) throws {
        while true {
            rest = rest.drop { $0.isWhitespace || $0 == "\u{FEFF}" }
            if rest.hasPrefix("<?") {
                try skip(past: "?>", &rest)
            } else if rest.hasPrefix("<!--") {
                try skip(past: "-->", &rest)
            } else {
                return
            }
        }
    }

    private static func skip(past mark: String, _ rest: inout Substring) throws {
        guard let end = rest.firstRange(of: mark) else { throw Failure() }
        rest = rest[end.upperBound...]
    }

    private static func element(
        _ rest: inout Substring,
        depth: Int,
        _ elements: inout Int
    ) throws -> (String, JSONValue) {
        elements += 1
        guard depth < maxDepth, elements <= maxElements, rest.first == "<", let end = rest.firstIndex(of: ">") else {
            throw Failure()
        }
        let tag = rest[rest.index(after: rest.startIndex)..<end]
        rest = rest[rest.index(after: end)...]
        let fullName = tag.prefix { !$0.isWhitespace && $0 != "/" }
        guard let first = fullName.first, first.isLetter || first == "_" else { throw Failure() }
        // Prefixes of namespaces differ from server to server and mean nothing here.
        let name = String(fullName.split(separator: ":").last ?? fullName)
        if tag.hasSuffix("/") { return (name, .null) }
        return (name, try content(&rest, until: "</\(fullName)", depth: depth, &elements))
    }

    private static func content(
        _ rest: inout Substring,
        until end: String,
        depth: Int,
        _ elements: inout Int
    ) throws -> JSONValue {
        var text = ""
        var members = JSONObject()
        while let mark = rest.firstIndex(of: "<") {
            text += try unescaped(rest[..<mark])
            rest = rest[mark...]
            if rest.hasPrefix(end) {
                try skip(past: ">", &rest)
                return members.isEmpty ? .string(text) : .object(members)
            }
            if rest.hasPrefix("<!--") {
                try skip(past: "-->", &rest)
            } else if rest.hasPrefix("<![CDATA[") {
                guard let close = rest.firstRange(of: "]]>") else { throw Failure() }
                text += rest[rest.index(rest.startIndex, offsetBy: 9)..<close.lowerBound]
                rest = rest[close.upperBound...]
            } else {
                let (name, value) = try element(&rest, depth: depth + 1, &elements)
                switch members[name] {
                case nil: members[name] = value
                case .array(let values): members[name] = .array(values + [value])
                case let first?: members[name] = .array([first, value])
                }
            }
        }
        throw Failure()
    }

    private static func unescaped(_ text: Substring) throws -> String {
        guard text.contains("&") else { return String(text) }
        var result = ""
        var rest = text
        while let mark = rest.firstIndex(of: "&") {
            result += rest[..<mark]
            guard let end = rest[mark...].firstIndex(of: ";") else { throw Failure() }
            let name = rest[rest.index(after: mark)..<end]
            if let known = entities[String(name)] {
                result += known
            } else {
                let digits = name.hasPrefix("#x") ? name.dropFirst(2) : name.dropFirst()
                guard name.first == "#", let code = UInt32(digits, radix: name.hasPrefix("#x") ? 16 : 10),
                    let scalar = Unicode.Scalar(code)
                else { throw Failure() }
                result.unicodeScalars.append(scalar)
            }
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }
}
