public import Logging
public import ServiceLifecycle
public import TerapiCore

/// Everything that works in the background, put together.
public struct Engine: Sendable {
    /// How many actions with waiting callers run at once in each environment.
    static let maxActions = 500

    public let connector: Connector
    public let credentials: TokenRefresher
    public let syncs: SyncController
    public let syncWorker: SyncWorker
    public let actions: ActionController
    public let actionWorker: ActionWorker
    public let proxy: ProxyController
    public let providerWebhooks: ProviderWebhookController
    public let providerWebhookWorker: ProviderWebhookWorker
    public let webhookRenewer: WebhookRenewer
    public let dryruns: DryrunController
    public let webhookSender: WebhookSender
    public let deliveries: DeliveryController
    public let credentialRefresher: CredentialRefresher
    public let deployments: DeployController
    public let functions: FunctionController

    /// - Parameters:
    ///   - publicURL: where browsers reach the server, without a slash at the end.
    ///   - maxRuns: how many syncs run at once.
    ///   - templates: the scripts that ship.
    public init(
        settings: any SettingsStorage,
        connections: any ConnectionStorage,
        records: any RecordStorage,
        syncs: any SyncStorage,
        actions: any ActionStorage,
        deliveries: any WebhookStorage,
        incoming: any ProviderWebhookStorage,
        providers: any ProviderAPI,
        deployments: any DeploymentStorage,
        scripts: any ScriptRuntime,
        workshop: any ScriptWorkshop,
        client: any OutboundClient,
        spool: RefreshSpool,
        catalog: ScriptCatalog,
        log: any LogSink,
        clock: any WallClock,
        logger: Logger,
        publicURL: String,
        maxRuns: Int,
        templates: [ShippedScript] = []
    ) {
        let bootID = randomUUID()
        let webhookWakeUp = WakeUp()
        let composer = WebhookComposer(settings: settings)
        let refresher = TokenRefresher(
            settings: settings,
            connections: connections,
            providers: providers,
            spool: spool,
            composer: composer,
            log: log,
            clock: clock,
            logger: logger,
            bootID: bootID,
            webhookWakeUp: webhookWakeUp
        )
        let services = EngineServices(
            settings: settings,
            connections: connections,
            records: records,
            syncs: syncs,
            actions: actions,
            deliveries: deliveries,
            incoming: incoming,
            providers: providers,
            scripts: scripts,
            client: client,
            log: log,
            clock: clock,
            logger: logger,
            publicURL: publicURL,
            bootID: bootID,
            catalog: catalog,
            credentials: refresher,
            webhooks: composer,
            gate: ConnectionGate(clock: clock),
            locks: ScriptLocks(clock: clock),
            syncWakeUp: WakeUp(),
            actionWakeUp: WakeUp(),
            webhookWakeUp: webhookWakeUp
        )
        credentials = refresher
        connector = Connector(services: services)
        self.syncs = SyncController(services: services)
        syncWorker = SyncWorker(services: services, maxRuns: maxRuns)
        self.actions = ActionController(
            services: services,
            admission: Admission(limit: Self.maxActions, patience: .seconds(30), clock: clock)
        )
        actionWorker = ActionWorker(services: services)
        proxy = ProxyController(services: services)
        providerWebhooks = ProviderWebhookController(services: services)
        providerWebhookWorker = ProviderWebhookWorker(services: services)
        webhookRenewer = WebhookRenewer(services: services)
        dryruns = DryrunController(services: services)
        webhookSender = WebhookSender(services: services)
        self.deliveries = DeliveryController(services: services)
        credentialRefresher = CredentialRefresher(services: services)
        let deployer = DeployController(services: services, storage: deployments, workshop: workshop)
        self.deployments = deployer
        functions = FunctionController(
            services: services, deployments: deployer, workshop: workshop, templates: templates
        )
    }

    /// The parts that run as long as the server does.
    public var parts: [any Service] {
        [
            syncWorker, actionWorker, webhookSender, credentialRefresher, functions.worker, providerWebhookWorker,
            webhookRenewer,
        ]
    }

    /// Settles what the last process left behind; before the server is ready.
    public func prepare() async throws {
        try await credentials.replaySpool()
        try await webhookSender.recover()
        try await actionWorker.recover()
        try await deployments.load()
    }
}
