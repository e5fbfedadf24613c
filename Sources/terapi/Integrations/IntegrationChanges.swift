import ArgumentParser
import TerapiCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension Integrations {
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Set up a provider in the environment.",
            discussion: """
                terapi integrations create github --client-id Iv1.0123 --scopes repo   with TERAPI_CLIENT_SECRET
                terapi integrations create helpdesk --provider zendesk --credentials app.json
                """
        )

        @OptionGroup var server: RemoteOptions
        @OptionGroup var answer: AnswerOptions

        @Argument(help: "How your backend calls it.")
        var key: String

        @Option(help: "The provider of the catalogue, where it is called otherwise.")
        var provider: String?

        @OptionGroup var change: IntegrationOptions

        func run() async throws {
            let provider = provider ?? key
            let made = try await server.ask { client in
                var body = try await change.body { try await client.authMode(of: provider) }
                body["unique_key"] = .string(key)
                body["provider"] = .string(provider)
                return try await client.send("POST", "/integrations", body: .object(body))
            }
            answer.show(made) { "\(key) is set up, with the provider \(provider)." }
        }
    }

    struct Update: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change an integration; what no option names stays as it is."
        )

        @OptionGroup var server: RemoteOptions
        @OptionGroup var answer: AnswerOptions

        @Argument(help: "The integration.")
        var key: String

        @Option(help: "How your backend calls it from now on.")
        var rename: String?

        @OptionGroup var change: IntegrationOptions

        func run() async throws {
            let changed = try await server.ask { client in
                var body = try await change.body {
                    let found = try await client.send("GET", Integrations.path(key))
                    return try await client.authMode(of: found["data"]?["provider"]?.string ?? "")
                }
                body["unique_key"] = rename.map(JSONValue.string)
                guard !body.isEmpty else { throw ValidationError("Say what to change, such as --scopes.") }
                return try await client.send("PATCH", Integrations.path(key), body: .object(body))
            }
            answer.show(changed) { "\(changed["data"]?["unique_key"].cell ?? key) is changed." }
        }
    }
}

/// What can be said about an integration.
struct IntegrationOptions: ParsableArguments {
    @Option(help: "How end users read it.")
    var displayName: String?

    @Flag(inversion: .prefixedNo, help: "Whether your backend gets the provider's webhooks.")
    var forwardWebhooks: Bool?

    @Option(help: "The id of your application at the provider.")
    var clientId: String?

    @Option(help: "Its secret. With --client-id otherwise TERAPI_CLIENT_SECRET, which no list of processes shows.")
    var clientSecret: String?

    @Option(help: "What to ask end users for, joined by commas.")
    var scopes: String?

    @Option(help: "A file with the credentials as JSON, as POST /integrations takes them; \"-\" for standard input.")
    var credentials: String?

    /// - Parameter authMode: the provider's, for credentials that do not name their type.
    func body(authMode: () async throws -> AuthMode?) async throws -> JSONObject {
        var body: JSONObject = [:]
        body["display_name"] = displayName.map(JSONValue.string)
        body["forward_webhooks"] = forwardWebhooks.map(JSONValue.bool)
        var given = try readCredentials()
        if !given.isEmpty {
            if given["type"] == nil, let mode = try await authMode() {
                given["type"] = .string(mode.integrationCredentialType ?? mode.rawValue)
            }
            body["credentials"] = .object(given)
        }
        return body
    }

    private func readCredentials() throws -> JSONObject {
        var given: JSONObject = [:]
        if let credentials {
            guard let object = try GivenText.json(file: credentials, option: "--credentials").object else {
                throw ValidationError("--credentials: expected a JSON object such as {\"client_id\": \"...\"}.")
            }
            given = object
        }
        let environment = ProcessInfo.processInfo.environment
        let secret = clientSecret ?? (clientId == nil ? nil : environment["TERAPI_CLIENT_SECRET"])
        for (name, value) in [("client_id", clientId), ("client_secret", secret), ("scopes", scopes)] {
            if let value { given[name] = .string(value) }
        }
        return given
    }
}

extension RemoteClient {
    fileprivate func authMode(of provider: String) async throws -> AuthMode? {
        let found = try await send("GET", "/providers/\(PercentEncoding.encode(provider))")
        return found["data"]?["auth_mode"]?.string.flatMap(AuthMode.init)
    }
}
