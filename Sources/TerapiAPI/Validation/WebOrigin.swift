/// The origin of an address as browsers understand it: scheme, host and port, in lower case, without a default port.
///
/// Reads strictly, because the answer decides where a browser is sent and who may learn a result: anything that
/// programs are known to read in different ways (user names, backslashes, control characters, escapes in the host) is
/// no address here.
struct WebOrigin: Sendable, Hashable {
    let scheme: String
    /// Host, and port unless it is the scheme's own.
    let authority: String

    var text: String { "\(scheme)://\(authority)" }

    /// Whether the host is this machine.
    var isLoopback: Bool {
        let host = authority.hasPrefix("[") ? authority.prefix { $0 != "]" } + "]" : authority.prefix { $0 != ":" }
        return host == "localhost" || host == "[::1]" || host.hasSuffix(".localhost") || host.hasPrefix("127.")
    }

    /// - Returns: `nil` unless this is an `http` or `https` address.
    init?(url: String) {
        let forbidden = Set("\\\"<>^`{|} ".utf8)
        guard url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !forbidden.contains($0) }) else { return nil }
        let lower = url.lowercased()
        guard let scheme = ["https", "http"].first(where: { lower.hasPrefix($0 + "://") }) else { return nil }
        let authority = lower.dropFirst(scheme.count + 3).prefix { !"/?#".contains($0) }
        let host: Substring
        let rest: Substring
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = authority[...end]
            rest = authority[authority.index(after: end)...]
            guard host.dropFirst().dropLast().allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." }), host.count > 2
            else { return nil }
        } else {
            host = authority.prefix { $0 != ":" }
            rest = authority.dropFirst(host.count)
            guard !host.isEmpty, !host.hasPrefix("."), !host.hasPrefix("-"), !host.contains(".."),
                host.utf8.allSatisfy({
                    TextRule.isLetterOrDigit($0)
                        || [UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_")].contains($0)
                })
            else { return nil }
        }
        var port = ""
        if !rest.isEmpty {
            guard rest.hasPrefix(":"), (2...6).contains(rest.count),
                rest.dropFirst().utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(rest.dropFirst()),
                (1...65_535).contains(number)
            else { return nil }
            if number != (scheme == "https" ? 443 : 80) { port = ":\(number)" }
        }
        self.scheme = scheme
        self.authority = host + port
    }
}
