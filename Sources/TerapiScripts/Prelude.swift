import CJavaScriptCore

/// The JavaScript that every script finds around it, in parts that are evaluated when something of them is asked for.
enum Prelude {
    /// Whom a part serves: all runs of a realm, or one.
    enum Level {
        case realm
        case run
    }

    struct Part {
        var name: String
        var level: Level
        var source: [UInt8]
        /// What it adds to the object that the parts share.
        var host: [String] = []
        /// What it adds to a script's object.
        var context: [String] = []
        var globals: [String] = []
    }

    static let parts: [Part] = [
        Part(
            name: "realm", level: .realm, source: PackageResources.realm_js,
            host: ["begin", "clock", "formBody", "isURLSearchParams", "load", "promise", "provide", "put", "require"]),
        Part(
            name: "run", level: .run, source: PackageResources.run_js,
            host: [
                "callPrinted", "change", "fire", "offer", "reject", "request", "resolve", "respond", "start",
                "unhandled",
            ]),
        Part(
            name: "module", level: .run, source: PackageResources.module_js, host: ["mappingNames", "terapiModule"]),
        Part(name: "mapping", level: .realm, source: PackageResources.mapping_js, host: ["mapping"]),
        Part(name: "description", level: .run, source: PackageResources.description_js, host: ["description"]),
        Part(
            name: "errors", level: .run, source: PackageResources.errors_js,
            host: ["ActionError", "callOf", "errorOf", "responseError"]),
        Part(name: "text", level: .run, source: PackageResources.text_js, host: ["describe", "json", "text"]),
        Part(
            name: "log", level: .run, source: PackageResources.log_js, host: ["log"], context: ["log", "setLogger"]),
        Part(
            name: "properties", level: .run, source: PackageResources.properties_js,
            context: [
                "connectionId", "providerConfigKey", "provider", "variant", "webhook", "lastSyncDate", "ActionError",
            ]),
        Part(
            name: "http", level: .run, source: PackageResources.http_js,
            host: ["bodyOf", "headersOf", "pairs", "send"],
            context: ["get", "post", "put", "patch", "delete", "proxy"]),
        Part(
            name: "pagination", level: .run, source: PackageResources.pagination_js, host: ["itemsOf", "paginate"],
            context: ["paginate"]),
        Part(
            name: "records", level: .run, source: PackageResources.records_js, host: ["hand"],
            context: ["batchSave", "batchUpdate", "batchDelete"]),
        Part(
            name: "calls", level: .run, source: PackageResources.calls_js, host: ["call"],
            context: [
                "getConnection", "getToken", "getIntegration", "getEnvironmentVariables", "getWebhookURL",
                "getFlowAttributes", "getMetadata", "setMetadata", "updateMetadata", "getCheckpoint", "saveCheckpoint",
                "clearCheckpoint", "trackDeletesStart", "trackDeletesEnd", "deleteRecordsFromPreviousExecutions",
                "setMergingStrategy", "reportBackfill", "triggerAction", "triggerSync", "startSync", "tryAcquireLock",
                "releaseLock", "releaseAllLocks", "getRecordsByIds", "listRecords", "zodValidateInput",
            ]),
        Part(name: "declared", level: .run, source: PackageResources.declared_js, host: ["declaredSync"]),
        Part(name: "date", level: .realm, source: PackageResources.date_js, globals: ["Date"]),
        Part(
            name: "intl", level: .realm, source: PackageResources.intl_js, host: ["localesFor"], globals: ["Intl"]),
        Part(
            name: "globals", level: .realm, source: PackageResources.globals_js,
            globals: ["global", "performance", "queueMicrotask"]),
        Part(name: "console", level: .run, source: PackageResources.console_js, globals: ["console"]),
        Part(
            name: "timers", level: .run, source: PackageResources.timers_js, host: ["fireTimer", "setTimeout"],
            globals: [
                "setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "clearImmediate",
            ]),
        Part(
            name: "bytes", level: .realm, source: PackageResources.bytes_js, host: ["bytes", "bufferModule"],
            globals: ["Buffer", "TextEncoder", "TextDecoder", "atob", "btoa"]),
        Part(name: "clone", level: .realm, source: PackageResources.clone_js, globals: ["structuredClone"]),
        Part(
            name: "crypto", level: .realm, source: PackageResources.crypto_js, host: ["cryptoModule"],
            globals: ["crypto"]),
        Part(
            name: "events", level: .realm, source: PackageResources.events_js, host: ["exception"],
            globals: ["DOMException", "Event", "EventTarget"]),
        Part(
            name: "abort", level: .run, source: PackageResources.abort_js,
            globals: ["AbortController", "AbortSignal"]),
        Part(
            name: "fetch", level: .run, source: PackageResources.fetch_js, host: ["fetch", "reasonOf"],
            context: ["uncontrolledFetch"], globals: ["Headers", "Request", "Response", "fetch"]),
        Part(
            name: "forms", level: .realm, source: PackageResources.forms_js, host: ["blobOf"],
            globals: ["Blob", "File", "FormData"]),
        Part(
            name: "url", level: .realm, source: PackageResources.url_js, host: ["urlModule"],
            globals: ["URL", "URLSearchParams"]),
    ]

    /// Which part has what, by its place in ``parts``.
    static let hostMembers = places(of: \.host)
    static let contextMembers = places(of: \.context)
    static let globals = places(of: \.globals)
    static let realmGlobals = Set(globals.filter { parts[$0.value].level == .realm }.keys)

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

    static func isOfName(_ byte: UInt8) -> Bool {
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
