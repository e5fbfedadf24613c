import CJavaScriptCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// One run inside a host: a global object of its own, with the prelude in it.
final class Script {
    /// 0 until the run begins.
    private(set) var number: UInt32 = 0
    let context: JSGlobalContextRef
    var isOver = false
    /// By how much the host's memory grew in this run's turns.
    var heldBytes = 0
    private let host: JSObjectRef
    private let native: JSObjectRef
    private let scriptObject: JSObjectRef
    /// Which parts of the prelude are in place, or about to be.
    private var parts: Set<Int> = []
    private var promisedGlobals: Set<String> = []
    /// How the answers of requests are to be read, where it is not as JSON.
    private var forms: [UInt32: Int] = [:]
    private var functions: [String: JSObjectRef] = [:]

    /// Makes a global object that waits for its run.
    init(group: JSContextGroupRef) {
        context = JSGlobalContextCreateInGroup(group, nil)
        host = PreludeObject.makeHost(in: context)
        JSValueProtect(context, host)
        native = PreludeObject.makeNative(in: context)
        scriptObject = PreludeObject.makeContext(in: context)
        // Kept by the host's object, and by nothing else that could be found.
        set(host, "native", native)
        set(host, "context", scriptObject)
        PreludeObject.attach(host, scriptObject, to: self)
    }

    func release() {
        functions = [:]
        PreludeObject.attach(host, scriptObject, to: nil)
        JSValueUnprotect(context, host)
        JSGlobalContextRelease(context)
    }

    /// Begins the run. `body` is the settings, a newline, and the script's text.
    func start(_ number: UInt32, _ body: UnsafeRawBufferPointer, texts: inout ScriptTexts) {
        self.number = number
        let (head, code) = splitLine(body)
        guard let settings = json(head) else { return }
        set(host, "settings", settings)
        if let unhandled = function("unhandled") {
            JSGlobalContextSetUnhandledRejectionCallback(context, unhandled, nil)
        }
        guard let settingsObject = JSValueToObject(context, settings, nil) else { return }
        let name = swiftText(get(settingsObject, "name"))
        let (header, script) = splitHeader(code)
        let makeSource = {
            ScriptLoop.current?.keptString(
                Array("(function (exports, require, module) {".utf8) + script + Array("\n})".utf8)
            )
        }
        var exception: JSValueRef?
        let module: JSValueRef?
        if let text = texts.module(script, name: name, makeSource: makeSource) {
            exception = promise(text.globals)
            module = exception == nil ? JSScriptEvaluate(context, text.script, nil, &exception) : nil
        } else {
            let (url, source) = (JSStringCreateWithUTF8CString(name), makeSource())
            defer {
                JSStringRelease(url)
                JSStringRelease(source)
            }
            module = JSEvaluateScript(context, source, nil, url, 1, &exception)
        }
        guard let module else { return fail(exception) }
        guard let shared = makeModules(header) else { return }
        _ = call("start", [module, shared, get(settingsObject, "input")])
    }

    /// Puts a part of the prelude in place, once.
    /// - Returns: what it threw.
    func put(_ place: Int) -> JSValueRef? {
        guard parts.insert(place).inserted, let part = ScriptLoop.current?.part(place) else { return nil }
        var exception = promise(part.globals)
        guard exception == nil, let value = JSScriptEvaluate(context, part.script, nil, &exception),
            let function = JSValueToObject(context, value, nil)
        else { return exception }
        var arguments: [JSValueRef?] = [host, native]
        JSObjectCallAsFunction(context, function, nil, 2, &arguments, &exception)
        return exception
    }

    /// Makes those globals that a text names ready to be put in place.
    private func promise(_ globals: Set<String>) -> JSValueRef? {
        let names = globals.subtracting(promisedGlobals)
        guard !names.isEmpty, let promise = function("promise") else { return nil }
        promisedGlobals.formUnion(names)
        let text = JSStringCreateWithUTF8CString(names.joined(separator: ","))
        defer { JSStringRelease(text) }
        var exception: JSValueRef?
        var arguments: [JSValueRef?] = [JSValueMakeString(context, text)]
        JSObjectCallAsFunction(context, promise, host, 1, &arguments, &exception)
        return exception
    }

    /// The modules that the script names in its header, as an object of functions.
    private func makeModules(_ header: ScriptHeader?) -> JSObjectRef? {
        guard let made = JSObjectMake(context, nil, nil) else { return nil }
        for (name, hash) in header?.modules ?? [] {
            guard let module = ScriptLoop.current?.module(hash, name: name) else { continue }
            var exception = promise(module.globals)
            guard exception == nil, let function = JSScriptEvaluate(context, module.script, nil, &exception) else {
                fail(exception)
                return nil
            }
            set(made, name, function)
        }
        return made
    }

    private func splitHeader(_ code: UnsafeRawBufferPointer) -> (ScriptHeader?, UnsafeRawBufferPointer) {
        let (line, rest) = splitLine(code)
        guard let header = ScriptHeader(of: String(decoding: line, as: UTF8.self)) else { return (nil, code) }
        return (header, rest)
    }

    func respond(_ call: UInt32, _ body: UnsafeRawBufferPointer) {
        let (head, bytes) = splitLine(body)
        let data: JSValueRef?
        switch forms.removeValue(forKey: call) ?? 0 {
        case 1: data = textValue(bytes)
        case 2: data = bytesValue(bytes)
        default: data = bytes.isEmpty ? textValue(bytes) : json(bytes) ?? textValue(bytes)
        }
        _ = self.call("respond", [JSValueMakeNumber(context, Double(call)), json(head), data])
    }

    func resolve(_ call: UInt32, _ body: UnsafeRawBufferPointer) {
        let value = body.isEmpty ? JSValueMakeUndefined(context) : json(body)
        _ = self.call("resolve", [JSValueMakeNumber(context, Double(call)), value])
    }

    func reject(_ call: UInt32, _ body: UnsafeRawBufferPointer) {
        _ = self.call("reject", [JSValueMakeNumber(context, Double(call)), json(body)])
    }

    func fire(_ timer: UInt32) {
        _ = call("fire", [JSValueMakeNumber(context, Double(timer))])
    }

    func read(_ call: UInt32, inForm form: Int) {
        if form != 0 { forms[call] = form }
    }

    // MARK: Calling the prelude

    private func call(_ name: String, _ arguments: [JSValueRef?]) -> JSValueRef? {
        guard let function = function(name) else { return nil }
        var exception: JSValueRef?
        var arguments = arguments
        let result = JSObjectCallAsFunction(context, function, host, arguments.count, &arguments, &exception)
        if let exception {
            fail(exception)
            return nil
        }
        return result
    }

    private func function(_ name: String) -> JSObjectRef? {
        if let known = functions[name] { return known }
        // To the engine a failed conversion is an error worth a trace of the whole stack, even when nobody asks for it.
        guard let found = get(host, name), JSValueIsObject(context, found) else { return nil }
        functions[name] = JSValueToObject(context, found, nil)
        return functions[name]
    }

    /// Reports what was thrown outside of any promise: a mistake in the text, or in a timer's function.
    private func fail(_ exception: JSValueRef?) {
        guard !isOver, let loop = ScriptLoop.current, !loop.turnWasTooLong else { return }
        var arguments: [JSValueRef?] = [exception]
        var second: JSValueRef?
        let described = function("describe").flatMap {
            JSObjectCallAsFunction(context, $0, host, 1, &arguments, &second)
        }
        guard let described, let printed = JSValueCreateJSONString(context, described, 0, nil) else { return }
        defer { JSStringRelease(printed) }
        loop.fail(self, printed)
    }

    // MARK: Values

    private func get(_ object: JSObjectRef, _ name: String) -> JSValueRef? {
        let name = JSStringCreateWithUTF8CString(name)
        defer { JSStringRelease(name) }
        return JSObjectGetProperty(context, object, name, nil)
    }

    private func set(_ object: JSObjectRef, _ name: String, _ value: JSValueRef?) {
        let name = JSStringCreateWithUTF8CString(name)
        defer { JSStringRelease(name) }
        JSObjectSetProperty(context, object, name, value, JSPropertyAttributes(kJSPropertyAttributeNone), nil)
    }

    private func text(_ value: JSValueRef?) -> JSStringRef? {
        value.flatMap { JSValueToStringCopy(context, $0, nil) }
    }

    private func json(_ bytes: UnsafeRawBufferPointer) -> JSValueRef? {
        let string = string(bytes)
        defer { JSStringRelease(string) }
        return JSValueMakeFromJSONString(context, string)
    }

    private func textValue(_ bytes: UnsafeRawBufferPointer) -> JSValueRef? {
        let string = string(bytes)
        defer { JSStringRelease(string) }
        return JSValueMakeString(context, string)
    }

    func bytesValue(_ bytes: UnsafeRawBufferPointer) -> JSValueRef? {
        let array = JSObjectMakeTypedArray(context, kJSTypedArrayTypeUint8Array, bytes.count, nil)
        if let array, let target = JSObjectGetTypedArrayBytesPtr(context, array, nil), let source = bytes.baseAddress {
            memcpy(target, source, bytes.count)
        }
        return array
    }

    private func swiftText(_ value: JSValueRef?) -> String {
        guard let text = text(value) else { return "" }
        defer { JSStringRelease(text) }
        let units = UnsafeBufferPointer(start: JSStringGetCharactersPtr(text), count: JSStringGetLength(text))
        return String(decoding: units, as: UTF16.self)
    }

    private func string(_ bytes: UnsafeRawBufferPointer) -> JSStringRef? {
        var bytes = bytes
        // Services do send a byte order mark before JSON.
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(3)) }
        return ScriptLoop.current?.withUnits(bytes.count) { units in
            if let count = UTF16Text.decode(bytes, into: units) { return JSStringCreateWithCharacters(units, count) }
            // What cannot be read becomes U+FFFD.
            let readable = Array(String(decoding: bytes, as: UTF8.self).utf16)
            return JSStringCreateWithCharacters(readable, readable.count)
        }
    }

    /// What stands before the first newline, and after it.
    private func splitLine(_ body: UnsafeRawBufferPointer) -> (UnsafeRawBufferPointer, UnsafeRawBufferPointer) {
        guard let start = body.baseAddress, let end = memchr(start, 0x0A, body.count) else {
            return (body, UnsafeRawBufferPointer(start: nil, count: 0))
        }
        let length = UnsafeRawPointer(end) - start
        return (
            UnsafeRawBufferPointer(rebasing: body[..<length]), UnsafeRawBufferPointer(rebasing: body[(length + 1)...])
        )
    }
}
