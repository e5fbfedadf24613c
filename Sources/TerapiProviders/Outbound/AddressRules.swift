/// Which addresses may be reached: the globally reachable ones, and the ranges that the operator lists.
///
/// What is globally reachable follows the special-purpose address registries of IANA (RFC 6890), read as an allow-list:
/// for IPv6 only 2000::/3 without its special ranges, so that a form that nobody thought of is refused.
public struct AddressRules: Sendable {
    /// Ranges that are reachable besides the public ones.
    public var allowed: [CIDR]

    public init(allowed: [CIDR] = []) {
        self.allowed = allowed
    }

    /// Why the address may not be reached, in words, or `nil` when it may.
    ///
    /// A listed range opens loopback, link-local and metadata addresses only when it lies within their range:
    /// `0.0.0.0/0` opens neither `127.0.0.1` nor `169.254.169.254`.
    public func reasonToRefuse(_ address: IPAddress) -> String? {
        guard let reason = Self.reasonNotPublic(address) else { return nil }
        return isListed(address) ? nil : reason
    }

    private func isListed(_ address: IPAddress) -> Bool {
        // An address that carries another one inside leads to that one: it must be permitted itself.
        if let inner = Self.embeddedAddress(in: address), reasonToRefuse(inner) != nil { return false }
        let guarded = Self.guarded.filter { $0.contains(address) }
        return allowed.contains { range in range.contains(address) && guarded.allSatisfy(range.isWithin) }
    }

    static func reasonNotPublic(_ address: IPAddress) -> String? {
        if let special = special.first(where: { $0.range.contains(address) }) { return special.reason }
        if address.isIPv6, address.bytes[0] & 0xE0 != 0x20 { return "an address outside the public range of IPv6" }
        return nil
    }

    private static func embeddedAddress(in address: IPAddress) -> IPAddress? {
        guard address.isIPv6, !loopback.contains(address) else { return nil }
        if embeddingRanges.contains(where: { $0.contains(address) }) {
            return IPAddress(bytes: Array(address.bytes[12...]))
        }
        return sixToFour.contains(address) ? IPAddress(bytes: Array(address.bytes[2..<6])) : nil
    }

    /// Reaching these by accident gives away the machine itself or its cloud credentials.
    private static let guarded = ranges([
        "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32",
        "::/128", "::1/128", "fe80::/10", "fd00:ec2::/32", "fd20:ce::254/128", "::ffff:0:0/96", "::/96",
        "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16",
    ])

    private static let embeddingRanges = ranges(["::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48"])
    private static let loopback = range("::1/128")
    private static let sixToFour = range("2002::/16")

    private static let special: [(range: CIDR, reason: String)] = [
        ("0.0.0.0/8", "an address of \"this network\" (RFC 791)"),
        ("10.0.0.0/8", "a private address (RFC 1918)"),
        ("100.64.0.0/10", "a shared address of a provider's network (RFC 6598)"),
        ("127.0.0.0/8", "a loopback address (RFC 1122)"),
        ("168.63.129.16/32", "the metadata address of Azure"),
        ("169.254.0.0/16", "a link-local or metadata address (RFC 3927)"),
        ("172.16.0.0/12", "a private address (RFC 1918)"),
        ("192.0.0.0/24", "an address for protocol assignments (RFC 6890)"),
        ("192.0.2.0/24", "an address for documentation (RFC 5737)"),
        ("192.88.99.0/24", "an address of the 6to4 relays (RFC 7526)"),
        ("192.168.0.0/16", "a private address (RFC 1918)"),
        ("198.18.0.0/15", "an address for benchmarks (RFC 2544)"),
        ("198.51.100.0/24", "an address for documentation (RFC 5737)"),
        ("203.0.113.0/24", "an address for documentation (RFC 5737)"),
        ("224.0.0.0/4", "a multicast address (RFC 1112)"),
        ("240.0.0.0/4", "a reserved address (RFC 1112)"),
        ("::1/128", "a loopback address (RFC 4291)"),
        ("::ffff:0:0/96", "an IPv4 address inside IPv6 (RFC 4291)"),
        ("64:ff9b::/96", "a translated IPv4 address (RFC 6052)"),
        ("64:ff9b:1::/48", "a translated IPv4 address (RFC 8215)"),
        ("100::/64", "a discard-only address (RFC 6666)"),
        ("2001::/23", "an address for protocol assignments, among them Teredo (RFC 2928)"),
        ("2001:db8::/32", "an address for documentation (RFC 3849)"),
        ("2002::/16", "a 6to4 address (RFC 3056)"),
        ("3fff::/20", "an address for documentation (RFC 9637)"),
        ("5f00::/16", "an address of segment routing (RFC 9602)"),
        ("fc00::/7", "a private address (RFC 4193)"),
        ("fe80::/10", "a link-local address (RFC 4291)"),
        ("ff00::/8", "a multicast address (RFC 4291)"),
    ].map { (range($0.0), $0.1) }

    private static func ranges(_ texts: [String]) -> [CIDR] { texts.map(range) }

    private static func range(_ text: String) -> CIDR {
        guard let range = CIDR(text) else { preconditionFailure("\(text) is not a range") }
        return range
    }
}
