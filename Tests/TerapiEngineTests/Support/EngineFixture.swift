import Logging
import TerapiCore
import TerapiSQLite
import TerapiStorage
import TestSupport

@testable import TerapiEngine

/// An engine over a real database in a temporary folder, between a provider, scripts and endpoints that a test plays.
struct EngineFixture {
    static let url = "https://customer.example/hooks"

    let folder: TemporaryFolder
    let clock = TestClock()
    let database: FlakyDatabase
    let storage: SQLStorage
    let records: SpyRecords
    let providers: FakeProviders
    let scripts = FakeScripts()
    let endpoints = FakeEndpoints()
    let log = MemoryLog()
    let serverLog = MemoryLogger()
    let box: SecretBox
    let catalog: ScriptCatalog
    let environment: TerapiCore.Environment
    let integration: Integration
    let connection: Connection
    let engine: Engine

    var scope: EnvironmentScope { environment.scope }

    static func definition(
        _ name: String = "tickets",
        integration: String = "desk",
        models: [String] = ["Ticket"],
        frequency: String = "every 5 minutes",
        readsEverything: Bool = false,
        allowsMassDeletion: Bool = false,
        webhookSubscriptions: [String] = [],
        code: String = ""
    ) throws -> SyncDefinition {
        SyncDefinition(
            integrationKey: integration,
            name: name,
            models: models,
            frequency: try Frequency(frequency),
            readsEverything: readsEverything,
            allowsMassDeletion: allowsMassDeletion,
            webhookSubscriptions: webhookSubscriptions,
            code: code
        )
    }

    /// - Parameter provider: `desk`, whose refresh tokens work once, or `lenient`.
    init(
        provider: String = "desk",
        syncs: [SyncDefinition]? = nil,
        actions: [ActionDefinition] = [],
        onEvents: [OnEventDefinition] = [],
        settings change: (inout EnvironmentSettings) -> Void = { _ in }
    ) async throws {
        let definitions = try syncs ?? [Self.definition()]
        folder = try TemporaryFolder()
        database = FlakyDatabase(try SQLiteDatabase(path: folder.file("terapi.db")))
        box = SecretBox(current: EncryptionKey.random().key)
        storage = try await SQLStorage(database, box: box, clock: clock)
        records = SpyRecords(storage)
        providers = FakeProviders(clock: clock)
        catalog = ScriptCatalog(ScriptDefinitions(syncs: definitions, actions: actions, onEvents: onEvents))
        environment = try await storage.createEnvironment(
            name: "dev",
            signingKey: WebhookSignature.newSecret(),
            now: clock.now
        )
        var settings = environment.settings
        settings.primaryWebhookURL = Self.url
        change(&settings)
        try await storage.updateSettings(settings, in: environment.scope)
        integration = try await storage.createIntegration(
            Integration(
                scope: environment.scope,
                key: "desk",
                provider: provider,
                displayName: "Desk",
                createdAt: clock.now,
                updatedAt: clock.now
            )
        )
        connection = try await Self.connect(
            "alice",
            integration: integration,
            storage: storage,
            syncs: definitions,
            now: clock.now
        )
        engine = try Self.engine(
            folder: folder,
            storage: storage,
            records: records,
            providers: providers,
            scripts: scripts,
            endpoints: endpoints,
            catalog: catalog,
            log: log,
            clock: clock,
            serverLog: serverLog,
            box: box
        )
    }

    /// Another process on the same data, after the first one is gone.
    /// - Parameter other: what it has read of its folder; `nil` for the same as the first one.
    func restarted(catalog other: ScriptCatalog? = nil) throws -> Engine {
        try Self.engine(
            folder: folder,
            storage: storage,
            records: records,
            providers: providers,
            scripts: scripts,
            endpoints: endpoints,
            catalog: other ?? catalog,
            log: log,
            clock: clock,
            serverLog: serverLog,
            box: box
        )
    }

    private static func engine(
        folder: TemporaryFolder,
        storage: SQLStorage,
        records: SpyRecords,
        providers: FakeProviders,
        scripts: FakeScripts,
        endpoints: FakeEndpoints,
        catalog: ScriptCatalog,
        log: MemoryLog,
        clock: TestClock,
        serverLog: MemoryLogger,
        box: SecretBox
    ) throws -> Engine {
        Engine(
            settings: storage,
            connections: storage,
            records: records,
            syncs: storage,
            actions: storage,
            deliveries: storage,
            incoming: storage,
            providers: providers,
            deployments: storage,
            scripts: scripts,
            workshop: FakeWorkshop(),
            client: endpoints,
            spool: try RefreshSpool(folder: folder.file("spool"), box: box),
            catalog: catalog,
            log: log,
            clock: clock,
            logger: serverLog.logger,
            publicURL: "https://terapi.example",
            maxRuns: 4,
            templates: templates
        )
    }

    static func connect(
        _ connectionID: String,
        integration: Integration,
        storage: SQLStorage,
        syncs: [SyncDefinition],
        webhookURL: String? = nil,
        endUser: EndUser? = nil,
        now: Timestamp
    ) async throws -> Connection {
        try await storage.save(
            Connection(
                scope: integration.scope,
                integrationID: integration.id,
                connectionID: connectionID,
                integrationKey: integration.key,
                provider: integration.provider,
                endUser: endUser,
                webhookURLOverride: webhookURL,
                createdAt: now,
                updatedAt: now
            ),
            replacing: .any,
            credentials: .oauth2(
                OAuth2Credentials(
                    accessToken: Secret("access-1"),
                    refreshToken: Secret("refresh-1"),
                    expiresAt: now + .seconds(TokenServer.life),
                    raw: ["expires_in": JSONValue(TokenServer.life)]
                )
            ),
            syncs: syncs,
            now: now,
            event: { _, _ in nil },
            scripts: { _ in nil }
        )
    }

    func sync(_ name: String = "tickets") async throws -> Sync {
        guard let sync = try await storage.syncs(connectionID: connection.id).first(where: { $0.name == name }) else {
            throw TerapiError(.unknownSync, "The fixture has no such sync.")
        }
        return sync
    }

    func latestRun(_ name: String = "tickets") async throws -> SyncRun? {
        try await storage.latestRun(syncID: try await sync(name).id)
    }

    var selection: SyncSelection {
        SyncSelection(scope: scope, integrationKey: "desk", connectionID: "alice", names: [])
    }

    /// What ships for the provider `desk`.
    private static let templates: [ShippedScript] = [
        ShippedScript(
            provider: "desk", kind: .sync, name: "people", language: .javaScript,
            text: #"{"type":"sync","frequency":"every hour","models":["Person"]}"#, test: "{}"
        ),
        ShippedScript(
            provider: "desk", kind: .action, name: "invite", language: .javaScript, text: #"{"type":"action"}"#,
            test: "{}"
        ),
        ShippedScript(
            provider: "other", kind: .action, name: "elsewhere", language: .javaScript, text: "{}", test: "{}"
        ),
    ]

    /// Everything a customer would read, oldest first: `7 ADDED first`.
    func recordList(model: String = "Ticket", variant: String = "base") async throws -> [String] {
        var list: [String] = []
        var cursor: String?
        repeat {
            let page = try await storage.page(
                RecordQuery(
                    scope: scope,
                    integrationKey: "desk",
                    connectionID: "alice",
                    model: model,
                    variant: variant,
                    cursor: cursor,
                    limit: 10_000
                )
            )
            for record in try JSONReader.read(page.json)["records"]?.array ?? [] {
                let action = record["_terapi_metadata"]?["last_action"]?.string ?? ""
                list.append("\(record["id"]?.string ?? "") \(action) \(record["title"]?.string ?? "")")
            }
            cursor = page.nextCursor
        } while cursor != nil
        return list
    }

    /// The bodies of the webhook events so far, oldest first.
    func events() async throws -> [JSONValue] {
        try await storage.events(in: scope, before: nil, limit: 1_000)
            .sorted { $0.event.createdAt < $1.event.createdAt }
            .map { try JSONReader.read($0.event.body) }
    }

    /// Returns when the server's own log holds a text.
    func serverLogSays(_ text: String) async throws {
        var seen = serverLog.counter.count
        while !serverLog.text.contains(text) {
            seen += 1
            try await serverLog.counter.reached(seen)
        }
    }

    /// The credentials as a caller gets them.
    func token(
        from engine: Engine? = nil,
        force: Bool = false,
        stale: Int64? = nil
    ) async throws -> (token: String, generation: Int64) {
        let (credentials, generation) = try await (engine ?? self.engine).credentials.credentials(
            of: connection,
            integration: integration,
            forceRefresh: force,
            staleGeneration: stale
        )
        guard case .oauth2(let oauth) = credentials else { throw TerapiError(.serverError, "Not a token.") }
        return (oauth.accessToken.reveal(), generation)
    }
}
