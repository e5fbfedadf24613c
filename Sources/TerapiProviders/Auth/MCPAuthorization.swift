import TerapiCore

/// OAuth 2 as servers of the Model Context Protocol speak it: the server may be found, and a client registered, only when
/// somebody connects.
struct MCPAuthorization {
    let provider: Provider
    let values: TemplateValues
    let client: any OutboundClient

    /// What is needed to send a browser there: the addresses, and the client that we are to that server.
    func prepared(_ request: AuthorizationRequest) async throws -> (oauth2: Provider.OAuth2, notes: AuthorizationNotes)
    {
        var oauth2 = provider.oauth2 ?? Provider.OAuth2(authorizationURL: "", tokenURL: "")
        var notes = AuthorizationNotes()
        var registration = oauth2.registration ?? Provider.ClientRegistration(kind: .dynamic)
        var authentications: [String] = []
        if provider.authMode == .mcpOAuth2Generic {
            guard let base = provider.proxy.baseURL else {
                throw TerapiError(.invalidDefinition, "The provider \"\(provider.name)\" has no proxy.base_url.")
            }
            let server = try await AuthorizationServer.discovered(
                from: try URLTemplate(base).render(values),
                through: client
            )
            oauth2.authorizationURL = server.authorizationURL
            oauth2.tokenURL = server.tokenURL
            notes.server = .init(issuer: server.issuer, tokenURL: server.tokenURL, resource: server.resource)
            notes.expectsIssuer = server.namesItself
            authentications = server.clientAuthentications
            registration.url = registration.url ?? server.registrationURL
        } else {
            notes.server = .init(tokenURL: try URLTemplate(oauth2.tokenURL).render(values))
        }
        switch registration.kind {
        case .fixed: break
        case .document: notes.client = .init(clientID: request.clientDocumentURL)
        case .dynamic:
            let (client, authentication) = try await registered(registration, authentications, request, oauth2)
            notes.client = client
            notes.server?.clientAuthentication = authentication
        }
        return (Self.applied(notes.server, to: oauth2), notes)
    }

    /// The provider's ways with what was found out for one connection in their place.
    static func applied(_ server: OAuth2Credentials.Server?, to oauth2: Provider.OAuth2) -> Provider.OAuth2 {
        guard let server else { return oauth2 }
        var oauth2 = oauth2
        // Already complete: nothing in it is a placeholder.
        oauth2.tokenURL = server.tokenURL
        if server.issuer != nil { oauth2.refreshURL = nil }
        if let resource = server.resource {
            oauth2.authorizationParams.append(("resource", resource))
            oauth2.tokenParams.append(("resource", .string(resource)))
            oauth2.refreshParams?.append(("resource", .string(resource)))
        }
        if server.clientAuthentication == "client_secret_basic" { oauth2.clientAuthentication = .basic }
        return oauth2
    }

    /// RFC 7591.
    private func registered(
        _ registration: Provider.ClientRegistration,
        _ authentications: [String],
        _ request: AuthorizationRequest,
        _ oauth2: Provider.OAuth2
    ) async throws -> (OAuth2Credentials.ConfigOverride, authentication: String?) {
        guard let url = registration.url else {
            throw TerapiError(
                .providerError,
                "\(provider.displayName) lets no client register by itself, and the integration has none of its own."
            )
        }
        let isPublic = authentications.isEmpty || authentications.contains("none")
        let usesBody = authentications.contains("client_secret_post")
        var body: JSONObject = [
            "client_name": "Terapi", "redirect_uris": [.string(request.redirectURI)],
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "token_endpoint_auth_method": isPublic ? "none" : usesBody ? "client_secret_post" : "client_secret_basic",
        ]
        let scopes = Authorization.scopes(
            of: oauth2.defaultScopes, integration: request.integration, config: request.config
        )
        if !scopes.isEmpty { body["scope"] = .string(scopes.joined(separator: " ")) }
        body = body.merging(registration.params)
        let response = try await client.send(
            AuthorizationServer.request(
                "POST", try URLTemplate(url).render(values), body: JSONValue.object(body).encoded()
            )
        )
        let answer = try? JSONReader.read(response.body, limits: JSONReader.Limits(maxDepth: 32, maxNodes: 10_000))
        guard (200..<300).contains(response.status), let clientID = answer?["client_id"]?.string, !clientID.isEmpty
        else {
            let words =
                answer?["error_description"]?.string ?? answer?["error"]?.string ?? "it answered \(response.status)"
            throw TerapiError(
                .providerError,
                "\(provider.displayName) did not register a client: \(words.prefix(300))."
            )
        }
        let secret = answer?["client_secret"]?.string.flatMap { $0.isEmpty ? nil : Secret($0) }
        return (
            .init(clientID: clientID, clientSecret: secret), answer?["token_endpoint_auth_method"]?.string
        )
    }
}
