/// An http or https URL in the one form that we accept, rebuilt from its parts.
///
/// Two parsers that read one text differently are a way round every check. So this reader refuses whatever has more
/// than one reading (user names, backslashes, numbers that some systems take for addresses, text that is not ASCII in
/// the host), and what is sent is ``text``, written from the parts that were checked.
struct OutboundURL: Sendable, Hashable {
    /// Why a text is no URL that can be called, in words that end a sentence.
    struct Failure: Error {
        var reason: String
    }

    enum Host: Sendable, Hashable {
        /// In lower case, without a dot at the end.
        case name(String)
        case address(IPAddress)
    }

    let isHTTPS: Bool
    let host: Host
    let port: Int
    /// Path and query, percent-encoded; begins with `/`.
    let target: String

    init(_ text: String) throws(Failure) {
        guard text.utf8.count <= 65_536 else { throw Failure(reason: "it is longer than 64 KB") }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F || $0 == 0x20 }) else {
            throw Failure(reason: "it holds a control character")
        }
        guard let mark = text.firstRange(of: "://"), let isHTTPS = Self.schemes[text[..<mark.lowerBound].lowercased()]
        else {
            throw Failure(reason: "it does not begin with http:// or https://")
        }
        let rest = text[mark.upperBound...]
        let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
        let (host, port) = try Self.authority(rest[..<end])
        let tail = rest[end...].prefix { $0 != "#" }
        self.isHTTPS = isHTTPS
        self.host = host
        self.port = port ?? (isHTTPS ? 443 : 80)
        target = (tail.first == "/" ? "" : "/") + Self.encoded(tail)
    }

    private static let schemes = ["http": false, "https": true]

    /// Scheme, host and port in the form that compares.
    var origin: String { "\(isHTTPS ? "https" : "http")://\(hostText):\(port)" }

    var text: String { origin + target }

    /// The host as it is written in a URL.
    var hostText: String {
        switch host {
        case .name(let name): name
        case .address(let address): address.isIPv6 ? "[\(address)]" : address.description
        }
    }

    /// Reads the target of a redirect, which may be relative to this URL.
    func redirected(to location: String) throws(Failure) -> OutboundURL {
        if location.contains("://"), let scheme = location.split(separator: ":").first,
            scheme.allSatisfy({ $0.isASCII && $0.isLetter })
        {
            return try OutboundURL(location)
        }
        if location.hasPrefix("//") { return try OutboundURL("\(isHTTPS ? "https" : "http"):" + location) }
        if location.hasPrefix("/") { return try OutboundURL(origin + location) }
        let path = target.prefix { $0 != "?" }
        if location.hasPrefix("?") { return try OutboundURL(origin + path + location) }
        let head = location.prefix { !"/?#".contains($0) }
        guard !head.contains(":") else { throw Failure(reason: "it does not begin with http:// or https://") }
        let folder = path.lastIndex(of: "/").map { path[...$0] } ?? "/"
        return try OutboundURL(origin + folder + location)
    }

    private static func authority(_ text: Substring) throws(Failure) -> (Host, Int?) {
        guard !text.contains("@") else { throw Failure(reason: "it holds a user name") }
        guard text.utf8.allSatisfy({ $0 < 0x80 }) else {
            throw Failure(reason: "its host is not ASCII; write it in the xn-- form")
        }
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { throw Failure(reason: "a bracket is not closed") }
            guard let address = IPAddress(String(text[text.index(after: text.startIndex)..<end])), address.isIPv6 else {
                throw Failure(reason: "its host is no IPv6 address")
            }
            return (.address(address), try port(text[text.index(after: end)...]))
        }
        let end = text.firstIndex(of: ":") ?? text.endIndex
        return (try host(text[..<end].lowercased()), try port(text[end...]))
    }

    private static func port(_ text: Substring) throws(Failure) -> Int? {
        if text.isEmpty { return nil }
        guard text.first == ":", (2...6).contains(text.count),
            text.dropFirst().utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
            let port = Int(text.dropFirst()), (1...65_535).contains(port)
        else { throw Failure(reason: "its port is not a number from 1 to 65535") }
        return port
    }

    private static func host(_ text: String) throws(Failure) -> Host {
        let name = text.hasSuffix(".") ? String(text.dropLast()) : text
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        guard !name.isEmpty, name.utf8.count <= 253, labels.allSatisfy(isLabel), let last = labels.last else {
            throw Failure(reason: "its host is not a name of letters, digits, hyphens and dots")
        }
        if let address = IPAddress(name) { return .address(address) }
        // `127.1`, `2130706433`, `0177.0.0.1` and `0x7f.1` are addresses to some readers (RFC 6943, section 3.1.1).
        let isNumber = last.utf8.allSatisfy { (0x30...0x39).contains($0) }
        let isHex = last.hasPrefix("0x") && last.dropFirst(2).allSatisfy(\.isHexDigit)
        guard !isNumber, !isHex else {
            throw Failure(reason: "its host is an unusual spelling of an address; write four decimal numbers")
        }
        return .name(name)
    }

    private static func isLabel(_ label: Substring) -> Bool {
        (1...63).contains(label.utf8.count)
            && label.utf8.allSatisfy { byte in
                (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == UInt8(ascii: "-")
                    || byte == UInt8(ascii: "_")
            }
    }

    /// Keeps what RFC 3986 allows in path and query and encodes the rest, so that no later reader encodes it again.
    private static func encoded(_ text: Substring) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        for (index, byte) in bytes.enumerated() {
            let isEscape =
                byte == UInt8(ascii: "%") && index + 2 < bytes.count
                && isHexDigit(bytes[index + 1]) && isHexDigit(bytes[index + 2])
            if isEscape || (byte < 0x80 && legal[Int(byte)]) {
                result.append(byte)
            } else {
                result.append(contentsOf: [UInt8(ascii: "%"), hexDigits[Int(byte >> 4)], hexDigits[Int(byte & 15)]])
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static let hexDigits = Array("0123456789ABCDEF".utf8)

    private static let legal: [Bool] = {
        var table = [Bool](repeating: false, count: 128)
        let marks = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?"
        for byte in marks.utf8 { table[Int(byte)] = true }
        return table
    }()

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
    }
}
