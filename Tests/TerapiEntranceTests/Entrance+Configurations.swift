import HTTPTypes
import TerapiCore
import TerapiProviders
import TestSupport

extension Entrance {
    /// Fields of an integration or a connection that stand in a provider's URLs. Connecting verifies the key there.
    static let configurations = [
        Entrance(
            name: "integration_config in a base URL",
            codes: ["connection_test_failed", "invalid_body"],
            rules: [.root],
            isJourney: true,
            setting: { _, _ in .init(providers: ["desk": file(base: "${integrationConfig.base_url}")]) },
            attempt: { installation, urls in
                try await installation.makeIntegration("desk", provider: "desk")
                return try await urls.verdicts { number, url in
                    try await installation.prepare(
                        .patch,
                        "/integrations/desk",
                        ["integration_config": ["base_url": .string(url)]]
                    )
                    return try await installation.call(.post, "/connections", Installation.keyed(number)).verdict
                }
            }
        ),
        connectionConfig(
            "connection_config as a base URL",
            rules: [.root],
            file: { _ in file(base: "${connectionConfig.value}") }
        ),
        connectionConfig(
            "connection_config as the host of a base URL",
            rules: [.host, .missing],
            part: { url, _ in authority(url) },
            file: { _ in file(base: "http://${connectionConfig.value}/api") }
        ),
        connectionConfig(
            "connection_config as the subdomain of a base URL",
            rules: [.host, .missing],
            part: { url, port in host(url, port: port) },
            file: { port in file(base: "http://${connectionConfig.value}.canary.example:\(port)") }
        ),
        connectionConfig(
            "connection_config as the base URL of the verification",
            rules: [.root],
            file: { _ in
                file(base: "https://api.example", verification: "base_url_override: ${connectionConfig.value}")
            }
        ),
        Entrance(
            name: "metadata in a base URL",
            codes: ["outbound_refused", "invalid_body"],
            rules: [.root],
            setting: { _, _ in .init(providers: ["desk": file(base: "${metadata.base_url}")]) },
            attempt: { installation, urls in
                await urls.verdicts { _, url in
                    await send(.init(method: "GET", endpoint: "/x"), installation, metadata: ["base_url": .string(url)])
                }
            }
        ),
        Entrance(
            name: "metadata in a script's baseUrlOverride",
            codes: ["outbound_refused", "invalid_body"],
            rules: [.root],
            setting: { _, _ in .init(providers: ["desk": file(base: "https://api.example")]) },
            attempt: { installation, urls in
                await urls.verdicts { _, url in
                    let request = ScriptRequest(
                        method: "GET",
                        endpoint: "/x",
                        baseURLOverride: "${metadata.base_url}"
                    )
                    return await send(request, installation, metadata: ["base_url": .string(url)])
                }
            }
        ),
    ]

    private static func connectionConfig(
        _ name: String,
        rules: Set<Rule>,
        part: @escaping @Sendable (String, Int) -> String = { url, _ in url },
        file: @escaping @Sendable (_ trapPort: Int) -> String
    ) -> Entrance {
        Entrance(
            name: name,
            codes: ["connection_test_failed", "invalid_body"],
            rules: rules,
            isJourney: true,
            setting: { _, port in .init(providers: ["desk": file(port)]) },
            attempt: { installation, urls in
                try await installation.makeIntegration("desk", provider: "desk")
                return try await urls.verdicts { number, url in
                    let value = part(url, installation.trap.port)
                    let body = Installation.keyed(number, config: ["value": .string(value)])
                    return try await installation.call(.post, "/connections", body).verdict
                }
            }
        )
    }

    /// A provider with an API key that is verified.
    static func file(base: String, verification: String = "headers: {}") -> String {
        """
        display_name: Desk
        categories: [other]
        docs: https://docs.example
        auth_mode: API_KEY
        credentials:
          apiKey: {type: string, title: Key, description: The key, secret: true}
        connection_config:
          value: {type: string, title: Value, description: A value, optional: true}
        integration_config:
          base_url: {type: string, title: Base URL, description: The root, optional: true}
        proxy:
          base_url: \(JSONValue.string(base).text())
          headers: {authorization: "Bearer ${apiKey}"}
          verification:
            endpoints: [/me]
            \(verification)
        """
    }

    /// A script's request through a connection of the provider `desk`.
    static func send(
        _ request: ScriptRequest,
        _ installation: Installation,
        provider: String = "desk",
        metadata: JSONObject? = nil
    ) async -> Verdict {
        let access = access(provider, installation, metadata)
        return await Verdict { _ = try await installation.providers.send(request, access: access) }
    }

    static func access(
        _ provider: String,
        _ installation: Installation,
        _ metadata: JSONObject? = nil
    ) -> ConnectionAccess {
        let now = Timestamp(microseconds: 1_800_000_000_000_000)
        return ConnectionAccess(
            integration: Integration(
                scope: installation.scope,
                key: provider,
                provider: provider,
                displayName: provider,
                createdAt: now,
                updatedAt: now
            ),
            connectionID: "c",
            config: [:],
            metadata: metadata,
            credentials: .apiKey(Secret("k"))
        )
    }
}
