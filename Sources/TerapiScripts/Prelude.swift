import CJavaScriptCore

/// The JavaScript that every script finds around it.
enum Prelude {
    /// What needs nothing of a run, so that it is ready before one comes.
    static let early: [(name: String, source: [UInt8])] = [
        part("host", PackageResources.host_js),
        part("globals", PackageResources.globals_js),
        part("errors", PackageResources.errors_js),
        part("http", PackageResources.http_js),
        part("records", PackageResources.records_js),
    ]

    /// What reads the run's settings when it is evaluated, and what needs that.
    static let late: [(name: String, source: [UInt8])] = [
        part("context", PackageResources.context_js),
        part("modules", PackageResources.modules_js),
    ]

    /// What only some scripts use: evaluated when the first name in it is asked for.
    static let onDemand: [(name: String, source: [UInt8])] = [
        part("bytes", PackageResources.bytes_js),
        part("clone", PackageResources.clone_js),
        part("console", PackageResources.console_js),
        part("crypto", PackageResources.crypto_js),
        part("declared", PackageResources.declared_js),
        part("events", PackageResources.events_js),
        part("fetch", PackageResources.fetch_js),
        part("pagination", PackageResources.pagination_js),
        part("timers", PackageResources.timers_js),
        part("url", PackageResources.url_js),
    ]

    private static func part(_ name: String, _ source: [UInt8]) -> (String, [UInt8]) {
        (name, source)
    }

    /// Parsed once for all contexts of a group.
    static func parse(_ parts: [(name: String, source: [UInt8])], group: JSContextGroupRef) -> [JSScriptRef] {
        parts.map { name, source in
            let text = (source + [0]).withUnsafeBufferPointer { buffer in
                buffer.withMemoryRebound(to: CChar.self) { JSStringCreateWithUTF8CString($0.baseAddress) }
            }
            defer { JSStringRelease(text) }
            guard let text, let parsed = ScriptTexts.parse(text, name: "terapi/\(name).js", group: group) else {
                preconditionFailure("\(name) is no JavaScript.")
            }
            return parsed
        }
    }
}
