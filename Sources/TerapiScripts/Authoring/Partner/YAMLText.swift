import TerapiCore

/// YAML that both of our readers understand, written by hand: comments must stand where they belong.
enum YAMLText {
    private static let words: Set<String> = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"]

    /// A text as a value in a block.
    static func value(_ text: String) -> String {
        isPlain(text) ? text : JSONValue.string(text).text()
    }

    /// A JavaScript expression as a value in a block: without escapes, so that it stays readable.
    static func expression(_ text: String) -> String {
        isPlain(text, marks: "_()?.,\"'&|<>=+-*/[]") ? text : "'\(text.replacing("'", with: "''"))'"
    }

    private static func isPlain(_ text: String, marks: String = "_./-") -> Bool {
        guard let first = text.first, first.isASCII, first.isLetter || first == "/", !text.hasSuffix(" ") else {
            return false
        }
        return text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == " " || marks.contains($0)) }
            && !words.contains(text.lowercased())
    }

    static func list(_ texts: [String]) -> String {
        "[" + texts.map { JSONValue.string($0).text() }.joined(separator: ", ") + "]"
    }

    /// Comments of a width that people read.
    static func comment(_ text: String, indent: Int = 0) -> [String] {
        let space = String(repeating: " ", count: indent)
        var lines: [String] = []
        var line = ""
        for word in text.split(whereSeparator: { $0 == " " || $0.isNewline }) {
            if !line.isEmpty, line.count + word.count > 110 - indent {
                lines.append("\(space)# \(line)")
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        return lines + (line.isEmpty ? [] : ["\(space)# \(line)"])
    }
}
