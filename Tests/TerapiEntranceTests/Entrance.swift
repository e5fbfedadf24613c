import TerapiCore
import Testing

/// A way by which a URL or a host that somebody else wrote becomes a request of ours.
struct Entrance: Sendable, CustomTestStringConvertible {
    typealias Attempt = @Sendable (_ installation: Installation, _ urls: [String]) async throws -> [Verdict]

    /// What else than the guard may refuse, in its documented words.
    enum Rule: String, Sendable {
        /// A field of the API that must hold an address.
        case address = "Expected an address that begins with https:// or http://."
        /// A placeholder at the beginning of a URL.
        case root = "must be a URL such as https://api.example.com."
        /// A placeholder in a host.
        case host = "is part of a host name: only letters, digits, hyphens and dots are allowed."
        /// An empty value.
        case missing = "is needed and missing."
        /// Credentials go to the provider's own origin only.
        case origin = "and not to the provider's own"
        /// A server that describes itself by what is no address.
        case server = "is no address of a server"
        /// A definition that does not load.
        case provider = "The provider files hold mistakes."
        case sync = "sync.yaml:"
    }

    let name: String
    /// The codes under which a caller learns of the refusal.
    var codes: Set<String> = ["outbound_refused"]
    var rules: Set<Rule> = []
    /// Whether each spelling costs a journey of several requests: then some hundreds of them are tried.
    var isJourney = false
    /// Whether what does not begin with a scheme is a path at the provider's own origin, to which it may go.
    var takesPaths = false
    /// Whether only addresses of the provider's own origin are followed.
    var keepsOrigin = false
    /// Whether the URL comes through an answer of a provider that may be reached, at ``Neighbour``.
    var needsNeighbour = false
    /// Whether the URL stands in a header, which cannot hold every character.
    var isHeader = false
    var setting: @Sendable (_ urls: [String], _ trapPort: Int) throws -> Installation.Setting = { _, _ in .init() }
    let attempt: Attempt

    var testDescription: String { name }

    static let all = webhooks + configurations + authorizations + authModes + providerFiles + scripts + proxy

    /// Host and port of what is written like a URL.
    static func authority(_ url: String) -> String {
        guard let mark = url.firstRange(of: "://") else { return url }
        return String(url[mark.upperBound...].prefix { $0 != "/" })
    }

    /// The same without the port that all URLs of one test share.
    static func host(_ url: String, port: Int) -> String {
        let authority = authority(url)
        return authority.hasSuffix(":\(port)") ? String(authority.dropLast("\(port)".count + 1)) : authority
    }
}

extension Array where Element == String {
    /// One after the other: each of them may change what the next one finds.
    func verdicts(_ attempt: (_ number: Int, _ text: String) async throws -> Verdict) async rethrows -> [Verdict] {
        var verdicts: [Verdict] = []
        for (number, text) in enumerated() { verdicts.append(try await attempt(number, text)) }
        return verdicts
    }
}
