import CJavaScriptCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Values of the language from bytes, and back.
extension PreludeOwner {
    /// `nil` when it is no JSON.
    func json(_ bytes: UnsafeRawBufferPointer) -> JSValueRef? {
        let string = string(bytes)
        defer { JSStringRelease(string) }
        return JSValueMakeFromJSONString(context, string)
    }

    func textValue(_ bytes: UnsafeRawBufferPointer) -> JSValueRef? {
        let string = string(bytes)
        defer { JSStringRelease(string) }
        return JSValueMakeString(context, string)
    }

    func swiftText(_ value: JSValueRef?) -> String {
        guard let text = value.flatMap({ JSValueToStringCopy(context, $0, nil) }) else { return "" }
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
}

extension UnsafeRawBufferPointer {
    /// What stands before the first newline, and after it.
    func splitLine() -> (line: UnsafeRawBufferPointer, rest: UnsafeRawBufferPointer) {
        guard let start = baseAddress, let end = memchr(start, 0x0A, count) else {
            return (self, UnsafeRawBufferPointer(start: nil, count: 0))
        }
        let length = UnsafeRawPointer(end) - start
        return (
            UnsafeRawBufferPointer(rebasing: self[..<length]), UnsafeRawBufferPointer(rebasing: self[(length + 1)...])
        )
    }
}
