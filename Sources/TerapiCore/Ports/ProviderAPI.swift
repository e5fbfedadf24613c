/// What can be asked of external APIs. Everything here that leaves the process goes through the guarded client.
public protocol ProviderAPI: Sendable {
    var providers: [Provider] { get }
    func provider(_ name: String) -> Provider?

    /// Where to send the end user's browser. Some modes ask the provider first.
    /// - Throws: `TerapiError(.invalidBody)` when a field that the address needs is missing or not allowed there,
    ///   `.providerError` with the provider's own words.
    func beginAuthorization(_ request: AuthorizationRequest) async throws -> BegunAuthorization

    /// Turns what the callback brings into credentials.
    /// - Throws: `TerapiError(.providerError)` with the provider's own words.
    func exchange(_ exchange: CodeExchange, now: Timestamp) async throws -> NewCredentials

    /// Asks for new credentials in place of the connection's, and does nothing with the answer but bring it. Where it
    /// takes several requests, the answer is the last one's; where it takes none, it is made here.
    func sendRefresh(_ access: ConnectionAccess) async -> RefreshReply

    /// What an answer to a refresh means. Pure, so that an answer kept on disk can be read again after a crash.
    func readRefresh(_ answer: RefreshAnswer, access: ConnectionAccess, now: Timestamp) -> RefreshResult

    /// Asks the provider whether credentials work; returns at once when it has no such request.
    /// - Throws: `TerapiError(.connectionTestFailed)`.
    func verify(_ access: ConnectionAccess) async throws

    /// Sends a request of a script with the connection's base URL and credentials, once, without any retry.
    func send(_ request: ScriptRequest, access: ConnectionAccess) async throws -> ScriptResponse

    /// Sends a customer's request with the connection's base URL and credentials, once, without any retry.
    func open(_ request: ProxyRequest, access: ConnectionAccess) async throws -> any OutboundAnswer

    /// What to do about an answer to a script's request.
    func nextStep(
        after response: ScriptResponse,
        to request: ScriptRequest,
        provider: String,
        attempt: Int,
        now: Timestamp
    ) -> RequestStep
}

extension ProviderAPI {
    /// Gets what goes with credentials that an end user has just entered.
    /// - Throws: `TerapiError(.connectionTestFailed)` with the provider's own words.
    public func issue(_ access: ConnectionAccess, now: Timestamp) async throws -> NewCredentials {
        switch await sendRefresh(access) {
        case .notSent(let error), .unknown(let error): throw error
        case .answer(let answer):
            switch readRefresh(answer, access: access, now: now) {
            case .refreshed(let new): return new
            case .invalidGrant(let words), .invalidClient(let words), .retryLater(_, let words):
                throw TerapiError(
                    .connectionTestFailed,
                    "The provider gave no token for these credentials: \(words)",
                    payload: ["status": JSONValue(answer.status)]
                )
            }
        }
    }
}

/// Everything that a request in the name of a connection needs.
public struct ConnectionAccess: Sendable {
    public var integration: Integration
    public var connectionID: String
    public var config: JSONObject
    public var metadata: JSONObject?
    public var credentials: Credentials

    public init(
        integration: Integration,
        connectionID: String,
        config: JSONObject,
        metadata: JSONObject? = nil,
        credentials: Credentials
    ) {
        self.integration = integration
        self.connectionID = connectionID
        self.config = config
        self.metadata = metadata
        self.credentials = credentials
    }
}

public struct AuthorizationRequest: Sendable {
    public var integration: Integration
    public var config: JSONObject
    public var redirectURI: String
    public var state: String
    /// `nil` when the provider is to get no PKCE challenge.
    public var codeVerifier: Secret?
    public var userScopes: [String]
    public var authorizationParams: [String: String]
    /// Where a document about us as an OAuth client can be read by anyone.
    public var clientDocumentURL: String

    public init(
        integration: Integration,
        config: JSONObject,
        redirectURI: String,
        state: String,
        codeVerifier: Secret?,
        userScopes: [String] = [],
        authorizationParams: [String: String] = [:],
        clientDocumentURL: String = ""
    ) {
        self.integration = integration
        self.config = config
        self.redirectURI = redirectURI
        self.state = state
        self.codeVerifier = codeVerifier
        self.userScopes = userScopes
        self.authorizationParams = authorizationParams
        self.clientDocumentURL = clientDocumentURL
    }
}

public struct BegunAuthorization: Sendable {
    public var url: String
    public var notes: AuthorizationNotes

    public init(url: String, notes: AuthorizationNotes = AuthorizationNotes()) {
        self.url = url
        self.notes = notes
    }
}

public struct CodeExchange: Sendable {
    public var integration: Integration
    public var config: JSONObject
    public var redirectURI: String
    public var codeVerifier: Secret?
    /// Every query parameter of the callback, `code` among them.
    public var callbackQuery: [String: String]
    public var notes: AuthorizationNotes

    public init(
        integration: Integration,
        config: JSONObject,
        redirectURI: String,
        codeVerifier: Secret?,
        callbackQuery: [String: String],
        notes: AuthorizationNotes = AuthorizationNotes()
    ) {
        self.integration = integration
        self.config = config
        self.redirectURI = redirectURI
        self.codeVerifier = codeVerifier
        self.callbackQuery = callbackQuery
        self.notes = notes
    }
}

public struct NewCredentials: Sendable {
    public var credentials: Credentials
    /// What callback and token answer add to the connection's config.
    public var config: JSONObject

    public init(credentials: Credentials, config: JSONObject = [:]) {
        self.credentials = credentials
        self.config = config
    }
}

/// An answer to a refresh as it came: kept on disk, sealed, before anything else is done with it.
public struct RefreshAnswer: Sendable, Equatable {
    public var status: Int
    public var contentType: String
    public var retryAfter: String?
    public var body: [UInt8]
    /// Those that the provider file wants kept with the token.
    public var headers: [String: String]

    public init(
        status: Int,
        contentType: String,
        retryAfter: String?,
        body: [UInt8],
        headers: [String: String] = [:]
    ) {
        self.status = status
        self.contentType = contentType
        self.retryAfter = retryAfter
        self.body = body
        self.headers = headers
    }
}

/// What came of sending a refresh.
public enum RefreshReply: Sendable {
    case answer(RefreshAnswer)
    /// Nothing has left: the old token is as good as before.
    case notSent(TerapiError)
    /// It was sent and no answer came: the provider may have rotated the token.
    case unknown(TerapiError)
}

public enum RefreshResult: Sendable {
    case refreshed(NewCredentials)
    /// The provider says that the token is not valid (any more).
    case invalidGrant(String)
    /// The integration's own client id or secret is wrong: no connection's fault.
    case invalidClient(String)
    case retryLater(Duration?, String)
}

public enum RequestStep: Sendable, Equatable {
    /// Hand the answer to the script.
    case answer
    /// Wait, also with other requests of this connection, then send again.
    case retry(after: Duration)
    /// The credentials may be stale.
    case refreshCredentials
}
