import HTTPTypes
import TerapiCore
import TestSupport

extension Entrance {
    /// Addresses of the team's own backend.
    static let webhooks = [
        webhook("the environment's primary webhook URL") { installation, number, url in
            try await environment("primary_url", installation, number, url)
        },
        webhook("the environment's secondary webhook URL") { installation, number, url in
            try await environment("secondary_url", installation, number, url)
        },
        webhook("webhook_url_override of a new connection") { installation, number, url in
            try await installation.call(
                .post,
                "/connections",
                Installation.keyed(number, more: ["webhook_url_override": .string(url)])
            )
        },
        webhook("webhook_url_override of a connection that is changed") { installation, _, url in
            try await installation.prepare(.post, "/connections", Installation.keyed(0))
            let answer = try await installation.call(
                .patch,
                "/connections/c0?provider_config_key=desk",
                ["webhook_url_override": .string(url)]
            )
            if answer.status < 300 { try await installation.prepare(.post, "/connections", Installation.keyed(0)) }
            return answer
        },
        webhook("webhook_url_override of a connect session") { installation, _, url in
            let answer = try await installation.call(
                .post,
                "/connect/sessions",
                ["end_user": ["id": "u"], "webhook_url_override": .string(url)]
            )
            guard let token = answer.json?["data"]?["token"]?.string else { return answer }
            return try await installation.call(
                .post,
                "/api-auth/api-key/desk?connect_session_token=\(token)",
                ["apiKey": "k"],
                headers: [(.authorization, "Bearer \(token)")]
            )
        },
    ]

    /// - Parameter store: stores the URL and makes an event that goes there.
    private static func webhook(
        _ name: String,
        _ store: @escaping @Sendable (Installation, Int, String) async throws -> Installation.Answer
    ) -> Entrance {
        Entrance(name: name, codes: ["delivery", "invalid_body"], rules: [.address], isJourney: true) {
            installation, urls in
            try await installation.makeIntegration(
                "desk",
                provider: "api-key-generic",
                config: ["base_url": "https://api.example"]
            )
            let stored = try await urls.verdicts { try await store(installation, $0, $1).verdict }
            let delivered = try await installation.deliver()
            return zip(urls, stored).map { url, verdict in
                guard verdict == .reached else { return verdict }
                return delivered[url] ?? .refused(code: "never delivered", message: "")
            }
        }
    }

    private static func environment(
        _ field: String,
        _ installation: Installation,
        _ number: Int,
        _ url: String
    ) async throws -> Installation.Answer {
        let answer = try await installation.call(
            .patch,
            "/environment",
            ["webhook": .object(JSONObject([(field, .string(url))]))]
        )
        if answer.status < 300 { try await installation.prepare(.post, "/connections", Installation.keyed(number)) }
        return answer
    }
}
