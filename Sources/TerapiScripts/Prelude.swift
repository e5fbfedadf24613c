import CJavaScriptCore

/// The JavaScript that every script finds around it, in parts that are evaluated when something of them is asked for.
enum Prelude {
    struct Part {
        var name: String
        var source: [UInt8]
        /// What it adds to the object that the parts share.
        var host: [String] = []
        /// What it adds to a script's object.
        var context: [String] = []
        var globals: [String] = []
    }

    static let parts: [Part] = [
        Part(
            name: "run", source: PackageResources.run_js,
            host: [
                "callPrinted", "change", "clock", "fire", "formBody", "isURLSearchParams", "offer", "promise",
                "provide", "reject", "request", "require", "resolve", "respond", "start", "unhandled",
            ]),
        Part(name: "module", source: PackageResources.module_js, host: ["terapiModule"]),
        Part(name: "description", source: PackageResources.description_js, host: ["description"]),
        Part(
            name: "errors", source: PackageResources.errors_js,
            host: ["ActionError", "callOf", "errorOf", "responseError"]),
        Part(name: "text", source: PackageResources.text_js, host: ["describe", "json", "text"]),
        Part(name: "log", source: PackageResources.log_js, host: ["log"], context: ["log", "setLogger"]),
        Part(
            name: "properties", source: PackageResources.properties_js,
            context: ["connectionId", "providerConfigKey", "provider", "variant", "lastSyncDate", "ActionError"]),
        Part(
            name: "http", source: PackageResources.http_js, host: ["bodyOf", "headersOf", "pairs", "send"],
            context: ["get", "post", "put", "patch", "delete", "proxy"]),
        Part(
            name: "pagination", source: PackageResources.pagination_js, host: ["itemsOf", "paginate"],
            context: ["paginate"]),
        Part(
            name: "records", source: PackageResources.records_js, host: ["hand"],
            context: ["batchSave", "batchUpdate", "batchDelete"]),
        Part(
            name: "calls", source: PackageResources.calls_js, host: ["call"],
            context: [
                "getConnection", "getToken", "getIntegration", "getEnvironmentVariables", "getWebhookURL",
                "getFlowAttributes", "getMetadata", "setMetadata", "updateMetadata", "getCheckpoint", "saveCheckpoint",
                "clearCheckpoint", "trackDeletesStart", "trackDeletesEnd", "deleteRecordsFromPreviousExecutions",
                "setMergingStrategy", "triggerAction", "triggerSync", "startSync", "tryAcquireLock", "releaseLock",
                "releaseAllLocks", "getRecordsByIds", "listRecords", "zodValidateInput",
            ]),
        Part(name: "declared", source: PackageResources.declared_js, host: ["declaredSync"]),
        Part(name: "date", source: PackageResources.date_js, globals: ["Date"]),
        Part(name: "intl", source: PackageResources.intl_js, host: ["localesFor"], globals: ["Intl"]),
        Part(
            name: "globals", source: PackageResources.globals_js, globals: ["global", "performance", "queueMicrotask"]),
        Part(name: "console", source: PackageResources.console_js, globals: ["console"]),
        Part(
            name: "timers", source: PackageResources.timers_js, host: ["fireTimer"],
            globals: [
                "setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "clearImmediate",
            ]),
        Part(
            name: "bytes", source: PackageResources.bytes_js, host: ["bytes", "bufferModule"],
            globals: ["Buffer", "TextEncoder", "TextDecoder", "atob", "btoa"]),
        Part(name: "clone", source: PackageResources.clone_js, globals: ["structuredClone"]),
        Part(name: "crypto", source: PackageResources.crypto_js, host: ["cryptoModule"], globals: ["crypto"]),
        Part(
            name: "events", source: PackageResources.events_js, host: ["exception"],
            globals: ["DOMException", "Event", "EventTarget", "AbortController", "AbortSignal"]),
        Part(
            name: "fetch", source: PackageResources.fetch_js, host: ["fetch", "reasonOf"],
            context: ["uncontrolledFetch"], globals: ["Headers", "Request", "Response", "fetch"]),
        Part(
            name: "forms", source: PackageResources.forms_js, host: ["blobOf"], globals: ["Blob", "File", "FormData"]),
        Part(
            name: "url", source: PackageResources.url_js, host: ["urlModule"], globals: ["URL", "URLSearchParams"]),
    ]

    /// Which part has what, by its place in ``parts``.
    static let hostMembers = places(of: \.host)
    static let contextMembers = places(of: \.context)
    static let globals = places(of: \.globals)

    // Made once and never changed.
    nonisolated(unsafe) static let contextNames = parts.flatMap(\.context).map { JSStringCreateWithUTF8CString($0) }

    /// Those globals whose names stand in a text: a script that never names one does not need it. Where a text may make
    /// names as it runs, it is all of them.
    static func globalsNamed(in text: UnsafeRawBufferPointer) -> Set<String> {
        let makesNames = ["globalThis", "Function", "eval"].contains { stands($0, in: text) }
        return makesNames ? Set(globals.keys) : Set(globals.keys.filter { stands($0, in: text) })
    }

    private static func stands(_ name: String, in text: UnsafeRawBufferPointer) -> Bool {
        var name = name
        return name.withUTF8 { name in
            var rest = text
            while let found = memmem(rest.baseAddress, rest.count, name.baseAddress, name.count),
                let start = rest.baseAddress
            {
                let end = found - UnsafeMutableRawPointer(mutating: start) + name.count
                rest = UnsafeRawBufferPointer(rebasing: rest[end...])
                // What stands before may be the end of an escape; what stands after may not go on with the name.
                guard let next = rest.first, isOfName(next) else { return true }
            }
            return false
        }
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "$"):
            true
        default: false
        }
    }

    private static func places(of members: KeyPath<Part, [String]>) -> [String: Int] {
        Dictionary(
            uniqueKeysWithValues: parts.enumerated().flatMap { place, part in
                part[keyPath: members].map { ($0, place) }
            })
    }

    /// The function that puts a part in place.
    static func parse(_ place: Int, group: JSContextGroupRef) -> ParsedText {
        let part = parts[place]
        // The prelude does well with the engine's own.
        let globals = part.source.withUnsafeBytes { source in
            Self.globals.keys.filter {
                !["Date", "Intl"].contains($0) && !part.globals.contains($0) && stands($0, in: source)
            }
        }
        let source = (part.source + [0]).withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { JSStringCreateWithUTF8CString($0.baseAddress) }
        }
        defer { JSStringRelease(source) }
        guard let source,
            let parsed = ParsedText(source, globals: Set(globals), name: "terapi/\(part.name).js", group: group)
        else { preconditionFailure("\(part.name) is no JavaScript.") }
        return parsed
    }
}
