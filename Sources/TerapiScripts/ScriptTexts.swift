import CJavaScriptCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A text that is parsed once for all runs of a host.
struct ParsedText {
    let script: JSScriptRef
    /// Those globals of the prelude that it names.
    let globals: Set<String>

    /// - Returns: `nil` when it cannot be parsed: evaluating it then tells why.
    init?(_ source: JSStringRef, globals: Set<String>, name: String, group: JSContextGroupRef) {
        let url = JSStringCreateWithUTF8CString(name)
        defer { JSStringRelease(url) }
        var message: JSStringRef?
        var line: Int32 = 0
        let parsed = JSScriptCreateFromString(group, url, 1, source, &message, &line)
        if let message { JSStringRelease(message) }
        guard let parsed else { return nil }
        script = parsed
        self.globals = globals
    }
}

/// The scripts' own texts, the latest of them.
struct ScriptTexts {
    private struct Key: Hashable {
        var name: String
        var code: Int
        var length: Int
    }

    private static let keptBytes = 16 << 20

    private let group: JSContextGroupRef
    private var texts: [Key: ParsedText] = [:]
    private var bytes = 0

    init(group: JSContextGroupRef) {
        self.group = group
    }

    /// The text as an expression: a function of `exports`, `require` and `module`.
    /// - Returns: `nil` when it cannot be parsed: evaluating it then tells why.
    mutating func module(
        _ code: UnsafeRawBufferPointer, name: String, makeSource: () -> JSStringRef?
    ) -> ParsedText? {
        var hasher = Hasher()
        hasher.combine(bytes: code)
        let key = Key(name: name, code: hasher.finalize(), length: code.count)
        if let known = texts[key] { return known }
        guard let source = makeSource() else { return nil }
        defer { JSStringRelease(source) }
        let globals = Prelude.globalsNamed(in: code)
        guard let text = ParsedText(source, globals: globals, name: name, group: group) else { return nil }
        if bytes + code.count > Self.keptBytes {
            // Runs that use a text hold it themselves.
            for text in texts.values { JSScriptRelease(text.script) }
            texts = [:]
            bytes = 0
        }
        texts[key] = text
        bytes += code.count
        return text
    }
}
