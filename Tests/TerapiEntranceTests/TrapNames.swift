import Synchronization
import TerapiCore
import TerapiProviders

/// A name server under which every name is a forbidden place.
final class TrapNames: HostResolver {
    /// Names that only resolution can judge.
    static let leading = [
        "canary.example", "localhost", "LOCALHOST.", "ip6-localhost", "metadata.google.internal", "mixed.example",
        "127.0.0.1.nip.example", "xn--localhost-9d0.example", "a.b.c.localhost", "instance-data",
    ]

    private let asked = Mutex<Set<String>>([])

    /// Every host that somebody wanted to find.
    var questions: Set<String> { asked.withLock { $0 } }

    func addresses(of host: String) async throws -> [IPAddress] {
        _ = asked.withLock { $0.insert(host) }
        let answer =
            switch host {
            case "metadata.google.internal", "instance-data": ["169.254.169.254"]
            case "mixed.example": ["93.184.216.34", "127.0.0.1"]
            case "ip6-localhost": ["::1"]
            default: ["127.0.0.1"]
            }
        return answer.compactMap(IPAddress.init)
    }
}
