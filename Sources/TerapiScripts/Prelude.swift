import CJavaScriptCore

/// The JavaScript that every script finds around it, in the order in which it is evaluated.
enum Prelude {
    // Made once and read on the loop's thread only.
    nonisolated(unsafe) static let parts: [(name: JSStringRef?, source: JSStringRef?)] = [
        part("host", PackageResources.host_js),
        part("globals", PackageResources.globals_js),
        part("url", PackageResources.url_js),
        part("errors", PackageResources.errors_js),
        part("http", PackageResources.http_js),
        part("pagination", PackageResources.pagination_js),
        part("records", PackageResources.records_js),
        part("context", PackageResources.context_js),
        part("declared", PackageResources.declared_js),
        part("modules", PackageResources.modules_js),
    ]

    private static func part(_ name: String, _ bytes: [UInt8]) -> (JSStringRef?, JSStringRef?) {
        let source = (bytes + [0]).withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { JSStringCreateWithUTF8CString($0.baseAddress) }
        }
        return (JSStringCreateWithUTF8CString("terapi/\(name).js"), source)
    }
}
