import CJavaScriptCore

/// The JavaScript that every script finds around it.
enum Prelude {
    typealias Part = (name: JSStringRef?, source: JSStringRef?)

    /// In the order in which they are evaluated, before every script.
    // Made once and read on the loop's thread only.
    nonisolated(unsafe) static let parts: [Part] = [
        part("host", PackageResources.host_js),
        part("globals", PackageResources.globals_js),
        part("errors", PackageResources.errors_js),
        part("http", PackageResources.http_js),
        part("records", PackageResources.records_js),
        part("context", PackageResources.context_js),
        part("modules", PackageResources.modules_js),
    ]

    /// What only some scripts use: evaluated when the first name in it is asked for.
    // As above.
    nonisolated(unsafe) static let partsOnDemand: [String: Part] = [
        "bytes": part("bytes", PackageResources.bytes_js),
        "clone": part("clone", PackageResources.clone_js),
        "console": part("console", PackageResources.console_js),
        "crypto": part("crypto", PackageResources.crypto_js),
        "declared": part("declared", PackageResources.declared_js),
        "events": part("events", PackageResources.events_js),
        "fetch": part("fetch", PackageResources.fetch_js),
        "pagination": part("pagination", PackageResources.pagination_js),
        "timers": part("timers", PackageResources.timers_js),
        "url": part("url", PackageResources.url_js),
    ]

    private static func part(_ name: String, _ bytes: [UInt8]) -> Part {
        let source = (bytes + [0]).withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { JSStringCreateWithUTF8CString($0.baseAddress) }
        }
        return (JSStringCreateWithUTF8CString("terapi/\(name).js"), source)
    }
}
