import Synchronization
import TerapiCore

/// Every storage port in memory, enough of it for the routes: it keeps environments apart as the real one does.
final class FakeStorage: SettingsStorage, ConnectionStorage, RecordStorage, WebhookStorage, LogStorage {
    struct State {
        var environments: [TerapiCore.Environment] = []
        var signingKeys: [Int64: [WebhookSigningKey]] = [:]
        var variables: [Int64: [EnvironmentVariable]] = [:]
        var keys: [[UInt8]: APIKey] = [:]
        var integrations: [Integration] = []
        var connections: [Connection] = []
        var sessions: [[UInt8]: ConnectSession] = [:]
        var attempts: [ConnectAttempt] = []
        var events: [WebhookHistory] = []
        var operations: [LogOperation] = []
        var messages: [LogMessage] = []
        var lastQuery: RecordQuery?
        var recordFailure: (any Error)?
        var readFailure: (any Error)?
        var keyLookups = 0
        var onUse: (@Sendable (_ keyID: Int64, _ moment: Timestamp) async -> Void)?
        var nextRow: Int64 = 100

        mutating func row() -> Int64 {
            nextRow += 1
            return nextRow
        }
    }

    let state = Mutex(State())

    private func read<Value>(_ body: (inout State) throws -> sending Value) rethrows -> sending Value {
        try state.withLock { try body(&$0) }
    }

    // MARK: - Settings

    func environments() async throws -> [TerapiCore.Environment] {
        try read { state in
            if let failure = state.readFailure { throw failure }
            return state.environments
        }
    }

    func createEnvironment(name: String, signingKey: Secret, now: Timestamp) async throws -> TerapiCore.Environment {
        read { state in
            let environment = TerapiCore.Environment(
                id: state.row(), uuid: randomUUID(), name: name, settings: EnvironmentSettings(), createdAt: now
            )
            state.environments.append(environment)
            state.signingKeys[environment.id] = [
                WebhookSigningKey(id: state.row(), secret: signingKey, createdAt: now, expiresAt: nil)
            ]
            return environment
        }
    }

    func environment(_ scope: EnvironmentScope) async throws -> TerapiCore.Environment {
        try read { state in
            guard let found = state.environments.first(where: { $0.id == scope.environmentID }) else {
                throw TerapiError(.notFound, "There is no such environment.")
            }
            return found
        }
    }

    func updateSettings(_ settings: EnvironmentSettings, in scope: EnvironmentScope) async throws {
        read { state in
            for index in state.environments.indices where state.environments[index].id == scope.environmentID {
                state.environments[index].settings = settings
            }
        }
    }

    func variables(in scope: EnvironmentScope) async throws -> [EnvironmentVariable] {
        read { $0.variables[scope.environmentID] ?? [] }
    }

    func changeVariables(
        setting variables: [EnvironmentVariable], removing names: [String], in scope: EnvironmentScope
    ) async throws {
        read { state in
            let replaced = names + variables.map(\.name)
            let kept = (state.variables[scope.environmentID] ?? []).filter { !replaced.contains($0.name) }
            state.variables[scope.environmentID] = (kept + variables).sorted { $0.name < $1.name }
        }
    }

    func signingKeys(in scope: EnvironmentScope, now: Timestamp) async throws -> [WebhookSigningKey] {
        read { $0.signingKeys[scope.environmentID] ?? [] }
    }

    func rotateSigningKey(
        to secret: Secret, in scope: EnvironmentScope, now: Timestamp, replacedExpiresAt: Timestamp
    ) async throws {
        read { state in
            let key = WebhookSigningKey(id: state.row(), secret: secret, createdAt: now, expiresAt: nil)
            state.signingKeys[scope.environmentID, default: []].insert(key, at: 0)
        }
    }

    func createAPIKey(
        displayName: String, scopes: Set<APIScope>, tokenHash: [UInt8], in scope: EnvironmentScope, now: Timestamp
    ) async throws -> APIKey {
        read { state in
            let key = APIKey(
                id: state.row(), scope: scope, displayName: displayName, scopes: scopes, createdAt: now, lastUsedAt: nil
            )
            state.keys[tokenHash] = key
            return key
        }
    }

    func apiKey(tokenHash: [UInt8]) async throws -> APIKey? {
        read { state in
            state.keyLookups += 1
            return state.keys[tokenHash]
        }
    }

    func apiKeys(in scope: EnvironmentScope) async throws -> [APIKey] {
        read { $0.keys.values.filter { $0.scope == scope }.sorted { $0.id < $1.id } }
    }

    func noteUse(ofAPIKey id: Int64, at moment: Timestamp) async throws {
        let action = read { $0.onUse }
        await action?(id, moment)
    }

    func deleteAPIKey(id: Int64, in scope: EnvironmentScope) async throws {
        read { state in state.keys = state.keys.filter { $0.value.id != id || $0.value.scope != scope } }
    }

    func createIntegration(_ integration: Integration) async throws -> Integration {
        try read { state in
            guard !state.integrations.contains(where: { $0.key == integration.key && $0.scope == integration.scope })
            else { throw TerapiError(.conflict, "The key is taken.") }
            var integration = integration
            integration.id = state.row()
            state.integrations.append(integration)
            return integration
        }
    }

    func integrations(in scope: EnvironmentScope) async throws -> [Integration] {
        read { $0.integrations.filter { $0.scope == scope } }
    }

    func integration(key: String, in scope: EnvironmentScope) async throws -> Integration? {
        read { $0.integrations.first { $0.scope == scope && $0.key == key } }
    }

    func updateIntegration(_ integration: Integration) async throws {
        read { state in
            for index in state.integrations.indices where state.integrations[index].id == integration.id {
                state.integrations[index] = integration
            }
        }
    }

    func deleteIntegration(key: String, in scope: EnvironmentScope, now: Timestamp) async throws {
        read { $0.integrations.removeAll { $0.key == key && $0.scope == scope } }
    }

    // MARK: - Connections

    func save(
        _ connection: Connection, replacing: ReplaceableConnection, credentials: Credentials, syncs: [SyncDefinition],
        now: Timestamp,
        event: @escaping @Sendable (Connection, Bool) -> WebhookEvent?,
        scripts: @escaping @Sendable (Connection) -> ActionRun?
    ) async throws -> Connection {
        read { state in
            var connection = connection
            connection.id = state.row()
            state.connections.append(connection)
            return connection
        }
    }

    func connection(
        _ connectionID: String, integrationKey: String, in scope: EnvironmentScope
    ) async throws -> Connection? {
        read {
            $0.connections.first {
                $0.connectionID == connectionID && $0.integrationKey == integrationKey && $0.scope == scope
            }
        }
    }

    func connection(row: Int64) async throws -> Connection? { read { $0.connections.first { $0.id == row } } }

    func connections(_ filter: ConnectionFilter, in scope: EnvironmentScope) async throws -> [Connection] {
        read { state in
            state.connections.filter { connection in
                connection.scope == scope
                    && (filter.connectionID.map { $0 == connection.connectionID } ?? true)
                    && (filter.integrationKeys.isEmpty || filter.integrationKeys.contains(connection.integrationKey))
                    && filter.tags.allSatisfy { connection.tags[$0.key] == $0.value }
            }
        }
    }

    func updateSettings(of connection: Connection, now: Timestamp) async throws {
        read { state in
            for index in state.connections.indices where state.connections[index].id == connection.id {
                state.connections[index] = connection
            }
        }
    }

    func setMetadata(
        _ metadata: JSONObject, merge: Bool, connectionIDs: [String], integrationKey: String,
        in scope: EnvironmentScope, now: Timestamp
    ) async throws {
        try read { state in
            let rows = connectionIDs.map { id in
                state.connections.firstIndex {
                    $0.connectionID == id && $0.integrationKey == integrationKey && $0.scope == scope
                }
            }
            guard !rows.contains(nil) else { throw TerapiError(.unknownConnection, "A connection is unknown.") }
            for row in rows.compactMap({ $0 }) {
                let before = merge ? state.connections[row].metadata ?? JSONObject() : JSONObject()
                state.connections[row].metadata = before.merging(metadata)
            }
        }
    }

    func setConfig(_ config: JSONObject, row: Int64, now: Timestamp) async throws {}
    func setError(_ kind: ConnectionError.Kind, subject: String, operationID: String?, row: Int64) async throws {}

    func deleteConnection(
        _ connectionID: String, integrationKey: String, in scope: EnvironmentScope
    ) async throws -> Bool {
        read { state in
            let before = state.connections.count
            state.connections.removeAll {
                $0.connectionID == connectionID && $0.integrationKey == integrationKey && $0.scope == scope
            }
            return state.connections.count < before
        }
    }

    func credentials(row: Int64) async throws -> StoredCredentials? { nil }
    func claimRefresh(row: Int64, generation: Int64, claim: StoredCredentials.Claim, now: Timestamp) async throws
        -> Bool
    {
        false
    }
    func commitRefresh(_ new: NewCredentials, row: Int64, over generation: Int64, now: Timestamp) async throws -> Bool {
        false
    }
    func releaseRefresh(row: Int64, attempt: String, outcome: RefreshOutcome, now: Timestamp) async throws {}
    func condemn(
        row: Int64, generation: Int64, operationID: String, event: WebhookEvent?, now: Timestamp
    ) async throws -> Bool { false }
    func connectionsExpiring(before moment: Timestamp, limit: Int) async throws -> [Int64] { [] }
    func connectionsToVerify(since moment: Timestamp, refusedBefore refused: Timestamp, limit: Int) async throws
        -> [Int64]
    { [] }
    func noteVerified(row: Int64, generation: Int64, now: Timestamp) async throws {}

    func createSession(_ session: ConnectSession, tokenHash: [UInt8]) async throws -> ConnectSession {
        read { state in
            var session = session
            session.id = state.row()
            state.sessions[tokenHash] = session
            return session
        }
    }

    func session(tokenHash: [UInt8], now: Timestamp) async throws -> ConnectSession? {
        read { $0.sessions[tokenHash].flatMap { $0.expiresAt > now ? $0 : nil } }
    }

    func session(row: Int64) async throws -> ConnectSession? { read { $0.sessions.values.first { $0.id == row } } }
    func deleteSession(row: Int64) async throws { read { $0.sessions = $0.sessions.filter { $0.value.id != row } } }
    func createOAuthSession(_ oauth: OAuthSession, attempt: ConnectAttempt) async throws {}
    func takeOAuthSession(state: String, now: Timestamp) async throws -> OAuthSession? { nil }
    func setAttempt(_ id: String, state: ConnectAttempt.State) async throws {}

    func attempt(_ id: String, sessionRow: Int64, now: Timestamp) async throws -> ConnectAttempt? {
        read { $0.attempts.first { $0.id == id && $0.sessionID == sessionRow } }
    }

    func pruneSessions(now: Timestamp) async throws {}

    // MARK: - Records

    private struct Prepared: PreparedRecordBatch {}

    func prepare(_ batch: RecordBatch) async throws -> any PreparedRecordBatch { Prepared() }
    func commit(_ prepared: any PreparedRecordBatch) async throws -> [String: ChangeCounts] { [:] }

    func page(_ query: RecordQuery) async throws -> RecordPage {
        try read { state in
            state.lastQuery = query
            if let failure = state.recordFailure { throw failure }
            let isThere = state.connections.contains {
                $0.connectionID == query.connectionID && $0.integrationKey == query.integrationKey
                    && $0.scope == query.scope
            }
            guard isThere else { throw TerapiError(.unknownConnection, "The connection is unknown.") }
            let json = #"{"records":[{"id":"1","title":"dev-canary","n":1.0}],"next_cursor":null}"#
            return RecordPage(json: Array(json.utf8), count: 1, nextCursor: nil)
        }
    }

    func documents(
        ids: [String], in stream: RecordStream, scope: EnvironmentScope
    ) async throws -> [(id: String, document: [UInt8])] { [] }
    func documents(
        after id: String?, limit: Int, in stream: RecordStream, scope: EnvironmentScope
    ) async throws -> [(id: String, document: [UInt8])] { [] }
    func counts(connectionID: Int64) async throws -> [String: Int] { [:] }
    func beginFullRead(of stream: RecordStream, run: RunFence) async throws -> Int64 { 0 }
    func endFullRead(
        of stream: RecordStream, run: RunFence, scope: EnvironmentScope, allowsMassDeletion: Bool
    ) async throws -> DeletionOutcome { .deleted([]) }
    func abandonFullReads(run: RunFence) async throws {}
    func position(of stream: RecordStream) async throws -> Int64 { 0 }
    func removeRecords(of streams: [RecordStream]) async throws {}

    // MARK: - Webhooks and logs

    func claimDeliveries(
        limit: Int, perURL: Int, busy: [String: Int], owner: String, leaseUntil: Timestamp, now: Timestamp
    ) async throws -> [WebhookDelivery] { [] }
    func releaseDeliveries(notOwnedBy owner: String, now: Timestamp) async throws {}
    func nextDeliveryAt() async throws -> Timestamp? { nil }
    func finishAttempt(
        _ attempt: DeliveryAttempt, deliveryID: Int64, state: WebhookDelivery.State, nextAttemptAt: Timestamp?,
        breaker: EndpointBreaker, now: Timestamp
    ) async throws -> Timestamp? { nil }
    func replay(
        _ selection: ReplaySelection, urls: [String], after place: ReplayPlace?, limit: Int,
        in scope: EnvironmentScope, now: Timestamp
    ) async throws -> (outcome: ReplayOutcome, next: ReplayPlace?) { (ReplayOutcome(), nil) }

    func events(in scope: EnvironmentScope, before: Timestamp?, limit: Int) async throws -> [WebhookHistory] {
        read { $0.events.filter { $0.event.scope == scope } }
    }

    func event(_ id: String, in scope: EnvironmentScope) async throws -> WebhookHistory? {
        read { $0.events.first { $0.event.scope == scope && $0.event.id == id } }
    }

    func endInterrupted(now: Timestamp) async throws {}

    func append(operations: [LogOperation], messages: [LogMessage]) async throws {
        read { state in
            state.operations += operations
            state.messages += messages
        }
    }

    func operations(_ filter: LogFilter, in scope: EnvironmentScope) async throws -> [LogOperation] {
        read { state in
            state.operations.filter { $0.scope == scope && (filter.kinds.isEmpty || filter.kinds.contains($0.kind)) }
        }
    }

    func operation(_ id: String, in scope: EnvironmentScope) async throws -> LogOperation? {
        read { $0.operations.first { $0.scope == scope && $0.id == id } }
    }

    func messages(operationID: String, after: Int64?, limit: Int) async throws -> [(id: Int64, message: LogMessage)] {
        read { state in
            state.messages.enumerated().filter { $0.element.operationID == operationID }
                .map { (id: Int64($0.offset + 1), message: $0.element) }
        }
    }

    func messages(after id: Int64, limit: Int) async throws -> [(id: Int64, message: LogMessage)] {
        read { state in
            state.messages.enumerated().map { (id: Int64($0.offset + 1), message: $0.element) }.filter { $0.id > id }
        }
    }
}
