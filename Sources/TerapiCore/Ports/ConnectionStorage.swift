/// Connections, their credentials, and the sessions in which end users make them.
public protocol ConnectionStorage: Sendable {
    /// Makes a connection, or gives an existing one new credentials: its row, records and syncs stay.
    ///
    /// One transaction writes the connection, a new generation of credentials, its syncs, the webhook event and the run
    /// of its scripts.
    /// - Parameters:
    ///   - connection: `id` is ignored; the pair (integration, `connectionID`) decides whether it exists.
    ///   - replacing: whose connection may be given new credentials; asked in the same transaction.
    ///   - syncs: those of its integration. Missing ones are made, due at once when they start automatically.
    ///   - event: what to tell, made from the stored connection and whether it is new; `nil` for nothing.
    ///   - scripts: what waits in the queue of actions from now on, without an input; `nil` for nothing.
    /// - Throws: ``TerapiError/connectionIDTaken`` when the connection exists and is another's.
    func save(
        _ connection: Connection,
        replacing: ReplaceableConnection,
        credentials: Credentials,
        syncs: [SyncDefinition],
        now: Timestamp,
        event: @escaping @Sendable (_ stored: Connection, _ isNew: Bool) -> WebhookEvent?,
        scripts: @escaping @Sendable (_ stored: Connection) -> ActionRun?
    ) async throws -> Connection

    func connection(
        _ connectionID: String,
        integrationKey: String,
        in scope: EnvironmentScope
    ) async throws -> Connection?

    /// By row; for what runs in the background.
    func connection(row: Int64) async throws -> Connection?

    func connections(_ filter: ConnectionFilter, in scope: EnvironmentScope) async throws -> [Connection]

    /// Stores `tags`, `endUser` and `webhookURLOverride`.
    func updateSettings(of connection: Connection, now: Timestamp) async throws

    /// Puts metadata of several connections of one integration, all or none.
    /// - Parameter merge: whether the members are added to what is there.
    /// - Throws: `TerapiError(.unknownConnection)` when one is missing.
    func setMetadata(
        _ metadata: JSONObject,
        merge: Bool,
        connectionIDs: [String],
        integrationKey: String,
        in scope: EnvironmentScope,
        now: Timestamp
    ) async throws

    func setConfig(_ config: JSONObject, row: Int64, now: Timestamp) async throws

    /// Adds a standing problem, or takes those of the kind and subject away when `operationID` is `nil`.
    func setError(_ kind: ConnectionError.Kind, subject: String, operationID: String?, row: Int64) async throws

    /// Deletes a connection with its credentials, syncs and records.
    /// - Returns: whether there was one.
    func deleteConnection(
        _ connectionID: String,
        integrationKey: String,
        in scope: EnvironmentScope
    ) async throws -> Bool

    // Credentials and their refresh

    func credentials(row: Int64) async throws -> StoredCredentials?

    /// Notes durably, before any byte is sent, that a refresh of this generation is about to be made.
    /// - Returns: `false` when the generation has moved on or another claim is in force.
    func claimRefresh(row: Int64, generation: Int64, claim: StoredCredentials.Claim, now: Timestamp) async throws
        -> Bool

    /// Puts new credentials over `generation`, and what came with them into the connection's config; who holds the claim
    /// does not matter, because a rotated token that is thrown away kills the connection.
    /// - Returns: `false` when another was faster. The credentials are then kept among the orphans.
    func commitRefresh(_ new: NewCredentials, row: Int64, over generation: Int64, now: Timestamp) async throws -> Bool

    /// Ends a claim without new credentials.
    func releaseRefresh(row: Int64, attempt: String, outcome: RefreshOutcome, now: Timestamp) async throws

    /// Marks the connection as one whose end user must connect again, with the one webhook that says so.
    /// - Returns: `false` when the generation has moved on, or it was marked before.
    func condemn(
        row: Int64,
        generation: Int64,
        operationID: String,
        event: WebhookEvent?,
        now: Timestamp
    ) async throws -> Bool

    /// Connections whose access token expires before `moment` and can be refreshed.
    func connectionsExpiring(before moment: Timestamp, limit: Int) async throws -> [Int64]

    /// Connections whose credentials can only be verified, and were not since `moment`; those that were refused once
    /// before `refused` are among them.
    func connectionsToVerify(since moment: Timestamp, refusedBefore refused: Timestamp, limit: Int) async throws
        -> [Int64]

    /// Ends a claim because the provider has taken the credentials: whatever spoke against them is forgotten.
    func noteVerified(row: Int64, generation: Int64, now: Timestamp) async throws

    // Connect sessions

    func createSession(_ session: ConnectSession, tokenHash: [UInt8]) async throws -> ConnectSession
    /// The session with this token, unless it has expired.
    func session(tokenHash: [UInt8], now: Timestamp) async throws -> ConnectSession?
    func session(row: Int64) async throws -> ConnectSession?
    func deleteSession(row: Int64) async throws

    /// Notes what is remembered until the browser returns, together with its attempt.
    func createOAuthSession(_ oauth: OAuthSession, attempt: ConnectAttempt) async throws
    /// Takes the session with this state out: the second time there is none.
    func takeOAuthSession(state: String, now: Timestamp) async throws -> OAuthSession?
    func setAttempt(_ id: String, state: ConnectAttempt.State) async throws
    func attempt(_ id: String, sessionRow: Int64, now: Timestamp) async throws -> ConnectAttempt?

    /// Removes expired sessions and attempts.
    func pruneSessions(now: Timestamp) async throws
}

/// Which connections a new one may take the place of.
public enum ReplaceableConnection: Sendable {
    /// Any: the team itself asks for it.
    case any
    /// This end user's own; `nil` has none.
    case ownedBy(endUserID: String?)

    /// Whether a connection of `owner` is one of them.
    public func includes(owner: String?) -> Bool {
        switch self {
        case .any: true
        case .ownedBy(let endUserID): owner != nil && owner == endUserID
        }
    }
}

extension TerapiError {
    /// An end user wishes for an id that is another's.
    public static var connectionIDTaken: TerapiError {
        TerapiError(
            .invalidBody,
            "The connection id is taken. Leave it out, or begin a session by POST /connect/sessions/reconnect."
        )
    }
}

/// How a refresh ended that brought no credentials.
public enum RefreshOutcome: Sendable, Equatable {
    /// Nothing was sent, or the provider asked to come later.
    case retry(after: Timestamp)
    /// The provider refused the token; `refusedAt` is kept from the first time.
    case refused
}

/// Which connections to list.
public struct ConnectionFilter: Sendable {
    public var connectionID: String?
    /// Part of the connection's id or of the end user's id, name or e-mail address.
    public var search: String?
    public var endUserID: String?
    public var endUserOrganizationID: String?
    public var integrationKeys: [String]
    /// All must match.
    public var tags: [String: String]
    public var limit: Int
    public var page: Int

    public init(
        connectionID: String? = nil,
        search: String? = nil,
        endUserID: String? = nil,
        endUserOrganizationID: String? = nil,
        integrationKeys: [String] = [],
        tags: [String: String] = [:],
        limit: Int = 10_000,
        page: Int = 0
    ) {
        self.connectionID = connectionID
        self.search = search
        self.endUserID = endUserID
        self.endUserOrganizationID = endUserOrganizationID
        self.integrationKeys = integrationKeys
        self.tags = tags
        self.limit = limit
        self.page = page
    }
}
