import CJavaScriptCore

/// Has an object to which parts of the prelude add what is asked for: a realm, or a run in one.
class PreludeOwner {
    let context: JSGlobalContextRef
    /// What the parts of the prelude share. No script ever holds it.
    let host: JSObjectRef
    let native: JSObjectRef
    private let level: Prelude.Level
    /// Which parts are in place, or about to be.
    private var parts: Set<Int> = []
    private var functions: [String: JSObjectRef] = [:]

    /// - Parameter base: whose members its own inherit.
    init(_ level: Prelude.Level, in context: JSGlobalContextRef, above base: PreludeOwner?) {
        self.level = level
        self.context = context
        host = PreludeObject.makeHost(in: context, above: base?.host)
        JSValueProtect(context, host)
        native = PreludeObject.makeNative(in: context, above: base?.native)
        // Kept by the host's object, and by nothing else that could be found.
        set(host, "native", native)
        PreludeObject.attach(host, native, to: self)
    }

    /// The realm in which it is.
    var realm: Realm { preconditionFailure("Every owner is in a realm.") }

    func release() {
        functions = [:]
        PreludeObject.attach(host, native, to: nil)
        JSValueUnprotect(context, host)
    }

    /// Puts a part of the prelude in place, once, if it is one of those that belong here.
    /// - Returns: what it threw.
    final func put(_ place: Int) -> JSValueRef? {
        guard Prelude.parts[place].level == level, parts.insert(place).inserted else { return nil }
        var exception: JSValueRef?
        guard let function = realm.function(ofPart: place, &exception) else { return exception }
        var arguments: [JSValueRef?] = [host, native]
        JSObjectCallAsFunction(context, function, nil, 2, &arguments, &exception)
        return exception
    }

    /// A function of the prelude.
    final func function(_ name: String) -> JSObjectRef? {
        if let known = functions[name] { return known }
        // To the engine a failed conversion is an error worth a trace of the whole stack, even when nobody asks for it.
        guard let found = get(host, name), JSValueIsObject(context, found) else { return nil }
        functions[name] = JSValueToObject(context, found, nil)
        return functions[name]
    }

    /// Calls a function of the prelude with up to three values.
    final func call(
        _ name: String, _ first: JSValueRef?, _ second: JSValueRef? = nil, _ third: JSValueRef? = nil,
        throwing exception: inout JSValueRef?
    ) -> JSValueRef? {
        // On the stack, where the engine looks for what is still in use: finding the function may make it clear up.
        withUnsafeTemporaryAllocation(of: JSValueRef?.self, capacity: 3) { values in
            values.initialize(repeating: first)
            values[1] = second
            values[2] = third
            let count = third != nil ? 3 : second != nil ? 2 : 1
            guard let function = function(name) else { return nil }
            return JSObjectCallAsFunction(context, function, host, count, values.baseAddress, &exception)
        }
    }

    final func get(_ object: JSObjectRef, _ name: String) -> JSValueRef? {
        let name = JSStringCreateWithUTF8CString(name)
        defer { JSStringRelease(name) }
        return JSObjectGetProperty(context, object, name, nil)
    }

    final func set(_ object: JSObjectRef, _ name: String, _ value: JSValueRef?) {
        let name = JSStringCreateWithUTF8CString(name)
        defer { JSStringRelease(name) }
        JSObjectSetProperty(context, object, name, value, JSPropertyAttributes(kJSPropertyAttributeNone), nil)
    }
}
