import Synchronization
import TerapiCore
import TestSupport

/// Providers, the connect flow, credentials and syncs as the routes see them; remembers what it was asked.
final class FakeEngine: ProviderAPI, ConnectFlow, CredentialSource, SyncControl, ActionControl, DeployControl,
    FunctionControl, ProxyControl, DeliveryControl
{
    struct State {
        var started: [ConnectStart] = []
        var finished: [(key: String?, query: [String: String], secret: String?)] = []
        var result = ConnectResult(outcome: .failure(type: "state_err", message: "The state is unknown."))
        var beginFailure: TerapiError?
        /// Of the flow that begins next.
        var nextState = "abc"
        var credentialFailure: TerapiError?
        var typedIn: [Credentials] = []
        var requests: [(request: ActionRequest, maxRetries: Int?)] = []
        var actionFailure: TerapiError?
        var actionResult: ActionResult = .pending
        var deleted: [String] = []
        var deletedIntegrations: [String] = []
        var deployed: [DeployRequest] = []
        var rollbacks: [Int64?] = []
        var removed: [ScriptID] = []
        var switched: [(script: ScriptID, isEnabled: Bool)] = []
        var dryruns: [DryrunRequest] = []
        var functionFailure: TerapiError?
        var relayed: [(request: ProxyRequest, body: [UInt8])] = []
        /// `nil`: a body is read, and 200.
        var answer: (@Sendable (ProxyRequest) async throws -> any OutboundAnswer)?
        var variants: [SyncVariant] = []
        var replayed: [ReplaySelection] = []
        var triggered: [(selection: SyncSelection, reset: Bool, emptyCache: Bool, confirms: Bool)] = []
    }

    let state = Mutex(State())

    let providers = [
        Provider(
            name: "zendesk", displayName: "Zendesk", authMode: .oauth2,
            connectionConfig: [
                Provider.FormField(
                    name: "subdomain", title: "Your subdomain", example: "acme", pattern: "[a-z]+",
                    suffix: ".zendesk.com"
                )
            ],
            entry: ["display_name": "Zendesk", "docs": "https://example.com/zendesk"]
        ),
        Provider(name: "keyed", displayName: "Keyed <API>", authMode: .apiKey),
        Provider(name: "app", displayName: "App", authMode: .app),
        Provider(name: "first", displayName: "OAuth 1", authMode: .oauth1),
        Provider(name: "mcp", displayName: "MCP", authMode: .mcpOAuth2, oauth2: FakeEngine.documented),
    ]

    private static var documented: Provider.OAuth2 {
        var oauth2 = Provider.OAuth2(authorizationURL: "https://mcp.example/a", tokenURL: "https://mcp.example/t")
        oauth2.registration = Provider.ClientRegistration(kind: .document)
        return oauth2
    }

    func provider(_ name: String) -> Provider? { providers.first { $0.name == name } }

    func beginAuthorization(_ request: AuthorizationRequest) async throws -> BegunAuthorization {
        BegunAuthorization(url: "https://provider.example/authorize")
    }
    func exchange(_ exchange: CodeExchange, now: Timestamp) async throws -> NewCredentials {
        NewCredentials(credentials: .none)
    }
    func sendRefresh(_ access: ConnectionAccess) async -> RefreshReply {
        .notSent(TerapiError(.providerUnreachable, "No provider here."))
    }
    func readRefresh(_ answer: RefreshAnswer, access: ConnectionAccess, now: Timestamp) -> RefreshResult {
        .retryLater(nil, "No provider here.")
    }
    func verify(_ access: ConnectionAccess) async throws {}
    func send(_ request: ScriptRequest, access: ConnectionAccess) async throws -> ScriptResponse {
        ScriptResponse(status: 200, headers: [], body: [])
    }
    func open(_ request: ProxyRequest, access: ConnectionAccess) async throws -> any OutboundAnswer { GivenAnswer() }

    func open(_ request: ProxyRequest) async throws -> any OutboundAnswer {
        guard request.scope.environmentID == 1, request.connectionID == "c1" else {
            throw TerapiError(.unknownConnection, "There is no such connection in this environment.")
        }
        if let answer = state.withLock({ $0.answer }) { return try await answer(request) }
        let body = try await request.body?.collected(limit: .max) ?? []
        state.withLock { $0.relayed.append((request, body)) }
        return GivenAnswer(headers: [("content-type", "text/plain")], body: Array("relayed dev-canary".utf8))
    }

    func nextStep(
        after response: ScriptResponse, to request: ScriptRequest, provider: String, attempt: Int, now: Timestamp
    ) -> RequestStep { .answer }

    func begin(_ start: ConnectStart) async throws -> ConnectRedirect {
        try state.withLock { state in
            if let failure = state.beginFailure { throw failure }
            state.started.append(start)
            return ConnectRedirect(
                url: "https://provider.example/authorize?state=\(state.nextState)",
                attemptID: start.attemptID ?? "made-up", state: state.nextState,
                browserSecret: Secret("browser-canary-\(state.nextState)")
            )
        }
    }

    func finish(integrationKey: String?, query: [String: String], browserSecret: String?) async -> ConnectResult {
        state.withLock { state in
            state.finished.append((integrationKey, query, browserSecret))
            return state.result
        }
    }

    func connect(
        session: ConnectSession, integrationKey: String, connectionID: String?, config: JSONObject,
        credentials: Credentials
    ) async throws -> Connection {
        state.withLock { $0.typedIn.append(credentials) }
        return Connection(
            scope: session.scope, integrationID: 1, connectionID: connectionID ?? "made-by-flow",
            integrationKey: integrationKey, provider: "keyed", createdAt: .init(microseconds: 0),
            updatedAt: .init(microseconds: 0)
        )
    }

    func importConnection(_ connection: Connection, credentials: Credentials) async throws -> Connection {
        connection
    }

    func credentials(
        of connection: Connection, integration: Integration, forceRefresh: Bool, staleGeneration: Int64?
    ) async throws -> (credentials: Credentials, generation: Int64) {
        if let failure = state.withLock({ $0.credentialFailure }) { throw failure }
        let tokens = OAuth2Credentials(
            accessToken: Secret(forceRefresh ? "access-canary-new" : "access-canary"),
            refreshToken: Secret("refresh-canary"),
            raw: ["access_token": "access-canary", "refresh_token": "refresh-canary"]
        )
        return (.oauth2(tokens), 1)
    }

    func deleteIntegration(_ key: String, in scope: EnvironmentScope) async throws {
        state.withLock { $0.deletedIntegrations.append(key) }
    }

    func deleteConnection(
        _ connectionID: String, integrationKey: String, in scope: EnvironmentScope
    ) async throws -> Bool {
        guard scope.environmentID == 1, connectionID == "c1" else { return false }
        state.withLock { $0.deleted.append(connectionID) }
        return true
    }

    func actions(integrationKey: String, in scope: EnvironmentScope) -> [ActionDefinition] {
        switch integrationKey {
        case "zendesk":
            [
                ActionDefinition(
                    integrationKey: integrationKey, name: "create-ticket", input: ["type": "object"],
                    endpoints: Self.endpoints("POST /tickets"), code: "code-canary"
                )
            ]
        case "keyed": [Self.findTicket]
        default: []
        }
    }

    static let findTicket = ActionDefinition(
        integrationKey: "keyed",
        name: "find.ticket",
        input: [
            "type": "object", "required": ["id"],
            "properties": [
                "id": ["type": "integer"], "open": ["type": "boolean"], "name": ["type": "string"],
                "tags": ["type": "array", "items": ["type": "integer"]],
            ],
        ],
        output: ["type": "object", "properties": ["made": ["type": "number"]], "additionalProperties": false],
        endpoints: endpoints("GET /tickets/{id}", "PUT /tickets/{id}"),
        code: "code-canary"
    )

    private static func endpoints(_ texts: String...) -> [ScriptEndpoint] {
        texts.compactMap { try? ScriptEndpoint(.string($0), defaultMethod: .get) }
    }

    func onEvents(integrationKey: String, in scope: EnvironmentScope) -> [OnEventDefinition] {
        guard integrationKey == "zendesk" else { return [] }
        return [
            OnEventDefinition(
                integrationKey: integrationKey, name: "welcome", event: .postConnectionCreation, code: "code-canary"
            )
        ]
    }

    func run(_ request: ActionRequest) async throws -> [UInt8] {
        try note(request, maxRetries: nil)
        return Array(#"{"made":1.0,"by":"dev-canary"}"#.utf8)
    }

    func enqueue(_ request: ActionRequest, maxRetries: Int) async throws -> String {
        try note(request, maxRetries: maxRetries)
        return "a-1"
    }

    func result(of id: String, in scope: EnvironmentScope) async throws -> ActionResult? {
        id == "a-1" && scope.environmentID == 1 ? state.withLock { $0.actionResult } : nil
    }

    private func note(_ request: ActionRequest, maxRetries: Int?) throws {
        guard request.scope.environmentID == 1, request.connectionID == "c1" else {
            throw TerapiError(.unknownConnection, "The connection is unknown.")
        }
        try state.withLock { state in
            if let failure = state.actionFailure { throw failure }
            state.requests.append((request, maxRetries))
        }
    }

    func definitions(integrationKey: String, in scope: EnvironmentScope) -> [SyncDefinition] {
        guard integrationKey == "zendesk", let frequency = try? Frequency("every 5 minutes") else { return [] }
        return [
            SyncDefinition(
                integrationKey: integrationKey, name: "tickets", models: ["Ticket"], frequency: frequency,
                schemas: ["Ticket": Self.ticketSchema], endpoints: Self.endpoints("GET /crm/tickets"),
                code: "code-canary"
            )
        ]
    }

    /// As zod prints it.
    static let ticketSchema: JSONValue = [
        "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["id"],
        "properties": ["id": ["type": "string"], "owner": ["$ref": "#/$defs/Person"]],
        "additionalProperties": false, "$defs": ["Person": ["type": "object", "additionalProperties": false]],
    ]

    // MARK: Deployments and functions

    /// What a deployment to `dev` is compared with; `prod` has none.
    private func difference(in scope: EnvironmentScope) -> DeployDifference {
        var difference = DeployDifference(version: scope.environmentID == 1 ? 3 : nil)
        guard scope.environmentID == 1 else { return difference }
        let old = ScriptID(integrationKey: "zendesk", kind: .sync, name: "dev-canary")
        difference.added = [ScriptID(integrationKey: "zendesk", kind: .action, name: "open")]
        difference.changed = [
            .init(id: ScriptID(integrationKey: "zendesk", kind: .sync, name: "tickets"), parts: ["code", "models"])
        ]
        difference.removed = [.init(id: old, connections: 2, records: ["Ticket": 7])]
        difference.unchangedCount = 4
        difference.unknownIntegrations = ["github"]
        return difference
    }

    private func deployment(_ version: Int64, restoring restored: Int64? = nil) -> Deployment {
        Deployment(
            version: version, origin: restored == nil ? .deploy : .rollback, restoredVersion: restored, scriptCount: 5,
            createdAt: Timestamp(microseconds: 1_800_000_000_000_000)
        )
    }

    func difference(of request: DeployRequest) async throws -> DeployDifference {
        try fail()
        state.withLock { $0.deployed.append(request) }
        return difference(in: request.scope)
    }

    func deploy(_ request: DeployRequest) async throws -> DeployOutcome {
        try fail()
        state.withLock { $0.deployed.append(request) }
        return DeployOutcome(deployment: deployment(4), difference: difference(in: request.scope))
    }

    func rollback(to version: Int64?, in scope: EnvironmentScope) async throws -> DeployOutcome {
        guard scope.environmentID == 1, version != 99 else {
            throw TerapiError(.notFound, "There is no such deployment.")
        }
        state.withLock { $0.rollbacks.append(version) }
        return DeployOutcome(deployment: deployment(5, restoring: version ?? 2), difference: difference(in: scope))
    }

    func deployments(in scope: EnvironmentScope) async throws -> [Deployment] {
        scope.environmentID == 1 ? [deployment(4, restoring: 2), deployment(3)] : []
    }

    func facts(of script: ScriptID, in scope: EnvironmentScope) -> ScriptFacts {
        script.kind == .action
            ? ScriptFacts(source: .standalone, deployedAt: Timestamp(microseconds: 1_800_000_000_000_000))
            : ScriptFacts(source: .repo, deployedAt: nil)
    }

    func code(of script: ScriptID, in scope: EnvironmentScope) -> String? {
        scope.environmentID == 1 ? "dev-canary" : nil
    }

    func remove(_ script: ScriptID, in scope: EnvironmentScope) async throws {
        guard script.kind == .action else { throw TerapiError(.functionManagedByDeploy, "It came with a folder.") }
        state.withLock { $0.removed.append(script) }
    }

    /// One function ships for the provider of the integration `keyed`.
    func templates(
        of provider: String,
        for integrationKey: String,
        in scope: EnvironmentScope
    ) async throws -> ScriptDefinitions {
        guard provider == "keyed" else { return ScriptDefinitions() }
        return ScriptDefinitions(actions: [
            ActionDefinition(
                integrationKey: integrationKey, name: "send-mail", description: "Sends a mail", code: "code-canary"
            )
        ])
    }

    func templateText(of script: ScriptID, provider: String) -> String? {
        provider == "keyed" && script.name == "send-mail" ? "as it ships" : nil
    }

    func setEnabled(
        _ isEnabled: Bool,
        _ script: ScriptID,
        provider: String,
        in scope: EnvironmentScope
    ) async throws {
        try fail()
        state.withLock { $0.switched.append((script, isEnabled)) }
    }

    func compile(_ code: String) async throws -> String {
        try fail()
        return "compiled \(code)"
    }

    func begin(_ dryrun: DryrunRequest) throws -> FunctionJob {
        state.withLock { $0.dryruns.append(dryrun) }
        return FunctionJob(id: "j-1", scope: dryrun.scope, kind: .dryrun, createdAt: .init(microseconds: 0))
    }

    func beginDeployment(of script: SentScript, in scope: EnvironmentScope) throws -> FunctionJob {
        FunctionJob(id: "j-2", scope: scope, kind: .deployment, createdAt: .init(microseconds: 0))
    }

    func job(_ id: String, _ kind: FunctionJob.Kind, in scope: EnvironmentScope) -> FunctionJob? {
        guard scope.environmentID == 1, id == (kind == .dryrun ? "j-1" : "j-2") else { return nil }
        var job = FunctionJob(id: id, scope: scope, kind: kind, createdAt: .init(microseconds: 0))
        job.status = .success
        job.result = ["saved": "dev-canary"]
        return job
    }

    private func fail() throws {
        if let failure = state.withLock({ $0.functionFailure }) { throw failure }
    }

    func trigger(
        _ selection: SyncSelection, reset: Bool, emptyCache: Bool, confirmsMassDeletion: Bool
    ) async throws {
        try check(selection)
        state.withLock { $0.triggered.append((selection, reset, emptyCache, confirmsMassDeletion)) }
    }
    func start(_ selection: SyncSelection) async throws { try check(selection) }
    func pause(_ selection: SyncSelection) async throws { try check(selection) }

    func status(_ selection: SyncSelection) async throws -> [SyncStatus] {
        try check(selection)
        let sync = Sync(
            id: 7, scope: selection.scope, connectionID: 1, integrationKey: "zendesk", name: "tickets", variant: "base",
            state: .started, frequencyOverride: nil, nextRunAt: nil, isRunRequested: false,
            isMassDeletionConfirmed: false, runGeneration: 1, runningRunID: nil, lastSyncAt: nil, checkpoint: nil,
            failures: 0
        )
        return [
            SyncStatus(
                sync: sync, connectionID: "c1", latestRun: nil, status: "SUCCESS", frequency: "every 5 minutes",
                recordCounts: ["Ticket": 3]
            )
        ]
    }

    func setFrequency(_ frequency: Frequency?, of selection: SyncSelection) async throws -> String {
        try check(selection)
        return frequency?.text ?? "every 5 minutes"
    }

    func createVariant(_ variant: SyncVariant) async throws -> Sync {
        try check(variant)
        state.withLock { $0.variants.append(variant) }
        return Sync(
            id: 8, scope: variant.scope, connectionID: 1, integrationKey: "zendesk", name: variant.syncName,
            variant: variant.name, state: .started, frequencyOverride: nil, nextRunAt: nil, isRunRequested: false,
            isMassDeletionConfirmed: false, runGeneration: 0, runningRunID: nil, lastSyncAt: nil, checkpoint: nil,
            failures: 0
        )
    }

    func deleteVariant(_ variant: SyncVariant) async throws {
        try check(variant)
        state.withLock { $0.variants.append(variant) }
    }

    private func check(_ variant: SyncVariant) throws {
        try check(
            SyncSelection(
                scope: variant.scope, integrationKey: variant.integrationKey, connectionID: variant.connectionID,
                names: []
            )
        )
        guard variant.syncName == "tickets" else { throw TerapiError(.unknownSync, "The sync is unknown.") }
    }

    func replay(_ selection: ReplaySelection, in scope: EnvironmentScope) async throws -> ReplayOutcome {
        if case .events(let ids) = selection, scope.environmentID != 1 || ids != ["msg_1"] {
            throw TerapiError(.notFound, "The event is unknown.")
        }
        state.withLock { $0.replayed.append(selection) }
        return scope.environmentID == 1 ? ReplayOutcome(events: 2, deliveries: 3) : ReplayOutcome()
    }

    // The development environment has the only integration with syncs, and one connection.
    private func check(_ selection: SyncSelection) throws {
        guard selection.scope.environmentID == 1, selection.integrationKey == "zendesk" else {
            throw TerapiError(.unknownProviderConfig, "The integration is unknown.")
        }
        guard (selection.connectionID ?? "c1") == "c1" else {
            throw TerapiError(.unknownConnection, "The connection is unknown.")
        }
    }
}
