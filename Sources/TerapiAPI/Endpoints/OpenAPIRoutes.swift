import Hummingbird
import TerapiCore

/// Describes what an environment's scripts offer.
struct OpenAPIRoutes: Sendable {
    let settings: any SettingsStorage
    let offered: OfferedEndpoints
    let publicURL: String

    /// The OpenAPI document of everything below `/v1`, or of one integration.
    func document(_ call: Call) async throws -> Response {
        var query = try call.query()
        let integrationKey = query.text("provider_config_key", .integrationKey)
        try query.finish()

        let scope = try call.scope
        var keys = try await settings.integrations(in: scope).map(\.key)
        if let integrationKey {
            guard keys.contains(integrationKey) else {
                throw TerapiError(.unknownProviderConfig, "There is no such integration in this environment.")
            }
            keys = [integrationKey]
        }
        let offers = keys.sorted().flatMap { offered.all(of: $0, in: scope) }
        return .json(OpenAPIDocument(offers, server: publicURL + "/v1").json)
    }
}
