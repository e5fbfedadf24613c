import HTTPTypes
import TerapiCore
import TerapiProviders
import TestSupport
import Testing

/// The entrance that every other one has behind it: an answer that points elsewhere.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct RedirectTests {
    @Test(arguments: [OutboundRequest.Redirects.follow, .followWithHeaders])
    func `no hop leads to a forbidden address`(rule: OutboundRequest.Redirects) async throws {
        try await Installation.with { _ in
            .init(allowed: [Neighbour.network])
        } use: { installation in
            let urls = Self.urls(port: installation.trap.port)

            // Five hops are made at most: each spelling comes at one of them.
            let verdicts = try await Self.follow(urls, at: { $0 % 5 + 1 }, rule, installation)

            #expect(urls.count >= 400)
            let surprises = zip(urls, verdicts).compactMap { url, verdict -> String? in
                guard case .refused(let code, let message) = verdict else {
                    // What has no scheme is a path at the place that answered.
                    return url.contains("://") || url.hasPrefix("//") ? "\(url) was not refused" : nil
                }
                let isDocumented =
                    message.contains("TERAPI_OUTBOUND_ALLOW") || message.contains("to a place that cannot be called:")
                return code == "outbound_refused" && isDocumented ? nil : "\(url): \(code): \(message)"
            }
            #expect(surprises.isEmpty)
            #expect(installation.trap.connectionCount == 0)
        }
    }

    @Test(arguments: [1, 5])
    func `the same hop leads to the trap once its network is listed`(hop: Int) async throws {
        try await Installation.with { _ in
            .init(allowed: ["127.0.0.0/8", "::1/128"])
        } use: { installation in
            let port = installation.trap.port
            let urls = ["http://127.0.0.1:\(port)/allowed", "http://canary.example:\(port)/allowed"]

            let verdicts = try await Self.follow(urls, at: { _ in hop }, .follow, installation)

            #expect(verdicts == [.reached, .reached])
            #expect(installation.trap.requests.count == 2)
        }
    }

    @Test func `a token endpoint and a backend redirect nobody`() async throws {
        try await Installation.with { _ in
            .init(allowed: ["127.0.0.0/8", "::1/128"])
        } use: { installation in
            let trap = "http://127.0.0.1:\(installation.trap.port)/trap"
            try await Neighbour.with { _ in
                .http(302, headers: [("Location", trap)])
            } use: { neighbour in
                let config: JSONObject = ["base_url": .string(neighbour), "token_url": .string(neighbour)]
                try await installation.makeIntegration("desk", provider: "api-key-generic", config: config)
                let hook = Installation.keyed(0, more: ["webhook_url_override": .string(neighbour)])
                try await installation.prepare(.post, "/connections", hook)
                try await installation.makeIntegration("oauth", provider: "oauth2-generic", config: config)
                try await installation.prepare(
                    .post,
                    "/connections",
                    [
                        "provider_config_key": "oauth", "connection_id": "o",
                        "credentials": ["type": "OAUTH2", "access_token": "a", "refresh_token": "r"],
                    ]
                )

                let delivered = try await installation.deliver()
                let refreshed = try await installation.call(
                    .get,
                    "/connections/o?provider_config_key=oauth&force_refresh=true"
                )

                let expected = Verdict.refused(code: "delivery", message: "The endpoint answered 302.")
                #expect(delivered[neighbour] == expected)
                #expect(refreshed.status == 400)
                #expect(installation.trap.connectionCount == 0)
            }
        }
    }

    // MARK: Redirects

    private static func urls(port: Int) -> [String] {
        (ForbiddenAddresses.urls(port: port) + TrapNames.leading.map { "http://\($0):\(port)/" })
            .filter { url in url.utf8.allSatisfy { (0x20..<0x7F).contains($0) } && !Neighbour.isNamed(by: url) }
    }

    /// Sends a request for each URL to a place that redirects to itself until, at this hop, it redirects to the URL.
    private static func follow(
        _ urls: [String],
        at hop: @escaping @Sendable (_ number: Int) -> Int,
        _ rule: OutboundRequest.Redirects,
        _ installation: Installation
    ) async throws -> [Verdict] {
        try await Neighbour.with { request in
            let numbers = request.target.split(separator: "/").compactMap { Int($0) }
            guard request.target.hasPrefix("/hop/"), numbers.count == 2, urls.indices.contains(numbers[1]) else {
                return .http(200)
            }
            let next = numbers[0] == hop(numbers[1]) ? urls[numbers[1]] : "/hop/\(numbers[0] + 1)/\(numbers[1])"
            return .http(302, headers: [("Location", next)])
        } use: { neighbour in
            await urls.verdicts { number, _ in
                await Verdict {
                    _ = try await installation.client.send(
                        OutboundRequest(
                            method: "GET",
                            url: "\(neighbour)/hop/1/\(number)",
                            purpose: .script,
                            redirects: rule
                        )
                    )
                }
            }
        }
    }
}
