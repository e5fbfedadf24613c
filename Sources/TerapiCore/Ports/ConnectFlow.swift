/// How end users' connections come to be.
public protocol ConnectFlow: Sendable {
    /// Begins an OAuth authorization: remembers it and says where the browser goes.
    func begin(_ start: ConnectStart) async throws -> ConnectRedirect

    /// Ends it when the browser returns. The state is used up whatever the outcome.
    /// - Parameters:
    ///   - integrationKey: of the callback's path; `nil` for the bare one.
    ///   - query: of the callback.
    ///   - browserSecret: the value of the cookie that ``begin(_:)`` set.
    func finish(integrationKey: String?, query: [String: String], browserSecret: String?) async -> ConnectResult

    /// Makes a connection whose credentials the end user typed in. Where they are only good for a token, it is got
    /// first.
    func connect(
        session: ConnectSession,
        integrationKey: String,
        connectionID: String?,
        config: JSONObject,
        credentials: Credentials
    ) async throws -> Connection

    /// Makes or overwrites a connection that the team's backend brings.
    /// - Throws: `TerapiError(.connectionTestFailed)` or `.connectionValidationFailed` when they do not work.
    func importConnection(_ connection: Connection, credentials: Credentials) async throws -> Connection

    /// Deletes a connection after the integration's scripts for that have run. One that fails does not keep it.
    /// - Returns: whether there was one.
    func deleteConnection(
        _ connectionID: String,
        integrationKey: String,
        in scope: EnvironmentScope
    ) async throws -> Bool

    /// Deletes an integration with its connections, each after the integration's scripts for that have run.
    func deleteIntegration(_ key: String, in scope: EnvironmentScope) async throws
}

public struct ConnectStart: Sendable {
    public var session: ConnectSession
    public var integrationKey: String
    /// What the page asks for; refused when the session names another.
    public var connectionID: String?
    public var config: JSONObject
    public var userScopes: [String]
    public var authorizationParams: [String: String]
    /// The origin of the page that waits for the result, already checked against the session.
    public var openerOrigin: String?
    public var returnURL: String?
    /// Chosen by the page so that it can ask for the attempt before the popup has loaded; made up when `nil`.
    public var attemptID: String?

    public init(
        session: ConnectSession,
        integrationKey: String,
        connectionID: String? = nil,
        config: JSONObject = [:],
        userScopes: [String] = [],
        authorizationParams: [String: String] = [:],
        openerOrigin: String? = nil,
        returnURL: String? = nil,
        attemptID: String? = nil
    ) {
        self.session = session
        self.integrationKey = integrationKey
        self.connectionID = connectionID
        self.config = config
        self.userScopes = userScopes
        self.authorizationParams = authorizationParams
        self.openerOrigin = openerOrigin
        self.returnURL = returnURL
        self.attemptID = attemptID
    }
}

public struct ConnectRedirect: Sendable {
    public var url: String
    public var attemptID: String
    /// What the provider gives back with the code: it tells this flow from others in the same browser.
    public var state: String
    /// For the cookie that binds the flow to this browser.
    public var browserSecret: Secret

    public init(url: String, attemptID: String, state: String, browserSecret: Secret) {
        self.url = url
        self.attemptID = attemptID
        self.state = state
        self.browserSecret = browserSecret
    }
}

/// How an authorization ended, for the page that the popup shows.
public struct ConnectResult: Sendable {
    public enum Outcome: Sendable {
        case success(connectionID: String)
        /// `type` is one of the wire contract's, such as `state_err` or `token_err`.
        case failure(type: String, message: String)
    }

    public var outcome: Outcome
    public var integrationKey: String?
    public var attemptID: String?
    public var openerOrigin: String?
    public var returnURL: String?

    public init(
        outcome: Outcome,
        integrationKey: String? = nil,
        attemptID: String? = nil,
        openerOrigin: String? = nil,
        returnURL: String? = nil
    ) {
        self.outcome = outcome
        self.integrationKey = integrationKey
        self.attemptID = attemptID
        self.openerOrigin = openerOrigin
        self.returnURL = returnURL
    }
}

/// Credentials that work now.
public protocol CredentialSource: Sendable {
    /// The connection's credentials, refreshed first when they are about to expire.
    /// - Parameters:
    ///   - forceRefresh: refresh whatever the expiry says.
    ///   - staleGeneration: the generation with which a request was just refused; a newer one is taken as it is.
    /// - Throws: `TerapiError`: `.connectionRefreshExhausted`, `.connectionRefreshBackoff`, `.refreshTokenExternalError`.
    func credentials(
        of connection: Connection,
        integration: Integration,
        forceRefresh: Bool,
        staleGeneration: Int64?
    ) async throws -> (credentials: Credentials, generation: Int64)
}

/// The syncs that exist and the running of them on request.
public protocol SyncControl: Sendable {
    func definitions(integrationKey: String, in scope: EnvironmentScope) -> [SyncDefinition]

    /// Runs syncs as soon as possible.
    /// - Parameters:
    ///   - connectionID: `nil` for all connections of the integration.
    ///   - names: `name` or `name::variant`; empty for every sync.
    ///   - reset: forget checkpoints and the last sync date, and start anew.
    ///   - emptyCache: with `reset`, remove the records for good first.
    ///   - confirmsMassDeletion: let this run delete any number of records that the provider no longer shows.
    /// - Throws: `TerapiError`: `.unknownConnection`, `.unknownProviderConfig`, `.noSyncsFound`.
    func trigger(
        _ selection: SyncSelection,
        reset: Bool,
        emptyCache: Bool,
        confirmsMassDeletion: Bool
    ) async throws
    func start(_ selection: SyncSelection) async throws
    func pause(_ selection: SyncSelection) async throws
    func status(_ selection: SyncSelection) async throws -> [SyncStatus]

    /// - Parameter frequency: `nil` takes the override away.
    /// - Returns: the frequency now in force.
    func setFrequency(_ frequency: Frequency?, of selection: SyncSelection) async throws -> String

    /// Makes a variant of a sync on one connection: a sync of its own, with a checkpoint and records of its own.
    /// - Throws: `TerapiError`: `.unknownConnection`, `.unknownProviderConfig`, `.unknownSync`,
    ///   `.syncVariantAlreadyExists`, `.resourceCapped`.
    func createVariant(_ variant: SyncVariant) async throws -> Sync

    /// Ends a variant and removes its records.
    /// - Throws: as ``createVariant(_:)``, and `TerapiError(.notFound)` when there is none.
    func deleteVariant(_ variant: SyncVariant) async throws
}

/// One variant of one sync on one connection.
public struct SyncVariant: Sendable {
    public var scope: EnvironmentScope
    public var integrationKey: String
    public var connectionID: String
    public var syncName: String
    public var name: String

    public init(
        scope: EnvironmentScope,
        integrationKey: String,
        connectionID: String,
        syncName: String,
        name: String
    ) {
        self.scope = scope
        self.integrationKey = integrationKey
        self.connectionID = connectionID
        self.syncName = syncName
        self.name = name
    }
}

/// Which syncs a request is about.
public struct SyncSelection: Sendable {
    public var scope: EnvironmentScope
    public var integrationKey: String
    public var connectionID: String?
    public var names: [String]

    public init(scope: EnvironmentScope, integrationKey: String, connectionID: String?, names: [String]) {
        self.scope = scope
        self.integrationKey = integrationKey
        self.connectionID = connectionID
        self.names = names
    }
}

public struct SyncStatus: Sendable {
    public var sync: Sync
    public var connectionID: String
    public var latestRun: SyncRun?
    /// `RUNNING`, `PAUSED`, `STOPPED`, `SUCCESS` or `ERROR`.
    public var status: String
    public var frequency: String
    public var recordCounts: [String: Int]
    /// How far it has come in reading its history; `nil` when it has none to read.
    public var backfill: Backfill?

    public init(
        sync: Sync,
        connectionID: String,
        latestRun: SyncRun?,
        status: String,
        frequency: String,
        recordCounts: [String: Int],
        backfill: Backfill? = nil
    ) {
        self.sync = sync
        self.connectionID = connectionID
        self.latestRun = latestRun
        self.status = status
        self.frequency = frequency
        self.recordCounts = recordCounts
        self.backfill = backfill
    }
}
