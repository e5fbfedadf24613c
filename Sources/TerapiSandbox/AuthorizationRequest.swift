import TerapiCore

/// What an application asks the person for at the authorization endpoint.
struct AuthorizationRequest: Equatable {
    var clientID: String
    var redirectURI: String
    var codeChallenge: String
    var scope: String
    var state: String?

    /// Why a request is refused. Only a refusal with `mayRedirect` may be told to the application by a redirect: before
    /// the client and its address are known to be right, that would make us an open redirector.
    struct Refusal: Error {
        var code: String
        var explanation: String
        var mayRedirect: Bool
    }

    init(parameters: [String: String], options: SandboxOptions) throws(Refusal) {
        guard let clientID = parameters["client_id"], clientID == options.clientID else {
            throw Refusal(code: "invalid_request", explanation: "This client_id is not registered.", mayRedirect: false)
        }
        guard let redirectURI = parameters["redirect_uri"], Self.isAllowed(redirectURI, options: options) else {
            throw Refusal(
                code: "invalid_request",
                explanation: "This redirect_uri is not registered.",
                mayRedirect: false
            )
        }
        guard parameters["response_type"] == "code" else {
            throw Refusal(
                code: "unsupported_response_type",
                explanation: "response_type must be code.",
                mayRedirect: true
            )
        }
        guard let challenge = parameters["code_challenge"], parameters["code_challenge_method"] == "S256" else {
            throw Refusal(
                code: "invalid_request",
                explanation: "PKCE with code_challenge_method S256 is required.",
                mayRedirect: true
            )
        }
        self.clientID = clientID
        self.redirectURI = redirectURI
        codeChallenge = challenge
        scope = parameters["scope"] ?? "tickets:read"
        state = parameters["state"]
    }

    /// The redirect address with these parameters added.
    static func redirect(_ address: String, adding parameters: [(String, String?)]) -> String {
        let query = parameters.compactMap { name, value in value.map { "\(name)=\(PercentEncoding.encode($0))" } }
        return address + (address.contains("?") ? "&" : "?") + query.joined(separator: "&")
    }

    private static func isAllowed(_ address: String, options: SandboxOptions) -> Bool {
        guard options.redirectURIs.isEmpty else { return options.redirectURIs.contains(address) }
        let loopback = ["localhost", "127.0.0.1", "[::1]"]
        guard let rest = ["http://", "https://"].lazy.compactMap({ address.dropPrefix($0) }).first else { return false }
        let authority = rest.prefix { !"/?#".contains($0) }
        return loopback.contains { host in
            guard let port = authority.dropPrefix(host) else { return false }
            return port.isEmpty || (port.first == ":" && port.dropFirst().allSatisfy(\.isNumber))
        }
    }
}

extension StringProtocol {
    /// What follows the prefix, or `nil` when the text does not begin with it.
    fileprivate func dropPrefix(_ prefix: String) -> SubSequence? {
        hasPrefix(prefix) ? dropFirst(prefix.count) : nil
    }
}
