public import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
public import TerapiCore

/// The rooms behind the HTTP interface, as it sees them.
public struct APIPorts: Sendable {
    public var settings: any SettingsStorage
    public var connections: any ConnectionStorage
    public var records: any RecordStorage
    public var webhooks: any WebhookStorage
    public var logs: any LogStorage
    public var providers: any ProviderAPI
    public var connectFlow: any ConnectFlow
    public var credentials: any CredentialSource
    public var syncControl: any SyncControl
    public var actionControl: any ActionControl
    public var deployControl: any DeployControl
    public var functionControl: any FunctionControl
    public var proxyControl: any ProxyControl
    public var providerWebhooks: any ProviderWebhookControl
    public var deliveryControl: any DeliveryControl
    public var dryruns: (any DryrunControl)?
    public var clock: any WallClock

    /// - Parameter dryruns: without it, scripts cannot run dry through the socket.
    public init(
        settings: any SettingsStorage,
        connections: any ConnectionStorage,
        records: any RecordStorage,
        webhooks: any WebhookStorage,
        logs: any LogStorage,
        providers: any ProviderAPI,
        connectFlow: any ConnectFlow,
        credentials: any CredentialSource,
        syncControl: any SyncControl,
        actionControl: any ActionControl,
        deployControl: any DeployControl,
        functionControl: any FunctionControl,
        proxyControl: any ProxyControl,
        providerWebhooks: any ProviderWebhookControl,
        deliveryControl: any DeliveryControl,
        dryruns: (any DryrunControl)? = nil,
        clock: any WallClock
    ) {
        self.settings = settings
        self.connections = connections
        self.records = records
        self.webhooks = webhooks
        self.logs = logs
        self.providers = providers
        self.connectFlow = connectFlow
        self.credentials = credentials
        self.syncControl = syncControl
        self.actionControl = actionControl
        self.deployControl = deployControl
        self.functionControl = functionControl
        self.proxyControl = proxyControl
        self.providerWebhooks = providerWebhooks
        self.deliveryControl = deliveryControl
        self.dryruns = dryruns
        self.clock = clock
    }
}

/// What an operator sets about the HTTP interface.
public struct APIConfiguration: Sendable {
    /// Where browsers reach this server, without a slash at the end: `http://localhost:3003`.
    public var publicURL: String
    /// The largest body of a request.
    public var maxBodyBytes: Int
    /// The largest body of a deployment.
    public var maxDeployBytes: Int
    /// How long a connection may stay open without a byte.
    public var idleTimeout: Duration
    /// How long a client may take for the head of its first request.
    public var headTimeout: Duration
    /// How many connections are served at once; others wait to be accepted.
    public var maxConnections: Int
    /// Whether names that callers of Nango use are understood too.
    public var knowsNangoNames: Bool

    public init(
        publicURL: String = "http://localhost:3003",
        maxBodyBytes: Int = 10_000_000,
        maxDeployBytes: Int = 75_000_000,
        idleTimeout: Duration = .seconds(60),
        headTimeout: Duration = .seconds(10),
        maxConnections: Int = 10_000,
        knowsNangoNames: Bool = false
    ) {
        self.publicURL = publicURL.hasSuffix("/") ? String(publicURL.dropLast()) : publicURL
        self.maxBodyBytes = maxBodyBytes
        self.maxDeployBytes = maxDeployBytes
        self.idleTimeout = idleTimeout
        self.headTimeout = headTimeout
        self.maxConnections = maxConnections
        self.knowsNangoNames = knowsNangoNames
    }
}

/// The HTTP interface: the public one on a port, and the operator's on a socket in the data folder.
public struct API: Sendable {
    let ports: APIPorts
    let configuration: APIConfiguration
    let logger: Logger
    let authenticator: Authenticator
    let clients = ClientWatch()
    /// Tells load balancers when to look elsewhere.
    public let readiness: Readiness

    public init(ports: APIPorts, configuration: APIConfiguration = APIConfiguration(), logger: Logger) {
        self.ports = ports
        self.configuration = configuration
        self.logger = logger
        readiness = Readiness(settings: ports.settings)
        authenticator = Authenticator(settings: ports.settings, connections: ports.connections, clock: ports.clock)
    }

    /// The server for customers and their end users. Run it as a service.
    /// - Parameter onRunning: called with the port once connections are accepted; a port of 0 asks for any free one.
    public func makeApplication(
        host: String,
        port: Int,
        onRunning: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) -> some ApplicationProtocol {
        Application(
            responder: responder(routes: publicRoutes),
            server: server,
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: port),
                backlog: 1024,
                availableConnectionsDelegate: MaximumAvailableConnections(configuration.maxConnections)
            ),
            onServerRunning: { channel in await onRunning(channel.localAddress?.port ?? port) },
            logger: logger
        )
    }

    /// The server for commands on this machine.
    ///
    /// It asks for no key: whoever may open the socket may do everything. So it belongs into a folder that only the
    /// operator can enter.
    public func makeAdminApplication(
        socketPath: String,
        onRunning: @escaping @Sendable () async -> Void = {}
    ) -> some ApplicationProtocol {
        Application(
            responder: responder(routes: adminRoutes),
            server: server,
            configuration: ApplicationConfiguration(address: .unixDomainSocket(path: socketPath)),
            onServerRunning: { _ in await onRunning() },
            logger: logger
        )
    }

    func responder(routes: [Route]) -> APIResponder {
        APIResponder(
            routes: RouteTable(routes),
            authenticator: authenticator,
            maxBodyBytes: configuration.maxBodyBytes,
            maxDeployBytes: configuration.maxDeployBytes,
            clock: ports.clock,
            logger: logger
        )
    }

    private var server: HTTPServerBuilder {
        let headTimeout = TimeAmount(configuration.headTimeout)
        let clients = clients
        return .http1(
            configuration: HTTP1Channel.Configuration(
                additionalChannelHandlers: [HeadTimeoutHandler(timeout: headTimeout), ClientWatchHandler(clients)],
                idleTimeout: TimeAmount(configuration.idleTimeout),
                httpDecoderConfiguration: HTTP1Channel.Configuration.DecoderConfiguration(
                    maxHeaderFieldSize: 16_384,
                    maxHeaderListSize: 16_384,
                    maxHeaderFieldCount: 100
                )
            )
        )
    }
}
