import HTTPTypes
import TerapiCore
import TerapiProviders
import TestSupport

extension Entrance {
    /// URLs in a file that somebody put into the catalogue's folder.
    static let providerFiles = [
        providerFile("base_url of a provider file") { url, installation in
            let providers = try providers(file(base: url), installation)
            try await providers.verify(access("desk", installation))
        },
        providerFile("base_url_override of a provider file") { url, installation in
            let override = "base_url_override: \(JSONValue.string(url).text())"
            let providers = try providers(file(base: "https://api.example", verification: override), installation)
            try await providers.verify(access("desk", installation))
        },
        providerFile("token_url of a provider file") { url, installation in
            let providers = try providers(oauth(token: url, refresh: "https://login.example/token"), installation)
            _ = try await providers.exchange(
                CodeExchange(
                    integration: access("desk", installation).integration,
                    config: [:],
                    redirectURI: "http://localhost:3003/oauth/callback",
                    codeVerifier: nil,
                    callbackQuery: ["code": "code"]
                ),
                now: StandingClock().now
            )
        },
        providerFile("refresh_url of a provider file") { url, installation in
            let providers = try providers(oauth(token: "https://login.example/token", refresh: url), installation)
            var access = access("desk", installation)
            access.credentials = .oauth2(
                OAuth2Credentials(accessToken: Secret("a"), refreshToken: Secret("r"), expiresAt: nil)
            )
            switch await providers.sendRefresh(access) {
            case .answer: break
            // Nothing has left: the refresh token is as good as before.
            case .notSent(let error): throw error
            case .unknown(let error): throw TerapiError(.serverError, "It may have been sent: \(error.message)")
            }
        },
    ]

    private static func providerFile(
        _ name: String,
        _ use: @escaping @Sendable (_ url: String, _ installation: Installation) async throws -> Void
    ) -> Entrance {
        Entrance(
            name: name,
            codes: ["outbound_refused", "connection_test_failed", "invalid_definition"],
            rules: [.provider],
            isJourney: true
        ) { installation, urls in
            await urls.verdicts { _, url in await Verdict { try await use(url, installation) } }
        }
    }

    private static func providers(_ file: String, _ installation: Installation) throws -> ProviderRequests {
        ProviderRequests(
            catalog: try ProviderCatalog(files: [.init(path: "desk.yaml", name: "desk", text: file)]),
            client: installation.client,
            clock: StandingClock()
        )
    }

    private static func oauth(token: String, refresh: String) -> String {
        """
        display_name: Desk
        categories: [other]
        docs: https://docs.example
        auth_mode: OAUTH2
        authorization_url: https://login.example/authorize
        token_url: \(JSONValue.string(token).text())
        refresh_url: \(JSONValue.string(refresh).text())
        """
    }
}
