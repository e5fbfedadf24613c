import CJavaScriptCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The objects through which the prelude and a script meet. A part of the prelude puts its members in place when the
/// first of them is asked for, so that a run costs no more than what it uses.
enum PreludeObject {
    /// What the parts of the prelude share. No script ever holds it.
    static func makeHost(in context: JSGlobalContextRef, above base: JSObjectRef?) -> JSObjectRef {
        makePrivate(context, host, above: base)
    }

    /// The functions in Swift that the prelude calls.
    static func makeNative(in context: JSGlobalContextRef, above base: JSObjectRef?) -> JSObjectRef {
        makePrivate(context, base == nil ? native : caller, above: base)
    }

    /// What a script's `exec` gets.
    static func makeContext(in context: JSGlobalContextRef) -> JSObjectRef {
        JSObjectMake(context, self.context, nil)
    }

    /// - Parameter owner: where parts are put in place, or nobody: it goes before the engine's objects do.
    static func attach(_ objects: JSObjectRef..., to owner: PreludeOwner?) {
        for object in objects { JSObjectSetPrivate(object, owner.map { Unmanaged.passUnretained($0).toOpaque() }) }
    }

    /// Whose object it is, while it is there.
    static func owner(of object: JSObjectRef?) -> PreludeOwner? {
        JSObjectGetPrivate(object).map { Unmanaged<PreludeOwner>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Without a prototype of the language: what a script adds to every object does not show in it.
    private static func makePrivate(
        _ context: JSGlobalContextRef, _ kind: JSClassRef?, above base: JSObjectRef?
    ) -> JSObjectRef {
        let object: JSObjectRef = JSObjectMake(context, kind, nil)
        JSObjectSetPrototype(context, object, base ?? JSValueMakeNull(context))
        return object
    }

    // Made once and never changed; the library counts their uses.
    nonisolated(unsafe) private static let host = makeClass { definition in
        definition.getProperty = { _, object, name, exception in
            PreludeObject.putInPlace(name, of: object, Prelude.hostMembers, exception)
        }
    }

    // As above.
    nonisolated(unsafe) private static let context = makeClass { definition in
        definition.getProperty = { _, object, name, exception in
            PreludeObject.putInPlace(name, of: object, Prelude.contextMembers, exception)
        }
        definition.getPropertyNames = { _, _, names in
            for name in Prelude.contextNames { JSPropertyNameAccumulatorAddName(names, name) }
        }
    }

    // As above.
    nonisolated(unsafe) private static let native: JSClassRef? = {
        var functions = HostFunctions.all.map { name, function in
            JSStaticFunction(
                name: strdup(name), callAsFunction: function,
                attributes: JSPropertyAttributes(kJSPropertyAttributeNone))
        }
        functions.append(JSStaticFunction())
        return functions.withUnsafeBufferPointer { functions in
            makeClass { $0.staticFunctions = functions.baseAddress }
        }
    }()

    // As above. Its objects inherit the functions, which so know who calls.
    nonisolated(unsafe) private static let caller = makeClass { _ in }

    private static func makeClass(_ fill: (inout JSClassDefinition) -> Void) -> JSClassRef? {
        var definition = kJSClassDefinitionEmpty
        definition.attributes = JSClassAttributes(kJSClassAttributeNoAutomaticPrototype)
        fill(&definition)
        return "Object".withCString { name in
            definition.className = name
            return JSClassCreate(&definition)
        }
    }

    /// - Returns: nothing: the engine goes on to look for the member that is in place now.
    private static func putInPlace(
        _ name: JSStringRef?, of object: JSObjectRef?, _ members: [String: Int],
        _ exception: UnsafeMutablePointer<JSValueRef?>?
    ) -> JSValueRef? {
        guard let name, let owner = owner(of: object) else { return nil }
        let units = UnsafeBufferPointer(start: JSStringGetCharactersPtr(name), count: JSStringGetLength(name))
        if let part = members[String(decoding: units, as: UTF16.self)] {
            exception?.pointee = owner.put(part)
        }
        return nil
    }
}
