public import TerapiCore

// New credentials in place of those that end.
extension ProviderRequests {
    public func sendRefresh(_ access: ConnectionAccess) async -> RefreshReply {
        do {
            let provider = try required(access.integration.provider)
            switch access.credentials {
            case .oauth2(let tokens):
                guard let refreshToken = tokens.refreshToken, let oauth2 = provider.oauth2 else {
                    return .notSent(TerapiError(.invalidCredentials, "The connection has no refresh token."))
                }
                let request = TokenRequest(
                    oauth2: MCPAuthorization.applied(tokens.server, to: oauth2),
                    values: values(access)
                )
                return .answer(DerivedTokens.answer(try await client.send(request.refresh(with: refreshToken))))
            case .derived(let derived):
                var values = values(access)
                if derived.mode == .app {
                    values.connectionConfig["installation_id"] = derived.given["installation_id"]
                }
                let tokens = DerivedTokens(
                    provider: provider,
                    integration: access.integration,
                    values: values,
                    client: client
                )
                return .answer(try await tokens.send(derived))
            default:
                return .notSent(TerapiError(.invalidCredentials, "Credentials of this kind are not renewed."))
            }
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
        guard let provider = catalog.provider(access.integration.provider) else {
            return .retryLater(nil, "The provider \"\(access.integration.provider)\" is not in the catalogue.")
        }
        let ours = access.integration.credentials
        let secrets = access.credentials.allSecrets + [ours?.clientSecret, ours?.app?.privateKey].compactMap(\.self)
        switch access.credentials {
        case .oauth2(let tokens):
            guard let oauth2 = provider.oauth2 else { break }
            return Self.read(answer, tokens, oauth2, secrets: secrets, now: now)
        case .derived(let derived):
            return DerivedTokens.read(answer, for: derived, provider: provider, secrets: secrets, now: now)
        default: break
        }
        return .retryLater(nil, "The connection has no credentials that could be renewed.")
    }

    private static func read(
        _ answer: RefreshAnswer,
        _ tokens: OAuth2Credentials,
        _ oauth2: Provider.OAuth2,
        secrets: [Secret],
        now: Timestamp
    ) -> RefreshResult {
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
}
