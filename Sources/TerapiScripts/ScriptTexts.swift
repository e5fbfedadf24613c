import CJavaScriptCore

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

/// A script's text, for the shared realm or for realms of single runs.
final class ScriptText {
    let script: JSScriptRef
    /// Those globals that its realm gives it.
    let globals: Set<String>
    /// Those that its run gives it in the shared realm, in the order of the parameters for them.
    let runGlobals: [String]
    private var made: (context: JSGlobalContextRef, factory: JSObjectRef)?

    fileprivate init(_ parsed: ParsedText, runGlobals: [String]) {
        script = parsed.script
        globals = parsed.globals
        self.runGlobals = runGlobals
    }

    deinit {
        if let made { JSValueUnprotect(made.context, made.factory) }
        JSScriptRelease(script)
    }

    /// In the shared realm: what makes the script's module of the globals of a run.
    func factory(in context: JSGlobalContextRef, _ exception: inout JSValueRef?) -> JSObjectRef? {
        if let made { return made.factory }
        guard let value = JSScriptEvaluate(context, script, nil, &exception),
            let factory = JSValueToObject(context, value, &exception)
        else { return nil }
        JSValueProtect(context, factory)
        made = (context, factory)
        return factory
    }
}

/// The scripts' own texts, the latest of them.
struct ScriptTexts {
    private struct Key: Hashable {
        var name: String
        var code: Int
        var length: Int
        var hasOwnRealm: Bool
    }

    private struct Entry {
        /// `nil` when it cannot be parsed: evaluating it then tells why.
        var text: ScriptText?
        var mayShare: Bool
    }

    private static let keptBytes = 16 << 20

    private let group: JSContextGroupRef
    private var entries: [Key: Entry] = [:]
    private var bytes = 0

    init(group: JSContextGroupRef) {
        self.group = group
    }

    /// - Parameters:
    ///   - code: the text without its header.
    ///   - wantsOwnRealm: it is for a run that must have its realm for itself, whatever the text is.
    /// - Returns: the text, and whether its run may share a realm.
    mutating func text(
        _ code: UnsafeRawBufferPointer, _ header: ScriptHeader?, name: String, wantsOwnRealm: Bool
    ) -> (text: ScriptText?, mayShare: Bool) {
        var hasher = Hasher()
        hasher.combine(bytes: code)
        let key = Key(name: name, code: hasher.finalize(), length: code.count, hasOwnRealm: wantsOwnRealm)
        if let known = entries[key] { return (known.text, known.mayShare) }
        if bytes + code.count > Self.keptBytes {
            entries = [:]
            bytes = 0
        }
        let mayShare = !wantsOwnRealm && SharedRealmRule.allows(code, header)
        let text = parse(code, name: name, isShared: mayShare)
        entries[key] = Entry(text: text, mayShare: mayShare && text != nil)
        bytes += code.count
        return (text, mayShare && text != nil)
    }

    private func parse(_ code: UnsafeRawBufferPointer, name: String, isShared: Bool) -> ScriptText? {
        let globals = Prelude.globalsNamed(in: code)
        let own = isShared ? globals.subtracting(Prelude.realmGlobals).sorted() : []
        let source = Self.source(code, parameters: isShared ? own : nil)
        defer { JSStringRelease(source) }
        return source.flatMap { ParsedText($0, globals: globals.subtracting(own), name: name, group: group) }
            .map { ScriptText($0, runGlobals: own) }
    }

    /// The text as an expression: a function of `exports`, `require` and `module`.
    /// - Parameter parameters: of a function around it, so that the script can declare the same names.
    static func source(_ code: UnsafeRawBufferPointer, parameters: [String]? = nil) -> JSStringRef? {
        let head = "(function (exports, require, module) {"
        guard let parameters else { return ScriptLoop.keptString(Array(head.utf8) + code + Array("\n})".utf8)) }
        let outer = "(function (\(parameters.joined(separator: ", "))) { return "
        return ScriptLoop.keptString(Array((outer + head).utf8) + code + Array("\n})})".utf8))
    }
}
