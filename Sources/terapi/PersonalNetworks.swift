import TerapiProviders

/// Private networks, which a command may reach where a server may not: its requests go to the one address that the
/// person named.
enum PersonalNetworks {
    static let all = [
        "127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",
    ].compactMap(CIDR.init)
}
