public import TerapiCore

// The way of an end user's browser to a provider and back.
extension ProviderRequests {
    public func beginAuthorization(_ request: AuthorizationRequest) async throws -> BegunAuthorization {
        let provider = try required(request.integration.provider)
        var request = request
        request.config = try provider.checkedConfig(request.config)
        var values = values(request.integration, request.config)
        switch provider.authMode {
        case .oauth2:
            guard let oauth2 = provider.oauth2 else { break }
            return BegunAuthorization(url: try Authorization(oauth2: oauth2, values: values).url(request))
        case .mcpOAuth2, .mcpOAuth2Generic:
            let (oauth2, notes) = try await MCPAuthorization(provider: provider, values: values, client: client)
                .prepared(request)
            if let client = notes.client { values.apply(client) }
            return BegunAuthorization(
                url: try Authorization(oauth2: oauth2, values: values).url(request),
                notes: notes
            )
        case .oauth1:
            return try await OAuth1Flow(provider: provider, values: values, client: client).begin(request)
        case .app:
            let page =
                provider.entry["authorization_url"]?.string ?? "${connectionConfig.appPublicLink}/installations/new"
            let url = try URLTemplate(page).render(values)
            return BegunAuthorization(url: ConnectionRequest.adding([("state", request.state)], to: url))
        default: break
        }
        throw TerapiError(.invalidBody, "The provider \"\(provider.name)\" is not connected through a browser.")
    }

    public func exchange(_ exchange: CodeExchange, now: Timestamp) async throws -> NewCredentials {
        let provider = try required(exchange.integration.provider)
        let values = values(exchange.integration, provider.filledConfig(exchange.config), now: now)
        if let error = exchange.callbackQuery["error"], !error.isEmpty {
            let words = [error, exchange.callbackQuery["error_description"]].compactMap(\.self)
            throw TerapiError(
                .providerError,
                "\(provider.displayName) did not authorise: \(words.joined(separator: ": ").prefix(300))."
            )
        }
        switch provider.authMode {
        case .oauth1:
            return try await OAuth1Flow(provider: provider, values: values, client: client).finish(exchange)
        case .app: return try await installed(exchange, provider: provider, now: now)
        default: return try await tokens(exchange, provider: provider, values: values, now: now)
        }
    }

    private func tokens(
        _ exchange: CodeExchange,
        provider: Provider,
        values: TemplateValues,
        now: Timestamp
    ) async throws -> NewCredentials {
        guard let known = provider.oauth2 else {
            throw TerapiError(.invalidDefinition, "The provider \"\(provider.name)\" does not use OAuth 2.")
        }
        try checkIssuer(exchange, provider: provider)
        var values = values
        if let client = exchange.notes.client { values.apply(client) }
        let oauth2 = MCPAuthorization.applied(exchange.notes.server, to: known)
        let code = try code(in: exchange.callbackQuery, oauth2: oauth2, provider: provider)
        let response = try await client.send(
            TokenRequest(oauth2: oauth2, values: values)
                .exchange(code: code, redirectURI: exchange.redirectURI, verifier: exchange.codeVerifier)
        )
        let answer = TokenAnswer(
            status: response.status,
            body: response.body,
            oauth2: oauth2,
            secrets: [Secret(code), exchange.codeVerifier, values.clientSecret].compactMap(\.self)
        )
        guard var tokens = answer.credentials(previous: nil, now: now) else {
            throw TerapiError(
                .providerError,
                "\(provider.displayName) gave no token: \(answer.refusal?.text ?? "it answered \(response.status)")."
            )
        }
        tokens.configOverride = exchange.notes.client
        tokens.server = exchange.notes.server
        var config = answer.metadata(oauth2.tokenResponseMetadata)
        for name in oauth2.redirectURIMetadata {
            if let value = exchange.callbackQuery[name] { config[name] = .string(value) }
        }
        return NewCredentials(credentials: .oauth2(tokens), config: config)
    }

    /// A code of one server must not be shown to another (RFC 9207).
    private func checkIssuer(_ exchange: CodeExchange, provider: Provider) throws {
        guard let issuer = exchange.notes.server?.issuer else { return }
        let named = exchange.callbackQuery["iss"]
        guard named == issuer || named == nil && !exchange.notes.expectsIssuer else {
            throw TerapiError(
                .providerError, "The answer does not come from \(provider.displayName). Please start again.")
        }
    }

    private func code(in query: [String: String], oauth2: Provider.OAuth2, provider: Provider) throws -> String {
        guard let code = query[oauth2.codeParamInCallback], !code.isEmpty else {
            throw TerapiError(.providerError, "\(provider.displayName) sent the browser back without a code.")
        }
        return code
    }

    /// An app has been installed: the number of the installation is all that the browser brings.
    private func installed(_ exchange: CodeExchange, provider: Provider, now: Timestamp) async throws -> NewCredentials
    {
        guard let installation = exchange.callbackQuery["installation_id"],
            (1...64).contains(installation.utf8.count),
            installation.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") })
        else {
            throw TerapiError(
                .providerError,
                exchange.callbackQuery["setup_action"] == "request"
                    ? "The installation waits for an owner's approval. Please connect again once it is approved."
                    : "\(provider.displayName) sent the browser back without an installation."
            )
        }
        var given: JSONObject = ["installation_id": .string(installation)]
        given["app_id"] = exchange.integration.credentials?.app.map { .string($0.id) }
        var config = exchange.config
        config["installation_id"] = .string(installation)
        var new = try await issue(
            ConnectionAccess(
                integration: exchange.integration,
                connectionID: "",
                config: config,
                credentials: .derived(DerivedCredentials(mode: .app, given: given))
            ),
            now: now
        )
        new.config["installation_id"] = .string(installation)
        return new
    }
}

extension TemplateValues {
    mutating func apply(_ override: OAuth2Credentials.ConfigOverride) {
        clientID = override.clientID ?? clientID
        // A client of its own without a secret has none: the integration's is not for that server.
        clientSecret = override.clientID == nil ? override.clientSecret ?? clientSecret : override.clientSecret
    }
}
