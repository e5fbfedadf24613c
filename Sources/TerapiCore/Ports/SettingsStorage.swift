/// Environments, their keys and their integrations.
public protocol SettingsStorage: Sendable {
    func environments() async throws -> [Environment]

    /// Makes an environment with its first signing key.
    /// - Throws: `TerapiError(.conflict)` when the name is taken.
    func createEnvironment(name: String, signingKey: Secret, now: Timestamp) async throws -> Environment

    func environment(_ scope: EnvironmentScope) async throws -> Environment
    func updateSettings(_ settings: EnvironmentSettings, in scope: EnvironmentScope) async throws

    /// In the order of their names.
    func variables(in scope: EnvironmentScope) async throws -> [EnvironmentVariable]

    /// Sets some variables and takes others away, all in one transaction.
    func changeVariables(
        setting variables: [EnvironmentVariable],
        removing names: [String],
        in scope: EnvironmentScope
    ) async throws

    /// The keys that sign now: the current one first, then those replaced that have not expired.
    func signingKeys(in scope: EnvironmentScope, now: Timestamp) async throws -> [WebhookSigningKey]

    /// Makes `secret` the current key; the replaced one goes on until `replacedExpiresAt`.
    func rotateSigningKey(
        to secret: Secret,
        in scope: EnvironmentScope,
        now: Timestamp,
        replacedExpiresAt: Timestamp
    ) async throws

    func createAPIKey(
        displayName: String,
        scopes: Set<APIScope>,
        tokenHash: [UInt8],
        in scope: EnvironmentScope,
        now: Timestamp
    ) async throws -> APIKey

    /// The key with this hash, or `nil`.
    func apiKey(tokenHash: [UInt8]) async throws -> APIKey?
    func apiKeys(in scope: EnvironmentScope) async throws -> [APIKey]
    func deleteAPIKey(id: Int64, in scope: EnvironmentScope) async throws

    /// Notes that a key was used, unless a later use is noted.
    func noteUse(ofAPIKey id: Int64, at moment: Timestamp) async throws

    /// - Throws: `TerapiError(.conflict)` when the key is taken.
    func createIntegration(_ integration: Integration) async throws -> Integration
    func integrations(in scope: EnvironmentScope) async throws -> [Integration]
    func integration(key: String, in scope: EnvironmentScope) async throws -> Integration?

    /// Stores every field of the integration with this row.
    /// - Throws: `TerapiError(.conflict)` when a new key is taken, or the key changes while there are connections.
    func updateIntegration(_ integration: Integration) async throws

    /// Deletes an integration with its connections.
    func deleteIntegration(key: String, in scope: EnvironmentScope, now: Timestamp) async throws
}
