import HTTPTypes
import TerapiCore
import TestSupport

extension Entrance {
    /// What a customer's own request may name, and where an answer to it may lead.
    static let proxy = [
        Entrance(
            name: "the header Base-Url-Override of the proxy",
            codes: ["base_url_override_not_allowed"],
            isHeader: true,
            attempt: { installation, urls in
                try await makeDesk("http://canary.example:\(installation.trap.port)", installation)
                return try await urls.verdicts { _, url in
                    try await installation.relay("/proxy/x", more: [("Base-Url-Override", url)]).verdict
                }
            }
        ),
        Entrance(
            name: "a whole URL as the path of the proxy",
            rules: [.origin],
            takesPaths: true,
            keepsOrigin: true,
            isHeader: true,
            attempt: { installation, urls in
                try await makeDesk("http://canary.example:\(installation.trap.port)", installation)
                return try await urls.verdicts { _, url in
                    try await installation.relay("/proxy/\(url)").verdict
                }
            }
        ),
        redirected("a redirect of a request through the proxy", forwards: "false"),
        redirected("a redirect of a request through the proxy that takes its headers along", forwards: "true"),
    ]

    private static func redirected(_ name: String, forwards: String) -> Entrance {
        Entrance(
            name: name,
            codes: ["proxy_redirect_to_denied_host"],
            rules: [],
            takesPaths: true,
            needsNeighbour: true,
            isHeader: true,
            attempt: { installation, urls in
                try await Neighbour.with { request in
                    guard request.target.hasPrefix("/id/"), let number = Int(request.target.dropFirst(4)),
                        urls.indices.contains(number)
                    else { return .http(200) }
                    return .http(302, headers: [("Location", urls[number])])
                } use: { neighbour in
                    try await makeDesk(neighbour, installation)
                    return try await urls.verdicts { number, _ in
                        try await installation.relay(
                            "/proxy/id/\(number)",
                            more: [("Forward-Headers-On-Redirect", forwards)]
                        ).verdict
                    }
                }
            }
        )
    }

    private static func makeDesk(_ base: String, _ installation: Installation) async throws {
        try await installation.makeIntegration("desk", provider: "api-key-generic", config: ["base_url": .string(base)])
        try await installation.prepare(.post, "/connections", Installation.keyed(0))
    }
}

extension Installation {
    /// A request through the connection `c0`.
    func relay(_ uri: String, more headers: [(String, String)] = []) async throws -> Answer {
        let named = [("Provider-Config-Key", "desk"), ("Connection-Id", "c0")] + headers
        return try await call(
            .get,
            uri,
            headers: named.compactMap { name, value in HTTPField.Name(name).map { ($0, value) } }
        )
    }
}
