import Logging
import ServiceLifecycle
import TerapiAPI
import TerapiCore
import TerapiEngine
import TerapiProviders
import TerapiSQLite
import TerapiScripts
import TerapiStorage
import TerapiTemplates
import UnixSignals

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// One running installation: every room, wired by hand.
struct Server: Sendable {
    /// What a first start made: the name of each environment and its API key.
    typealias FirstKeys = [(environment: String, key: Secret)]

    let services: [any Service]
    let firstKeys: FirstKeys

    private let close: @Sendable () async -> Void

    /// Opens the data folder and prepares everything; nothing runs before the services do.
    /// - Parameters:
    ///   - lock: held as long as the server lives.
    ///   - workbench: what is told to who works on the integrations; then mistakes in them do not keep the server from
    ///     starting.
    ///   - onListening: is told the port once requests are answered.
    static func open(
        _ settings: Settings,
        folder: DataFolder,
        lock: DataFolderLock,
        logger: Logger,
        workbench: Workbench? = nil,
        onListening: @escaping @Sendable (Int) async -> Void
    ) async throws -> Server {
        let clock = SystemClock()

        // What is kept
        let box = SecretBox(current: try folder.encryptionKey(configured: settings.encryptionKey))
        let database = try SQLiteDatabase(path: folder.databasePath)
        let storage = try await SQLStorage(database, box: box, clock: clock)
        let logDatabase = try SQLiteDatabase(path: folder.logDatabasePath, durability: .normal, readers: 1)
        let logStorage = try await SQLLogStorage(logDatabase, now: clock.now)
        let spool = try RefreshSpool(folder: folder.refreshSpoolPath, box: box)

        // What reaches out
        let outboundGuard = OutboundGuard(allowed: settings.outboundAllow.compactMap(CIDR.init))
        let client = ProviderClient(guardedBy: outboundGuard)
        let providerTraces = settings.providersPath.map { ProviderFolder($0).traces() } ?? [:]
        let shelf = CatalogShelf(try ProviderCatalog.load(settings.providersPath))
        shelf.current.logWarnings(to: logger)
        let providers = ProviderRequests(shelf: shelf, client: client, clock: clock)
        let providersWatcher = settings.providersPath.map { path in
            ProvidersWatcher(path, seen: providerTraces, shelf: shelf, clock: clock, logger: logger)
        }

        // What scripts run in
        let scripts = ScriptHost(
            executable: try Executable.path(),
            arguments: [ScriptHostProcess.argument],
            limits: ScriptLimits(
                turn: .seconds(settings.scriptTurnSeconds),
                memoryBytes: settings.scriptMemoryMegabytes << 20
            ),
            onRefusedWalls: { logger.debug("This system refuses script hosts: \($0).") }
        )
        let integrations = settings.integrationsFolder.map { IntegrationsFolder($0, esbuild: settings.esbuildPath) }
        let traces = integrations?.traces() ?? [:]
        let catalog = ScriptCatalog(try await definitions(of: integrations, host: scripts, report: workbench?.report))

        let workshop = HostWorkshop(
            host: scripts,
            mapsFolder: folder.scriptMapsPath,
            packagesFolder: settings.integrationsFolder ?? ".",
            environment: ProcessInfo.processInfo.environment,
            esbuild: settings.esbuildPath
        )
        workshop.removeOldMaps()

        // What works in the background
        let log = LogWriter(storage: logStorage, clock: clock, logger: logger)
        let sink: any LogSink = if let workbench { BothLogs(log, workbench.log) } else { log }
        let engine = Engine(
            settings: storage,
            connections: storage,
            records: storage,
            syncs: storage,
            actions: storage,
            deliveries: storage,
            incoming: storage,
            providers: providers,
            deployments: storage,
            scripts: scripts,
            workshop: workshop,
            client: client,
            spool: spool,
            catalog: catalog,
            log: sink,
            clock: clock,
            logger: logger,
            publicURL: settings.publicURL,
            maxRuns: settings.maxSyncRuns,
            templates: ShippedTemplates.all
        )
        try await engine.prepare()
        // Behind what the engine has settled: this is about the rest.
        await log.runOnce()
        try await logStorage.endInterrupted(now: clock.now)
        let watcher = integrations.map { folder in
            IntegrationsWatcher(
                folder, seen: traces, host: scripts, clock: clock, logger: logger, report: workbench?.report
            ) { definitions in
                try await engine.deployments.replaceFolder(with: definitions)
            }
        }

        // What answers
        let api = API(
            ports: APIPorts(
                settings: storage,
                connections: storage,
                records: storage,
                webhooks: storage,
                logs: logStorage,
                providers: providers,
                connectFlow: engine.connector,
                credentials: engine.credentials,
                syncControl: engine.syncs,
                actionControl: engine.actions,
                deployControl: engine.deployments,
                functionControl: engine.functions,
                proxyControl: engine.proxy,
                providerWebhooks: engine.providerWebhooks,
                deliveryControl: engine.deliveries,
                dryruns: engine.dryruns,
                clock: clock
            ),
            configuration: APIConfiguration(
                publicURL: settings.publicURL,
                knowsNangoNames: settings.compatibility == "nango"
            ),
            logger: logger
        )
        let firstKeys = try await firstStart(storage, folder: folder, now: clock.now)
        return Server(
            services: [
                log,
                api.makeAdminApplication(socketPath: try folder.freshSocketPath()),
            ] + engine.parts + [
                api.makeApplication(host: settings.host, port: settings.port, onRunning: onListening),
                api.readiness,
            ] + ([watcher, providersWatcher] as [(any Service)?]).compactMap { $0 },
            firstKeys: firstKeys,
            close: {
                scripts.stop()
                await client.close()
                await storage.close()
                await logStorage.close()
                withExtendedLifetime(lock) {}
            }
        )
    }

    /// Runs until the graceful shutdown, then closes what was opened.
    /// - Parameter others: run beside the server and stop with it.
    func run(with others: [any Service] = [], stopSignals: [UnixSignal] = [.sigterm, .sigint], logger: Logger)
        async throws
    {
        var configuration = ServiceGroupConfiguration(
            services: (others + services).map {
                // A part that ends by itself is an error everywhere but at the end of the demo's story.
                .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup)
            },
            gracefulShutdownSignals: stopSignals,
            logger: logger
        )
        configuration.maximumGracefulShutdownDuration = .seconds(15)
        let ending = await Result(catching: { try await ServiceGroup(configuration: configuration).run() })
        await close()
        try ending.get()
    }

    private static func definitions(
        of folder: IntegrationsFolder?,
        host: ScriptHost,
        report: IntegrationsReport?
    ) async throws -> ScriptDefinitions {
        guard let folder else { return ScriptDefinitions() }
        guard let report else { return try await folder.load(host: host) }
        return await report.loading { try await folder.load(host: host, checksExpressions: true) }
            ?? ScriptDefinitions()
    }

    /// Makes the environments and a key for each when there is none yet.
    private static func firstStart(
        _ storage: SQLStorage,
        folder: DataFolder,
        now: Timestamp
    ) async throws -> FirstKeys {
        guard try await storage.environments().isEmpty else { return [] }
        var keys: FirstKeys = []
        for name in ["dev", "prod"] {
            let environment = try await storage.createEnvironment(
                name: name,
                signingKey: WebhookSignature.newSecret(),
                now: now
            )
            let token = Token.random(.apiKey)
            _ = try await storage.createAPIKey(
                displayName: "First key",
                scopes: Set(APIScope.allCases),
                tokenHash: token.hash,
                in: environment.scope,
                now: now
            )
            keys.append((name, token.text))
        }
        try folder.write(
            keys.map { "\($0.environment) \($0.key.reveal())\n" }.joined(),
            to: folder.apiKeysPath
        )
        return keys
    }
}

/// Where somebody works on integrations while the server runs.
struct Workbench: Sendable {
    var report: IntegrationsReport
    /// Gets what the log gets, at once.
    var log: any LogSink
}

private struct BothLogs: LogSink {
    let first: any LogSink
    let second: any LogSink

    init(_ first: any LogSink, _ second: any LogSink) {
        self.first = first
        self.second = second
    }

    func record(_ operation: LogOperation) {
        first.record(operation)
        second.record(operation)
    }

    func record(_ message: LogMessage) {
        first.record(message)
        second.record(message)
    }
}

extension Result where Failure == any Error {
    fileprivate init(catching body: () async throws -> Success) async {
        do {
            self = .success(try await body())
        } catch {
            self = .failure(error)
        }
    }
}
