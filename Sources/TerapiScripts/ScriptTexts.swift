import CJavaScriptCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The texts that a host's runs evaluate, each kept and parsed once for all of them.
struct ScriptTexts {
    private struct Key: Hashable {
        var name: String
        var code: Int
        var length: Int
    }

    private static let keptBytes = 16 << 20

    private let group: JSContextGroupRef
    private var texts: [Key: JSScriptRef] = [:]
    private var bytes = 0

    init(group: JSContextGroupRef) {
        self.group = group
    }

    /// The text as an expression: a function of `exports`, `require` and `module`.
    /// - Returns: `nil` when it cannot be parsed: evaluating it then tells why.
    mutating func module(
        _ code: UnsafeRawBufferPointer, name: String, makeSource: () -> JSStringRef?
    ) -> JSScriptRef? {
        var hasher = Hasher()
        hasher.combine(bytes: code)
        let key = Key(name: name, code: hasher.finalize(), length: code.count)
        if let known = texts[key] { return known }
        guard let source = makeSource() else { return nil }
        defer { JSStringRelease(source) }
        guard let text = Self.parse(source, name: name, group: group) else { return nil }
        if bytes + code.count > Self.keptBytes {
            // Runs that use a text hold it themselves.
            for text in texts.values { JSScriptRelease(text) }
            texts = [:]
            bytes = 0
        }
        texts[key] = text
        bytes += code.count
        return text
    }

    static func parse(_ source: JSStringRef, name: String, group: JSContextGroupRef) -> JSScriptRef? {
        let url = JSStringCreateWithUTF8CString(name)
        defer { JSStringRelease(url) }
        var message: JSStringRef?
        var line: Int32 = 0
        let text = JSScriptCreateFromString(group, url, 1, source, &message, &line)
        if let message { JSStringRelease(message) }
        return text
    }
}
