/// What a script that runs dry asks of an installation on behalf of one connection: all that writes nothing there.
public protocol DryrunControl: Sendable {
    /// What the script sees as properties, and the connection's metadata.
    /// - Throws: `TerapiError(.unknownProvider)` or `.unknownConnection`.
    func connection(_ place: DryrunPlace) async throws -> (properties: JSONObject, metadata: JSONObject)

    /// Sends a request with the connection's credentials, as a run would. What it does at the provider, it does.
    func send(_ request: ScriptRequest, of place: DryrunPlace) async throws -> ScriptResponse

    /// Answers a call of the script API that only reads.
    /// - Throws: `TerapiError(.notFound)` for any other.
    func call(_ name: String, arguments: [JSONValue], of place: DryrunPlace) async throws -> JSONValue
}

/// The connection for which a script runs dry.
public struct DryrunPlace: Sendable {
    public var scope: EnvironmentScope
    public var integrationKey: String
    public var connectionID: String

    public init(scope: EnvironmentScope, integrationKey: String, connectionID: String) {
        self.scope = scope
        self.integrationKey = integrationKey
        self.connectionID = connectionID
    }
}
