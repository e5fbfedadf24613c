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

    /// A piece of a template: text as it is, or a placeholder.
    enum Piece: Sendable, Equatable {
        case text(String)
        case placeholder(Placeholder)
    }

    struct Placeholder: Sendable, Equatable {
        /// What stands between the braces.
        var source: String
        var call: Call?

        func value(_ values: TemplateValues) -> String? {
            call.map { $0.value(values) } ?? values.value(source)
        }
    }

    /// A function with its arguments, each a template of its own.
    struct Call: Sendable, Equatable {
        var name: String
        var arguments: [[Piece]]

        var function: TemplateFunction? { TemplateFunction(rawValue: name) }

        func value(_ values: TemplateValues) -> String? {
            guard let function else { return nil }
            let texts = arguments.map { Template.render($0, values) }
            return texts.allSatisfy(\.isResolved) ? function.value(texts.map(\.text), values) : nil
        }
    }

    let source: String
    /// The texts between `||` that stand outside placeholders; never empty.
    let alternatives: [[Piece]]

    init(_ source: String) {
        self.source = source
        let bytes = source.utf8
        // Most texts of a file are plain.
        alternatives =
            bytes.contains(UInt8(ascii: "$")) || bytes.contains(UInt8(ascii: "|"))
            ? TemplateParser.alternatives(of: source) : [[.text(source)]]
    }

    func render(_ values: TemplateValues) -> Rendering {
        var last = Rendering()
        for pieces in alternatives {
            last = Self.render(pieces, values)
            if last.isResolved { return last }
        }
        return last
    }

    static func render(_ pieces: [Piece], _ values: TemplateValues) -> Rendering {
        var rendering = Rendering()
        for piece in pieces {
            switch piece {
            case .text(let text): rendering.text += text
            case .placeholder(let placeholder):
                if let value = placeholder.value(values) {
                    // Who writes the mark in front of a fingerprint himself does not get it twice.
                    let isMarked = rendering.text.hasSuffix(SigningKey.fingerprintMark)
                    let isFingerprint = placeholder.call?.function == .fingerprint
                    rendering.text +=
                        isMarked && isFingerprint ? String(value.dropFirst(SigningKey.fingerprintMark.count)) : value
                } else {
                    rendering.text += "${\(placeholder.source)}"
                    rendering.unresolved.append(placeholder.source)
                }
            }
        }
        return rendering
    }
}
