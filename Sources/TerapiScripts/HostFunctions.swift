import CJavaScriptCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The functions in Swift that the prelude calls. Scripts cannot reach them.
enum HostFunctions {
    static let all: [(String, JSObjectCallAsFunctionCallback)] =
        [
            ("request", request), ("change", change), ("call", call), ("finish", finish), ("fail", fail),
            ("timer", timer), ("provide", provide),
        ] + onBytes

    /// `request(call, meta, body, form)`
    private static let request: JSObjectCallAsFunctionCallback = { context, _, this, count, arguments, _ in
        perform(context, this, count, arguments) { loop, script, arguments in
            script.read(arguments.number(0), inForm: Int(arguments.number(3)))
            arguments.withString(1) { meta in
                arguments.withBytesOrString(2) { string, bytes in
                    let call: UInt32 = arguments.number(0)
                    if let string {
                        loop.send(.request, run: script.number, call: call, [meta, string])
                    } else {
                        let bytes = bytes ?? UnsafeRawBufferPointer(start: nil, count: 0)
                        loop.send(.request, run: script.number, call: call, [meta], bytes: bytes)
                    }
                }
            }
        }
    }

    /// `change(call, header, lines)`
    private static let change: JSObjectCallAsFunctionCallback = { context, _, this, count, arguments, _ in
        perform(context, this, count, arguments) { loop, script, arguments in
            arguments.withString(1) { header in
                arguments.withString(2) { lines in
                    loop.send(.change, run: script.number, call: arguments.number(0), [header, lines])
                }
            }
        }
    }

    /// `call(call, name, arguments)`
    private static let call: JSObjectCallAsFunctionCallback = { context, _, this, count, arguments, _ in
        perform(context, this, count, arguments) { loop, script, arguments in
            arguments.withString(1) { name in
                arguments.withString(2) { values in
                    loop.send(.call, run: script.number, call: arguments.number(0), [name, values])
                }
            }
        }
    }

    /// `finish(result)`
    private static let finish: JSObjectCallAsFunctionCallback = { context, _, this, count, arguments, _ in
        perform(context, this, count, arguments) { loop, script, arguments in
            arguments.withString(0) { loop.finish(script, $0) }
        }
    }

    /// `fail(error)`
    private static let fail: JSObjectCallAsFunctionCallback = { context, _, this, count, arguments, _ in
        perform(context, this, count, arguments) { loop, script, arguments in
            arguments.withString(0) { loop.fail(script, $0) }
        }
    }

    /// `timer(id, milliseconds)`
    private static let timer: JSObjectCallAsFunctionCallback = { context, _, this, count, arguments, _ in
        perform(context, this, count, arguments) { loop, script, arguments in
            loop.startTimer(arguments.number(0), of: script, milliseconds: Double(arguments.number(1)))
        }
    }

    /// `provide(name)`: puts the part in place that has a global of this name.
    private static let provide: JSObjectCallAsFunctionCallback = { context, _, this, count, arguments, exception in
        answer(context, count, arguments) { arguments in
            if let name = arguments.text(0) {
                exception?.pointee = PreludeObject.owner(of: this)?.realm.provide(name)
            }
            return nil
        }
    }

    /// For what only a run that is not over can do.
    private static func perform(
        _ context: JSContextRef?,
        _ this: JSObjectRef?,
        _ count: Int,
        _ values: UnsafePointer<JSValueRef?>?,
        _ body: (ScriptLoop, Script, Arguments) -> Void
    ) -> JSValueRef? {
        answer(context, count, values) { arguments in
            guard let script = PreludeObject.owner(of: this) as? Script, !script.isOver, let loop = ScriptLoop.current
            else { return nil }
            body(loop, script, arguments)
            return nil
        }
    }

    /// - Parameter body: returns the function's value; `nil` is JavaScript's undefined.
    static func answer(
        _ context: JSContextRef?,
        _ count: Int,
        _ values: UnsafePointer<JSValueRef?>?,
        _ body: (Arguments) -> JSValueRef?
    ) -> JSValueRef? {
        guard let context else { return nil }
        let arguments = Arguments(context: context, values: UnsafeBufferPointer(start: values, count: count))
        return body(arguments) ?? JSValueMakeUndefined(context)
    }
}

/// The arguments of one call from JavaScript.
struct Arguments {
    let context: JSContextRef
    let values: UnsafeBufferPointer<JSValueRef?>

    func number(_ index: Int) -> UInt32 {
        guard index < values.count, let value = values[index] else { return 0 }
        return UInt32(exactly: JSValueToNumber(context, value, nil).rounded()) ?? 0
    }

    /// A Uint8Array of these bytes.
    func bytesValue(_ bytes: UnsafeRawBufferPointer) -> JSValueRef? {
        Self.makeBytes(bytes, in: context)
    }

    static func makeBytes(_ bytes: UnsafeRawBufferPointer, in context: JSContextRef) -> JSValueRef? {
        let array = JSObjectMakeTypedArray(context, kJSTypedArrayTypeUint8Array, bytes.count, nil)
        if let array, let target = JSObjectGetTypedArrayBytesPtr(context, array, nil), let source = bytes.baseAddress {
            memcpy(target, source, bytes.count)
        }
        return array
    }

    func text(_ index: Int) -> String? {
        var text: String?
        withString(index) { string in
            let units = UnsafeBufferPointer(start: JSStringGetCharactersPtr(string), count: JSStringGetLength(string))
            text = String(decoding: units, as: UTF16.self)
        }
        return text
    }

    /// The bytes of an ArrayBuffer or of a view of one; none for anything else.
    func withBytes<Result>(_ index: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        var result: Result?
        withBytesOrString(index) { _, bytes in
            result = body(bytes ?? UnsafeRawBufferPointer(start: nil, count: 0))
        }
        return result ?? body(UnsafeRawBufferPointer(start: nil, count: 0))
    }

    func withString(_ index: Int, _ body: (JSStringRef) -> Void) {
        guard index < values.count, let value = values[index],
            let string = JSValueToStringCopy(context, value, nil)
        else { return }
        defer { JSStringRelease(string) }
        body(string)
    }

    /// A request's body: bytes as they are, else text, else nothing.
    func withBytesOrString(_ index: Int, _ body: (JSStringRef?, UnsafeRawBufferPointer?) -> Void) {
        guard index < values.count, let value = values[index], !JSValueIsUndefined(context, value) else {
            return body(nil, nil)
        }
        let type = JSValueGetTypedArrayType(context, value, nil)
        guard type != kJSTypedArrayTypeNone, let object = JSValueToObject(context, value, nil) else {
            return withString(index) { body($0, nil) }
        }
        if type == kJSTypedArrayTypeArrayBuffer {
            let start = JSObjectGetArrayBufferBytesPtr(context, object, nil)
            let count = JSObjectGetArrayBufferByteLength(context, object, nil)
            return body(nil, UnsafeRawBufferPointer(start: start, count: count))
        }
        // The pointer is the start of the whole buffer.
        let start = JSObjectGetTypedArrayBytesPtr(context, object, nil)
        let offset = JSObjectGetTypedArrayByteOffset(context, object, nil)
        let count = JSObjectGetTypedArrayByteLength(context, object, nil)
        body(nil, UnsafeRawBufferPointer(start: start.map { $0 + offset }, count: count))
    }
}
