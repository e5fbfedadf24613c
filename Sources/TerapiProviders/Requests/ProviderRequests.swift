public import TerapiCore

/// What can be asked of the providers of the catalogue, through one client.
public struct ProviderRequests: ProviderAPI {
    private let shelf: CatalogShelf
    let client: any OutboundClient
    private let clock: any WallClock

    public init(catalog: ProviderCatalog, client: any OutboundClient, clock: any WallClock) {
        self.init(shelf: CatalogShelf(catalog), client: client, clock: clock)
    }

    public init(shelf: CatalogShelf, client: any OutboundClient, clock: any WallClock) {
        self.shelf = shelf
        self.client = client
        self.clock = clock
    }

    private var catalog: ProviderCatalog { shelf.current }

    public var providers: [Provider] { catalog.providers }

    public func provider(_ name: String) -> Provider? {
        catalog.provider(name)
    }

    // MARK: Authorization

    public func authorizationURL(_ request: AuthorizationRequest) throws -> String {
        let provider = try required(request.integration.provider)
        guard let oauth2 = provider.oauth2, provider.authMode == .oauth2 else {
            throw TerapiError(.invalidBody, "The provider \"\(provider.name)\" does not use OAuth 2.")
        }
        var request = request
        request.config = try provider.checkedConfig(request.config)
        return try Authorization(oauth2: oauth2, values: values(request.integration, request.config)).url(request)
    }

    public func exchange(_ exchange: CodeExchange, now: Timestamp) async throws -> NewCredentials {
        let provider = try required(exchange.integration.provider)
        let values = values(exchange.integration, provider.filledConfig(exchange.config), now: now)
        let request = try TokenRequest(provider: provider, values: values)
        let code = try code(in: exchange.callbackQuery, oauth2: request.oauth2, provider: provider)
        let response = try await client.send(
            request.exchange(code: code, redirectURI: exchange.redirectURI, verifier: exchange.codeVerifier)
        )
        let answer = TokenAnswer(
            status: response.status,
            body: response.body,
            oauth2: request.oauth2,
            secrets: [Secret(code), exchange.codeVerifier, values.clientSecret].compactMap(\.self)
        )
        guard let credentials = answer.credentials(previous: nil, now: now) else {
            throw TerapiError(
                .providerError,
                "\(provider.displayName) gave no token: \(answer.refusal?.text ?? "it answered \(response.status)")."
            )
        }
        var config = answer.metadata(request.oauth2.tokenResponseMetadata)
        for name in request.oauth2.redirectURIMetadata {
            if let value = exchange.callbackQuery[name] { config[name] = .string(value) }
        }
        return NewCredentials(credentials: .oauth2(credentials), config: config)
    }

    private func code(
        in query: [String: String],
        oauth2: Provider.OAuth2,
        provider: Provider
    ) throws -> String {
        if let error = query["error"], !error.isEmpty {
            let words = [error, query["error_description"]].compactMap(\.self).joined(separator: ": ").prefix(300)
            throw TerapiError(.providerError, "\(provider.displayName) did not authorise: \(words).")
        }
        guard let code = query[oauth2.codeParamInCallback], !code.isEmpty else {
            throw TerapiError(.providerError, "\(provider.displayName) sent the browser back without a code.")
        }
        return code
    }

    // MARK: Refresh

    public func sendRefresh(_ access: ConnectionAccess) async -> RefreshReply {
        do {
            let request = try TokenRequest(
                provider: required(access.integration.provider),
                values: values(access)
            )
            guard case .oauth2(let tokens) = access.credentials, let refreshToken = tokens.refreshToken else {
                return .notSent(TerapiError(.invalidCredentials, "The connection has no refresh token."))
            }
            let response = try await client.send(request.refresh(with: refreshToken))
            return .answer(
                RefreshAnswer(
                    status: response.status,
                    contentType: response.header("content-type") ?? "",
                    retryAfter: response.header("retry-after"),
                    body: response.body
                )
            )
        } catch {
            let problem =
                error as? TerapiError
                ?? TerapiError(.providerUnreachable, "The refresh was given up.", cause: error)
            let isSent = OutboundFailure.outcome(of: error) == .unknown && !Self.isOurs(problem)
            return isSent ? .unknown(problem) : .notSent(problem)
        }
    }

    /// Errors that come up before anything is sent.
    private static func isOurs(_ error: TerapiError) -> Bool {
        switch error.code {
        case .invalidBody, .invalidDefinition, .unknownProvider: true
        default: false
        }
    }

    public func readRefresh(_ answer: RefreshAnswer, access: ConnectionAccess, now: Timestamp) -> RefreshResult {
        guard let oauth2 = catalog.provider(access.integration.provider)?.oauth2 else {
            return .retryLater(nil, "The provider \"\(access.integration.provider)\" is not in the catalogue.")
        }
        guard case .oauth2(let tokens) = access.credentials else {
            return .retryLater(nil, "The connection has no OAuth 2 credentials.")
        }
        let secrets = access.credentials.allSecrets + [access.integration.credentials?.clientSecret].compactMap(\.self)
        let read = TokenAnswer(status: answer.status, body: answer.body, oauth2: oauth2, secrets: secrets)
        if let credentials = read.credentials(previous: tokens, now: now) {
            return .refreshed(
                NewCredentials(
                    credentials: .oauth2(credentials),
                    config: read.metadata(oauth2.refreshTokenResponseMetadata)
                )
            )
        }
        let text = read.refusal?.text ?? "it answered \(answer.status) without a token"
        let wait = answer.retryAfter.flatMap { RetryRule.wait($0, now: now) }
        if answer.status == 429 || answer.status >= 500 { return .retryLater(wait, text) }
        if read.isRefusedGrant { return .invalidGrant(text) }
        // An unexplained 401 speaks of the client: only a clear word about the grant condemns a connection.
        if read.isRefusedClient || answer.status == 401 && read.refusal == nil { return .invalidClient(text) }
        return .retryLater(wait, text)
    }

    // MARK: Requests

    public func verify(_ access: ConnectionAccess) async throws {
        let provider = try required(access.integration.provider)
        guard let verification = provider.proxy.verification, !verification.endpoints.isEmpty else { return }
        let builder = ConnectionRequest(provider: provider, values: values(access))
        var problem = TerapiError(.connectionTestFailed, "")
        for endpoint in verification.endpoints {
            let request = ScriptRequest(
                method: verification.method,
                endpoint: endpoint,
                headers: verification.headers,
                body: verification.data?.encoded()
            )
            do {
                let response = try await client.send(
                    builder.build(
                        request,
                        purpose: .verification,
                        baseURLOverride: verification.baseURLOverride,
                        timeout: .seconds(30)
                    )
                )
                if response.status < 400 { return }
                problem = TerapiError(
                    .connectionTestFailed,
                    "\(provider.displayName) refused the credentials: it answered \(response.status).",
                    payload: ["status": JSONValue(response.status)]
                )
            } catch let error as TerapiError where ![.invalidBody, .missingAPIURL].contains(error.code) {
                problem = TerapiError(
                    .connectionTestFailed,
                    "The credentials could not be tested: \(error.message)",
                    cause: error
                )
            }
        }
        throw problem
    }

    public func send(_ request: ScriptRequest, access: ConnectionAccess) async throws -> ScriptResponse {
        let provider = try required(access.integration.provider)
        let response = try await client.send(
            ConnectionRequest(provider: provider, values: values(access)).build(request, purpose: .script)
        )
        return ScriptResponse(status: response.status, headers: response.headers, body: response.body)
    }

    public func nextStep(
        after response: ScriptResponse,
        to request: ScriptRequest,
        provider: String,
        attempt: Int,
        now: Timestamp
    ) -> RequestStep {
        let retry = catalog.provider(provider)?.proxy.retry ?? Provider.Retry()
        return RetryRule(retry: retry).step(after: response, to: request, attempt: attempt, now: now)
    }

    // MARK: Values

    func required(_ name: String) throws -> Provider {
        guard let provider = catalog.provider(name) else {
            throw TerapiError(.unknownProvider, "The provider \"\(name)\" is not in the catalogue.")
        }
        return provider
    }

    private func values(
        _ integration: Integration,
        _ config: JSONObject,
        now: Timestamp? = nil
    ) -> TemplateValues {
        TemplateValues(
            connectionConfig: config,
            integrationConfig: integration.custom,
            clientID: integration.credentials?.clientID,
            clientSecret: integration.credentials?.clientSecret,
            now: now ?? clock.now
        )
    }

    func values(_ access: ConnectionAccess) -> TemplateValues {
        let config = catalog.provider(access.integration.provider)?.filledConfig(access.config) ?? access.config
        var values = values(access.integration, config)
        values.metadata = access.metadata
        values.credentials = access.credentials
        if case .oauth2(let tokens) = access.credentials, let override = tokens.configOverride {
            values.clientID = override.clientID ?? values.clientID
            values.clientSecret = override.clientSecret ?? values.clientSecret
        }
        return values
    }
}
