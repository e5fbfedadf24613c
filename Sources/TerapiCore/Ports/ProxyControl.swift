/// Sends customers' own requests through connections.
public protocol ProxyControl: Sendable {
    /// Sends a request with the connection's base URL and credentials, again where its caller wants that and it helps.
    ///
    /// Any status of the provider is an answer and not an error. Cancelling the task gives the request up.
    /// - Throws: `TerapiError`: `.unknownProviderConfig`, `.unknownConnection`, `.missingAPIURL`, `.invalidHeaders`,
    ///   `.invalidBody`, `.payloadTooLarge`; `.outboundRefused`, `.baseURLOverrideNotAllowed` and
    ///   `.proxyRedirectToDeniedHost` (the address may not be reached); `.connectionRefreshBackoff` and
    ///   `.connectionRefreshExhausted`; `.tooManyRequests` (the provider has asked for a pause);
    ///   `.providerUnreachable` and `.providerError` (no answer).
    func open(_ request: ProxyRequest) async throws -> any OutboundAnswer
}

/// A request that a customer wants sent through a connection.
public struct ProxyRequest: Sendable {
    public var scope: EnvironmentScope
    public var integrationKey: String
    public var connectionID: String
    /// Its endpoint is path and query as they came. Its body is what is kept of it: all or nothing.
    public var request: ScriptRequest
    /// A body that passes through. A request with such a body can be sent once.
    public var body: ByteFlow?
    /// Whether a compressed answer is to be asked for and decompressed on its way.
    public var decompresses: Bool
    /// Whether a redirect to another origin carries the credentials too.
    public var forwardsHeadersOnRedirect: Bool

    public init(
        scope: EnvironmentScope,
        integrationKey: String,
        connectionID: String,
        request: ScriptRequest,
        body: ByteFlow? = nil,
        decompresses: Bool = false,
        forwardsHeadersOnRedirect: Bool = false
    ) {
        self.scope = scope
        self.integrationKey = integrationKey
        self.connectionID = connectionID
        self.request = request
        self.body = body
        self.decompresses = decompresses
        self.forwardsHeadersOnRedirect = forwardsHeadersOnRedirect
    }
}
