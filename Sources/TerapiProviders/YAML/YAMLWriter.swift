public import TerapiCore

/// Writes JSON as YAML that people read and edit.
struct YAMLWriter {
    private(set) var text = ""

    static func text(_ object: JSONObject) -> String {
        var writer = YAMLWriter()
        writer.write(object, indent: 0)
        return writer.text
    }

    private mutating func write(_ object: JSONObject, indent: Int) {
        for member in object.members {
            text += String(repeating: " ", count: indent) + Self.scalar(.string(member.name)) + ":"
            write(member.value, indent: indent + 2)
        }
    }

    /// What stands behind `key:`.
    private mutating func write(_ value: JSONValue, indent: Int) {
        switch value {
        case .object(let object) where !object.isEmpty:
            text += "\n"
            write(object, indent: indent)
        case .array(let values) where values.contains { $0.object != nil || $0.array != nil }:
            text += "\n"
            for value in values { text += String(repeating: " ", count: indent) + "- \(value.text())\n" }
        case .array(let values):
            text += " [\(values.map(Self.scalar).joined(separator: ", "))]\n"
        default: text += " \(Self.scalar(value))\n"
        }
    }

    private static func scalar(_ value: JSONValue) -> String {
        // JSON's texts in quotes are YAML's too.
        guard case .string(let text) = value, isPlain(text) else { return value.text() }
        return text
    }

    private static func isPlain(_ text: String) -> Bool {
        guard YAMLScalar(plain: text) == .text, let first = text.utf8.first, text.utf8.last != UInt8(ascii: " ") else {
            return false
        }
        let isWord = { (byte: UInt8) in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "/"):
                true
            default: false
            }
        }
        let marks = Array(" .-+;()$".utf8)
        return isWord(first) && text.utf8.allSatisfy { isWord($0) || marks.contains($0) }
            || text.hasPrefix("https://") && text.utf8.last != UInt8(ascii: ":")
                && text.utf8.allSatisfy { $0 > 0x20 && !Array(",[]{}#".utf8).contains($0) }
    }
}

extension Provider {
    /// A provider file that says the same as the entry, with what its alias brought.
    public var file: String {
        YAMLWriter.text(JSONObject(entry.members.filter { $0.name != "alias" }.map { ($0.name, $0.value) }))
    }
}
