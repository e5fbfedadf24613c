import HTTPTypes
import Synchronization
import TerapiCore
import TerapiEngine
import TestSupport

extension Entrance {
    /// Where tokens are asked for, and what the answers and the browser bring along.
    static let authorizations = [
        Entrance(
            name: "integration_config as the token URL of a code exchange",
            codes: ["page"],
            rules: [.root],
            isJourney: true,
            attempt: { installation, urls in
                try await installation.makeIntegration("oauth", provider: "oauth2-generic", config: generic)
                return try await urls.verdicts { _, url in
                    try await configure("token_url", url, installation)
                    return try await authorize(installation)
                }
            }
        ),
        Entrance(
            name: "integration_config as the refresh URL",
            codes: ["invalid_credentials"],
            rules: [.root],
            isJourney: true,
            attempt: { installation, urls in
                try await installation.makeIntegration("oauth", provider: "oauth2-generic", config: generic)
                return try await urls.verdicts { number, url in
                    try await configure("refresh_url", url, installation)
                    return try await refresh(installation, number)
                }
            }
        ),
        Entrance(
            name: "integration_config as the token URL of a refresh",
            codes: ["invalid_credentials"],
            rules: [.root],
            isJourney: true,
            attempt: { installation, urls in
                try await installation.makeIntegration("oauth", provider: "oauth2-generic", config: generic)
                return try await urls.verdicts { number, url in
                    try await configure("token_url", url, installation)
                    return try await refresh(installation, number)
                }
            }
        ),
        Entrance(
            name: "a query parameter of the callback in a base URL",
            codes: ["page"],
            rules: [.root],
            isJourney: true,
            needsNeighbour: true,
            setting: { _, _ in .init(providers: ["oauth": file]) },
            attempt: { installation, urls in
                try await Neighbour.with { _ in
                    .json(#"{"access_token":"a"}"#)
                } use: { neighbour in
                    try await installation.makeIntegration("oauth", provider: "oauth", config: config(neighbour))
                    return try await urls.verdicts { _, url in
                        try await authorize(installation, callback: [("root", url)])
                    }
                }
            }
        ),
        Entrance(
            name: "a field of the token answer in a base URL",
            codes: ["page"],
            rules: [.root],
            isJourney: true,
            needsNeighbour: true,
            setting: { _, _ in .init(providers: ["oauth": file]) },
            attempt: { installation, urls in
                let next = Mutex("")
                return try await Neighbour.with { _ in
                    let root = next.withLock { $0 }
                    return .json(JSONValue.object(["access_token": "a", "root": .string(root)]).text())
                } use: { neighbour in
                    try await installation.makeIntegration("oauth", provider: "oauth", config: config(neighbour))
                    return try await urls.verdicts { _, url in
                        next.withLock { $0 = url }
                        return try await authorize(installation)
                    }
                }
            }
        ),
    ]

    private static func config(_ neighbour: String) -> JSONObject {
        ["token_url": .string("\(neighbour)/token")]
    }

    private static let generic: JSONObject = [
        "authorization_url": "https://login.example/authorize", "token_url": "https://login.example/token",
        "base_url": "https://api.example",
    ]

    private static let file = """
        display_name: OAuth
        categories: [other]
        docs: https://docs.example
        auth_mode: OAUTH2
        authorization_url: https://login.example/authorize
        token_url: ${integrationConfig.token_url}
        token_response_metadata: [root]
        redirect_uri_metadata: [root]
        integration_config:
          token_url: {type: string, title: Token URL, description: Where tokens are}
        proxy:
          base_url: ${connectionConfig.root}
          verification:
            endpoints: [/me]
        """

    private static func configure(_ field: String, _ url: String, _ installation: Installation) async throws {
        try await installation.prepare(
            .patch,
            "/integrations/oauth",
            ["integration_config": .object(JSONObject([(field, .string(url))]))]
        )
    }

    /// The way of an end user's browser to the provider and back.
    private static func authorize(
        _ installation: Installation,
        callback more: [(name: String, value: String)] = []
    ) async throws -> Verdict {
        let session = try await installation.prepare(.post, "/connect/sessions", ["end_user": ["id": "u"]])
        let token = session["data"]?["token"]?.string ?? ""
        let begun = try await installation.call(
            .get,
            "/oauth/connect/oauth?connect_session_token=\(token)&redirected=true",
            headers: [(.authorization, "Bearer \(token)")]
        )
        let location = begun.headers[.location] ?? ""
        let cookie = begun.headers[.setCookie]?.split(separator: ";").first.map(String.init) ?? ""
        guard let state = location.split(separator: "&").first(where: { $0.hasPrefix("state=") }) else {
            return begun.verdict
        }
        let query = more.map { "&\($0.name)=\(percentEncoded($0.value))" }.joined()
        return try await installation.call(
            .get,
            "/oauth/callback/oauth?code=code&\(state)\(query)",
            headers: [(.cookie, cookie)]
        ).verdict
    }

    static func percentEncoded(_ text: String) -> String {
        text.utf8.map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "%0\(digits)" : "%\(digits)"
        }.joined()
    }

    private static func refresh(_ installation: Installation, _ number: Int) async throws -> Verdict {
        try await installation.prepare(
            .post,
            "/connections",
            [
                "provider_config_key": "oauth", "connection_id": .string("c\(number)"),
                "credentials": ["type": "OAUTH2", "access_token": "a", "refresh_token": "r"],
            ]
        )
        return try await installation.call(
            .get,
            "/connections/c\(number)?provider_config_key=oauth&force_refresh=true"
        ).verdict
    }
}
