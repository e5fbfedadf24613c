import CJavaScriptCore

/// One run inside a host: a script's object and calls of its own, in a realm.
final class Script: PreludeOwner {
    let number: UInt32
    var isOver = false
    /// By how much the host's memory grew in this run's turns.
    var heldBytes = 0
    private let home: Realm
    private let scriptObject: JSObjectRef
    /// How the answers of requests are to be read, where it is not as JSON.
    private var forms: [UInt32: Int] = [:]

    init(_ number: UInt32, in realm: Realm) {
        self.number = number
        home = realm
        scriptObject = PreludeObject.makeContext(in: realm.context)
        JSValueProtect(realm.context, scriptObject)
        super.init(.run, in: realm.context, above: realm)
        set(host, "context", scriptObject)
        PreludeObject.attach(scriptObject, to: self)
        if !realm.isShared { realm.onlyRun = self }
    }

    override var realm: Realm { home }

    override func release() {
        PreludeObject.attach(scriptObject, to: nil)
        JSValueUnprotect(context, scriptObject)
        super.release()
        if !home.isShared { home.release() }
    }

    /// Begins the run.
    /// - Parameter source: what parses the text when that must fail with a reason.
    func start(_ settings: JSObjectRef, _ header: ScriptHeader?, _ text: ScriptText?, source: () -> JSStringRef?) {
        set(host, "settings", settings)
        // Its clock may stand still.
        if !home.isShared { set(home.host, "settings", settings) }
        var exception: JSValueRef?
        guard let module = makeModule(text, settings, source, &exception),
            let shared = makeModules(header, &exception)
        else { return fail(exception) }
        call("start", module, shared, get(settings, "input"))
    }

    /// The script's text as a function of `exports`, `require` and `module`.
    private func makeModule(
        _ text: ScriptText?, _ settings: JSObjectRef, _ source: () -> JSStringRef?, _ exception: inout JSValueRef?
    ) -> JSValueRef? {
        guard let text else {
            let (url, source) = (JSStringCreateWithUTF8CString(swiftText(get(settings, "name"))), source())
            defer {
                JSStringRelease(url)
                JSStringRelease(source)
            }
            return JSEvaluateScript(context, source, nil, url, 1, &exception)
        }
        exception = home.promise(text.globals)
        guard exception == nil else { return nil }
        guard home.isShared else { return JSScriptEvaluate(context, text.script, nil, &exception) }
        guard let factory = text.factory(in: context, &exception), function("start") != nil else { return nil }
        var own: [JSValueRef?] = []
        for name in text.runGlobals {
            exception = Prelude.globals[name].flatMap(put)
            guard exception == nil, let globals = JSValueToObject(context, get(host, "globals"), &exception)
            else { return nil }
            own.append(get(globals, name))
        }
        return JSObjectCallAsFunction(context, factory, nil, own.count, &own, &exception)
    }

    /// The modules that the script names in its header, as an object of functions.
    private func makeModules(_ header: ScriptHeader?, _ exception: inout JSValueRef?) -> JSObjectRef? {
        guard let made = JSObjectMake(context, nil, nil) else { return nil }
        for (name, hash) in header?.modules ?? [] {
            if let function = home.module(hash, name: name, &exception) { set(made, name, function) }
            guard exception == nil else { return nil }
        }
        return made
    }

    func respond(_ call: UInt32, _ body: UnsafeRawBufferPointer) {
        let (head, bytes) = body.splitLine()
        let data: JSValueRef?
        switch forms.removeValue(forKey: call) ?? 0 {
        case 1: data = textValue(bytes)
        case 2: data = Arguments.makeBytes(bytes, in: context)
        default: data = bytes.isEmpty ? textValue(bytes) : json(bytes) ?? textValue(bytes)
        }
        self.call("respond", JSValueMakeNumber(context, Double(call)), json(head), data)
    }

    func resolve(_ call: UInt32, _ body: UnsafeRawBufferPointer) {
        let value = body.isEmpty ? JSValueMakeUndefined(context) : json(body)
        self.call("resolve", JSValueMakeNumber(context, Double(call)), value)
    }

    func reject(_ call: UInt32, _ body: UnsafeRawBufferPointer) {
        self.call("reject", JSValueMakeNumber(context, Double(call)), json(body))
    }

    func fire(_ timer: UInt32) {
        call("fire", JSValueMakeNumber(context, Double(timer)))
    }

    /// A promise was rejected, and nobody listened.
    func hear(_ promise: JSValueRef?, rejectedWith reason: JSValueRef?) {
        call("unhandled", promise, reason)
    }

    func read(_ call: UInt32, inForm form: Int) {
        if form != 0 { forms[call] = form }
    }

    /// Calls the prelude; what it throws ends the run.
    private func call(_ name: String, _ first: JSValueRef?, _ second: JSValueRef? = nil, _ third: JSValueRef? = nil) {
        var exception: JSValueRef?
        _ = call(name, first, second, third, throwing: &exception)
        if let exception { fail(exception) }
    }

    /// Reports what was thrown outside of any promise: a mistake in the text, or in a timer's function.
    private func fail(_ exception: JSValueRef?) {
        guard !isOver, let loop = ScriptLoop.current, !loop.turnWasTooLong else { return }
        var second: JSValueRef?
        guard let described = call("describe", exception, throwing: &second),
            let printed = JSValueCreateJSONString(context, described, 0, nil)
        else { return }
        defer { JSStringRelease(printed) }
        loop.fail(self, printed)
    }
}
