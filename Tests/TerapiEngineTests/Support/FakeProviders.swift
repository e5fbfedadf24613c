import Synchronization
import TerapiCore
import TestSupport

/// Providers without a network: a token endpoint that is as strict as the strictest, and pages that a test makes up.
final class FakeProviders: ProviderAPI {
    typealias Pages = @Sendable (ScriptRequest, ConnectionAccess) async throws -> ScriptResponse

    typealias Answers = @Sendable (ProxyRequest, ConnectionAccess) async throws -> any OutboundAnswer

    private struct State {
        var answers: Answers = { _, _ in GivenAnswer(404) }
        var pages: Pages = { _, _ in ScriptResponse(status: 404, headers: [], body: []) }
        var verificationFailure: TerapiError?
        var duringVerification: (@Sendable () async throws -> Void)?
        var exchanges: [CodeExchange] = []
        var webhooks: [String: ProviderWebhookRule] = [:]
        var form: [Provider.FormField] = []
        var baseURL: String?
        var signsBodies = false
        var refreshConfig: JSONObject = [:]
        var issueFailure: RefreshReply?
        var issueCount = 0
    }

    private let state = Mutex(State())
    private let clock: any WallClock
    let tokens = TokenServer()
    let providers: [Provider]

    init(clock: any WallClock) {
        self.clock = clock
        providers = [
            Self.oauth2("desk", .strict), Self.oauth2("lenient", .fixed),
            Provider(name: "keyed", displayName: "Keyed", authMode: .apiKey),
            Provider(name: "machine", displayName: "Machine", authMode: .oauth2ClientCredentials),
            Self.alias("desk-cloud", of: "desk"), Self.alias("desk-cloud-eu", of: "desk-cloud"),
            Self.alias("other", of: "desk"),
            Provider(name: "app", displayName: "App", authMode: .app),
        ]
    }

    private static func alias(_ name: String, of other: String) -> Provider {
        var provider = oauth2(name, .strict)
        provider.entry = ["alias": .string(other)]
        return provider
    }

    private static func oauth2(_ name: String, _ rotation: Provider.Rotation) -> Provider {
        var oauth2 = Provider.OAuth2(
            authorizationURL: "https://\(name).example/authorize",
            tokenURL: "https://\(name).example/token"
        )
        oauth2.rotation = rotation
        return Provider(name: name, displayName: name, authMode: .oauth2, oauth2: oauth2)
    }

    func answer(_ pages: @escaping Pages) {
        state.withLock { $0.pages = pages }
    }

    /// Answers to requests that come through the proxy.
    func relay(_ answers: @escaping Answers) {
        state.withLock { $0.answers = answers }
    }

    func failVerification(_ error: TerapiError?) {
        state.withLock { $0.verificationFailure = error }
    }

    /// Does something while the next credentials are being tested.
    func duringNextVerification(_ action: @escaping @Sendable () async throws -> Void) {
        state.withLock { $0.duringVerification = action }
    }

    /// The codes that were exchanged.
    var exchanges: [CodeExchange] { state.withLock { $0.exchanges } }

    func provider(_ name: String) -> Provider? {
        var provider = providers.first { $0.name == name }
        provider?.webhook = state.withLock { $0.webhooks[name] }
        provider?.connectionConfig = state.withLock(\.form)
        if let baseURL = state.withLock(\.baseURL) { provider?.proxy.baseURL = baseURL }
        if state.withLock(\.signsBodies) {
            provider?.proxy.headers = [("x-signature", "${sha256Hex(${bodyCanonicalParams})}")]
        }
        return provider
    }

    func setWebhook(_ rule: ProviderWebhookRule, of name: String = "desk") {
        state.withLock { $0.webhooks[name] = rule }
    }

    /// What every provider asks an end user for, and where every provider is then.
    func setForm(_ fields: [Provider.FormField], baseURL: String? = nil) {
        state.withLock { state in
            state.form = fields
            state.baseURL = baseURL
        }
    }

    /// From now on a signature is about the body of each request.
    func signBodies() {
        state.withLock { $0.signsBodies = true }
    }

    /// What a refresh tells about the connection.
    func tellWithRefresh(_ config: JSONObject) {
        state.withLock { $0.refreshConfig = config }
    }

    func beginAuthorization(_ request: AuthorizationRequest) async throws -> BegunAuthorization {
        BegunAuthorization(
            url: "https://\(request.integration.provider).example/authorize?state=\(request.state)",
            notes: AuthorizationNotes(requestToken: Secret("note-1"))
        )
    }

    func exchange(_ exchange: CodeExchange, now: Timestamp) async throws -> NewCredentials {
        state.withLock { $0.exchanges.append(exchange) }
        if let installation = exchange.callbackQuery["installation_id"] {
            return NewCredentials(
                credentials: .derived(
                    DerivedCredentials(mode: .app, given: ["installation_id": .string(installation)])),
                config: ["installation_id": .string(installation)]
            )
        }
        guard exchange.callbackQuery["code"] == "good" else {
            throw TerapiError(.providerError, "The code is not valid.")
        }
        return NewCredentials(
            credentials: .oauth2(
                OAuth2Credentials(
                    accessToken: Secret("access-1"),
                    refreshToken: Secret("refresh-1"),
                    expiresAt: now + .seconds(TokenServer.life)
                )
            ),
            config: ["account": "a-1"]
        )
    }

    /// The next token for what was entered is not got, in this way.
    func failIssue(_ reply: RefreshReply) {
        state.withLock { $0.issueFailure = reply }
    }

    /// How many tokens were asked for with what was entered.
    var issueCount: Int { state.withLock { $0.issueCount } }

    func sendRefresh(_ access: ConnectionAccess) async -> RefreshReply {
        guard case .derived = access.credentials else { return await tokens.refresh(access) }
        return state.withLock { state in
            defer { state.issueFailure = nil }
            if let failure = state.issueFailure { return failure }
            state.issueCount += 1
            let body = Array(#"{"token":"issued-\#(state.issueCount)"}"#.utf8)
            return .answer(RefreshAnswer(status: 200, contentType: "", retryAfter: nil, body: body))
        }
    }

    func readRefresh(_ answer: RefreshAnswer, access: ConnectionAccess, now: Timestamp) -> RefreshResult {
        let json = try? JSONReader.read(answer.body)
        if case .derived(var derived) = access.credentials, let token = json?["token"] {
            derived.issued = ["token": token]
            derived.issuedAt = now
            derived.expiresAt = now + .seconds(TokenServer.life)
            return .refreshed(NewCredentials(credentials: .derived(derived)))
        }
        if let accessToken = json?["access_token"]?.string, (200..<300).contains(answer.status) {
            let life = json?["expires_in"]?.int ?? 3600
            return .refreshed(
                NewCredentials(
                    credentials: .oauth2(
                        OAuth2Credentials(
                            accessToken: Secret(accessToken),
                            refreshToken: json?["refresh_token"]?.string.map { Secret($0) },
                            expiresAt: now + .seconds(life),
                            raw: json ?? .null
                        )
                    ),
                    config: state.withLock(\.refreshConfig)
                )
            )
        }
        switch json?["error"]?.string {
        case "invalid_grant": return .invalidGrant("invalid_grant")
        case "invalid_client": return .invalidClient("invalid_client")
        default:
            let wait = answer.retryAfter.flatMap { RetryAfter.parse($0, now: now) }
            return .retryLater(wait, "The provider answered \(answer.status).")
        }
    }

    func verify(_ access: ConnectionAccess) async throws {
        let action = state.withLock { state in
            defer { state.duringVerification = nil }
            return state.duringVerification
        }
        try await action?()
        if let failure = state.withLock({ $0.verificationFailure }) { throw failure }
    }

    func send(_ request: ScriptRequest, access: ConnectionAccess) async throws -> ScriptResponse {
        try await state.withLock { $0.pages }(request, access)
    }

    func open(_ request: ProxyRequest, access: ConnectionAccess) async throws -> any OutboundAnswer {
        try await state.withLock { $0.answers }(request, access)
    }

    func nextStep(
        after response: ScriptResponse,
        to request: ScriptRequest,
        provider: String,
        attempt: Int,
        now: Timestamp
    ) -> RequestStep {
        switch response.status {
        case 401: return .refreshCredentials
        case 429:
            let header = response.headers.first { $0.name == "retry-after" }?.value
            return .retry(after: header.flatMap { RetryAfter.parse($0, now: now) } ?? .seconds(3 << (attempt - 1)))
        case 500...: return attempt <= request.retries ? .retry(after: .seconds(3)) : .answer
        default: return .answer
        }
    }
}
