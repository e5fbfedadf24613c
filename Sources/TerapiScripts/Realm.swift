import CJavaScriptCore

/// A global object with what its runs have in common: of one run whose script may change it, or of all others.
final class Realm: PreludeOwner {
    let isShared: Bool
    /// The run that has this realm for itself.
    weak var onlyRun: Script?
    private var promisedGlobals: Set<String> = []
    private var parts: [Int: JSObjectRef] = [:]
    private var modules: [String: JSObjectRef] = [:]

    init(group: JSContextGroupRef, isShared: Bool) {
        self.isShared = isShared
        let context: JSGlobalContextRef = JSGlobalContextCreateInGroup(group, nil)
        super.init(.realm, in: context, above: nil)
        set(host, "isShared", JSValueMakeBoolean(context, isShared))
    }

    /// - Parameter listener: is called with a promise that was rejected while nobody listened, and with the reason.
    func listen(with listener: JSObjectRef) {
        JSGlobalContextSetUnhandledRejectionCallback(context, listener, nil)
    }

    override var realm: Realm { self }

    override func release() {
        super.release()
        for function in parts.values { JSValueUnprotect(context, function) }
        for function in modules.values { JSValueUnprotect(context, function) }
        JSGlobalContextRelease(context)
    }

    /// Makes those globals that a text names ready to be put in place.
    /// - Returns: what was thrown.
    func promise(_ globals: Set<String>) -> JSValueRef? {
        let names = globals.subtracting(promisedGlobals)
        // The part with the function names globals, too, and needs none of them.
        guard !names.isEmpty, function("promise") != nil else { return nil }
        promisedGlobals.formUnion(names)
        let text = JSStringCreateWithUTF8CString(names.joined(separator: ","))
        defer { JSStringRelease(text) }
        var exception: JSValueRef?
        _ = call("promise", JSValueMakeString(context, text), throwing: &exception)
        return exception
    }

    /// `nil` when it is no JSON.
    func object(_ bytes: UnsafeRawBufferPointer) -> JSObjectRef? {
        json(bytes).flatMap { JSValueToObject(context, $0, nil) }
    }

    /// Whether a run's settings stop its clock.
    func stopsClock(_ settings: JSObjectRef) -> Bool {
        guard let properties = get(settings, "properties").flatMap({ JSValueToObject(context, $0, nil) }),
            let now = get(properties, "now")
        else { return false }
        return !JSValueIsUndefined(context, now)
    }

    /// Puts the part in place that has a global.
    /// - Returns: what it threw.
    func provide(_ global: String) -> JSValueRef? {
        guard let place = Prelude.globals[global] else { return nil }
        return Prelude.parts[place].level == .realm ? put(place) : onlyRun?.put(place)
    }

    func function(ofPart place: Int, _ exception: inout JSValueRef?) -> JSObjectRef? {
        if let known = parts[place] { return known }
        guard let part = ScriptLoop.current?.part(place) else { return nil }
        parts[place] = function(of: part, &exception)
        return parts[place]
    }

    /// A module that scripts share: a function of `exports`, `require` and `module`.
    func module(_ hash: String, name: String, _ exception: inout JSValueRef?) -> JSObjectRef? {
        if let known = modules[hash] { return known }
        guard let module = ScriptLoop.current?.module(hash, name: name) else { return nil }
        modules[hash] = function(of: module, &exception)
        return modules[hash]
    }

    private func function(of text: ParsedText, _ exception: inout JSValueRef?) -> JSObjectRef? {
        exception = promise(isShared ? text.globals.intersection(Prelude.realmGlobals) : text.globals)
        guard exception == nil, let value = JSScriptEvaluate(context, text.script, nil, &exception),
            let function = JSValueToObject(context, value, nil)
        else { return nil }
        JSValueProtect(context, function)
        return function
    }
}
