import Crypto

/// A key with which a team's backend calls Terapi. Only its hash is stored.
public struct APIKey: Sendable, Equatable {
    public var id: Int64
    public var scope: EnvironmentScope
    public var displayName: String
    public var scopes: Set<APIScope>
    public var createdAt: Timestamp
    /// To the minute: not every use is noted.
    public var lastUsedAt: Timestamp?

    public init(
        id: Int64,
        scope: EnvironmentScope,
        displayName: String,
        scopes: Set<APIScope>,
        createdAt: Timestamp,
        lastUsedAt: Timestamp?
    ) {
        self.id = id
        self.scope = scope
        self.displayName = displayName
        self.scopes = scopes
        self.createdAt = createdAt
        self.lastUsedAt = lastUsedAt
    }

    public func allows(_ scope: APIScope) -> Bool {
        scopes.contains(scope) || scopes.contains { $0.implied == scope }
    }
}

/// What a key may do.
public enum APIScope: String, Sendable, CaseIterable {
    case listIntegrations = "environment:integrations:list"
    case listIntegrationCredentials = "environment:integrations:list_credentials"
    case listIntegrationFunctions = "environment:integrations:list_functions"
    case readIntegration = "environment:integrations:read"
    case readIntegrationCredentials = "environment:integrations:read_credentials"
    case createIntegration = "environment:integrations:create"
    case updateIntegration = "environment:integrations:update"
    case deleteIntegration = "environment:integrations:delete"
    case listConnections = "environment:connections:list"
    case listConnectionCredentials = "environment:connections:list_credentials"
    case readConnection = "environment:connections:read"
    case readConnectionCredentials = "environment:connections:read_credentials"
    case createConnection = "environment:connections:create"
    case updateConnection = "environment:connections:update"
    case deleteConnection = "environment:connections:delete"
    case writeConnectSessions = "environment:connect_sessions:write"
    case readSyncs = "environment:syncs:read"
    case executeSyncs = "environment:syncs:execute"
    case updateSyncs = "environment:syncs:update"
    case createSyncVariant = "environment:syncs:variant:create"
    case deleteSyncVariant = "environment:syncs:variant:delete"
    case deploy = "environment:deploy"
    case listFunctions = "environment:functions:list"
    case readFunction = "environment:functions:read"
    case deleteFunction = "environment:functions:delete"
    case compileFunction = "environment:functions:compile"
    case dryrunFunction = "environment:functions:dryrun"
    case invokeFunction = "environment:functions:invocations"
    case readRecords = "environment:records:read"
    case writeRecords = "environment:records:write"
    case readLogs = "environment:logs:read"
    case executeActions = "environment:actions:execute"
    case proxy = "environment:proxy"
    case readVariables = "environment:variables:read"
    case mcp = "environment:mcp"
    case replayWebhooks = "environment:webhooks:replay"
    case rotateWebhookSigningKey = "environment:webhook_signing_key:rotate"
    case readSettings = "environment:settings:read"
    case updateSettings = "environment:settings:update"

    /// The plainer scope that comes with this one: who may see credentials may see the rest.
    var implied: APIScope? {
        switch self {
        case .listIntegrationCredentials: .listIntegrations
        case .readIntegrationCredentials: .readIntegration
        case .listConnectionCredentials: .listConnections
        case .readConnectionCredentials: .readConnection
        default: nil
        }
    }
}

/// A random token with a recognisable prefix and a checksum, so that a typing mistake is told from an unknown token
/// without a look into the database. Of the token only ``hash`` is ever stored.
public struct Token: Sendable {
    public enum Purpose: Sendable {
        case apiKey, connectSession

        var prefix: String {
            switch self {
            case .apiKey: "terapi_sk_"
            case .connectSession: "terapi_connect_session_"
            }
        }
    }

    public let text: Secret

    /// What is stored and searched for. A fast hash is enough for 256 random bits.
    public let hash: [UInt8]

    /// A new token of 256 random bits.
    public static func random(_ purpose: Purpose) -> Token {
        let random = hex(randomBytes(32))
        let checksum = purpose == .apiKey ? checksum(of: random) : ""
        return Token(text: purpose.prefix + random + checksum)
    }

    /// Reads a token that a caller sent.
    /// - Returns: `nil` when its form is wrong.
    public init?(_ text: String, _ purpose: Purpose) {
        guard text.hasPrefix(purpose.prefix) else { return nil }
        let body = text.dropFirst(purpose.prefix.count)
        let checksumLength = purpose == .apiKey ? 8 : 0
        let random = String(body.prefix(64))
        guard body.utf8.count == 64 + checksumLength, body.utf8.allSatisfy({ $0 < 0x80 }),
            body.allSatisfy({ $0.isHexDigit && !$0.isUppercase }),
            purpose != .apiKey || body.suffix(8) == Self.checksum(of: random)
        else { return nil }
        self.init(text: text)
    }

    private init(text: String) {
        self.text = Secret(text)
        hash = sha256(Array(text.utf8))
    }

    private static func checksum(of random: String) -> String {
        String(hex(sha256(Array(random.utf8))).prefix(8))
    }
}
