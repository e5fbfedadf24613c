import Hummingbird
import TerapiCore

/// Who we are as an OAuth client, for authorization servers that take the address of such a document as a client id.
struct ClientDocumentRoutes: Sendable {
    let settings: any SettingsStorage
    let providers: any ProviderAPI
    let publicURL: String

    func show(_ call: Call) async throws -> Response {
        let uuid = call.parameter("environmentUuid")
        let key = try call.parameter("uniqueKey", .integrationKey)
        guard let environment = try await settings.environments().first(where: { $0.uuid == uuid }),
            let integration = try await settings.integration(key: key, in: environment.scope),
            let provider = providers.provider(integration.provider), provider.oauth2?.registration?.kind == .document
        else {
            throw TerapiError(.notFound, "There is no client document at this address.")
        }
        let encodedKey = PercentEncoding.encode(integration.key)
        return .json([
            "client_id": .string("\(publicURL)/oauth/client-metadata/\(uuid)/\(encodedKey)"),
            "client_name": "Terapi",
            "client_uri": .string(publicURL),
            "redirect_uris": [.string("\(publicURL)/oauth/callback/\(integration.key)")],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        ])
    }
}
