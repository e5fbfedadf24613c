import Synchronization
import TerapiCore

/// Decides where the server may connect to, before it connects.
///
/// A URL is read once, its host resolved once, every address of it judged, and the connection goes to exactly such an
/// address: a name server that answers differently the next time gains nothing.
public final class OutboundGuard: Sendable {
    /// A URL that may be called, and where its host is.
    struct Target: Sendable {
        var url: OutboundURL
        /// At least one, all of them permitted, in the order in which to try them.
        var addresses: [IPAddress]
    }

    private let rules: AddressRules
    private let resolver: any HostResolver
    private let lifetime: Duration
    private let known = Mutex([String: (addresses: [IPAddress], until: ContinuousClock.Instant)]())

    /// - Parameters:
    ///   - allowed: ranges that are reachable besides the public ones.
    ///   - lifetime: how long a host's addresses are remembered. They are judged anew at every use.
    public init(
        allowed: [CIDR] = [],
        resolver: any HostResolver = SystemResolver(),
        lifetime: Duration = .seconds(10)
    ) {
        rules = AddressRules(allowed: allowed)
        self.resolver = resolver
        self.lifetime = lifetime
    }

    func target(_ text: String) async throws -> Target {
        try await target(read(text))
    }

    func target(_ url: OutboundURL) async throws -> Target {
        let addresses = try await addresses(of: url)
        try judge(addresses, of: url)
        return Target(url: url, addresses: addresses)
    }

    func read(_ text: String) throws -> OutboundURL {
        do {
            return try OutboundURL(text)
        } catch {
            let shown = String(text.prefix(200).prefix { $0 != "?" && $0 != "@" && !$0.isNewline })
            throw TerapiError(.outboundRefused, "The URL \"\(shown)\" cannot be called: \(error.reason).")
        }
    }

    private func addresses(of url: OutboundURL) async throws -> [IPAddress] {
        switch url.host {
        case .address(let address): return [address]
        case .name(let name):
            let now = ContinuousClock.now
            if let entry = known.withLock({ $0[name] }), entry.until > now { return entry.addresses }
            let addresses: [IPAddress]
            do {
                addresses = try await resolver.addresses(of: name)
                guard !addresses.isEmpty else { throw OutboundFailure(.notSent, "\(name) has no address") }
            } catch let failure as OutboundFailure {
                throw TerapiError(
                    .providerUnreachable,
                    "\(name) could not be reached: its name could not be resolved.",
                    cause: failure
                )
            }
            known.withLock { known in
                if known.count >= 1024 { known = known.filter { $0.value.until > now } }
                if known.count < 1024, lifetime > Duration.zero { known[name] = (addresses, now + lifetime) }
            }
            return addresses
        }
    }

    /// One address that is not permitted refuses the whole host: a mix of both is what an attack looks like.
    private func judge(_ addresses: [IPAddress], of url: OutboundURL) throws {
        for address in addresses {
            guard let reason = rules.reasonToRefuse(address) else { continue }
            let leads = if case .address = url.host { "is" } else { "leads to" }
            throw TerapiError(
                .outboundRefused,
                """
                \(url.hostText) \(leads) \(reason), which must not be reached. To permit it, list its range in the \
                setting outbound-allow (TERAPI_OUTBOUND_ALLOW).
                """,
                cause: OutboundFailure(.notSent, "\(url.hostText) is at \(address)")
            )
        }
    }
}
