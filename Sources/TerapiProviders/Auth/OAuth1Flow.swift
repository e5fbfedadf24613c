import TerapiCore

/// The three legs of OAuth 1 (RFC 5849, section 2): a temporary token, the end user's consent, the token.
struct OAuth1Flow {
    let provider: Provider
    let oauth1: Provider.OAuth1
    let values: TemplateValues
    let client: any OutboundClient

    init(provider: Provider, values: TemplateValues, client: any OutboundClient) throws {
        guard let oauth1 = provider.oauth1 else {
            throw TerapiError(.invalidDefinition, "The provider \"\(provider.name)\" does not use OAuth 1.")
        }
        self.provider = provider
        self.oauth1 = oauth1
        self.values = values
        self.client = client
    }

    func begin(_ request: AuthorizationRequest) async throws -> BegunAuthorization {
        // OAuth 1 knows no state: it travels in the address of the callback.
        let callback = request.redirectURI + "?" + PercentEncoding.query([("state", request.state)])
        let answer = try await ask(
            oauth1.requestURL,
            params: oauth1.requestParams,
            signing: [("oauth_callback", callback)]
        )
        guard let token = answer["oauth_token"], let secret = answer["oauth_token_secret"] else {
            throw TerapiError(.providerError, "\(provider.displayName) gave no temporary token.")
        }
        // Without this word the server has not taken in where it may send the browser (RFC 5849, section 2.1).
        guard answer["oauth_callback_confirmed"] == "true" else {
            throw TerapiError(
                .providerError,
                "\(provider.displayName) did not confirm the callback: it speaks an old and unsafe form of OAuth 1."
            )
        }
        var params: [(name: String, value: String)] = [("oauth_token", token)]
        // Only the file's own are templates: what a browser sends must not be able to name a secret.
        let own = request.authorizationParams.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
        for param in rendered(oauth1.authorizationParams) + own {
            guard !param.name.hasPrefix("oauth_") else { continue }
            params.removeAll { $0.name == param.name }
            params.append((param.name, param.value))
        }
        let url = ConnectionRequest.adding(params, to: try URLTemplate(oauth1.authorizationURL).render(values))
        return BegunAuthorization(
            url: url,
            notes: AuthorizationNotes(requestToken: Secret(token), requestTokenSecret: Secret(secret))
        )
    }

    func finish(_ exchange: CodeExchange) async throws -> NewCredentials {
        let query = exchange.callbackQuery
        guard query["denied"] == nil else {
            throw TerapiError(.providerError, "\(provider.displayName) did not authorise: the access was not allowed.")
        }
        guard let verifier = query["oauth_verifier"], !verifier.isEmpty else {
            throw TerapiError(.providerError, "\(provider.displayName) sent the browser back without a verifier.")
        }
        guard let requestToken = exchange.notes.requestToken, query["oauth_token"].map(Secret.init) == requestToken
        else {
            throw TerapiError(.providerError, "The answer belongs to another authorization. Please start again.")
        }
        let answer = try await ask(
            oauth1.tokenURL,
            params: oauth1.tokenParams,
            token: requestToken,
            tokenSecret: exchange.notes.requestTokenSecret,
            signing: [("oauth_verifier", verifier)]
        )
        guard let token = answer["oauth_token"], let secret = answer["oauth_token_secret"] else {
            throw TerapiError(.providerError, "\(provider.displayName) gave no token.")
        }
        let raw = JSONValue(answer)
        return NewCredentials(
            credentials: .oauth1(OAuth1Credentials(token: Secret(token), tokenSecret: Secret(secret), raw: raw))
        )
    }

    private func ask(
        _ url: String,
        params: [(name: String, value: String)],
        token: Secret? = nil,
        tokenSecret: Secret? = nil,
        signing fields: [(name: String, value: String)]
    ) async throws -> [String: String] {
        var request = OutboundRequest(
            method: "POST",
            url: ConnectionRequest.adding(rendered(params), to: try URLTemplate(url).render(values)),
            headers: [("accept", "application/x-www-form-urlencoded, */*;q=0.1")],
            timeout: .seconds(15),
            purpose: .token,
            redirects: .never,
            maxAnswerBytes: 100_000
        )
        let signature = OAuth1Signature(
            consumerKey: values.clientID ?? "",
            consumerSecret: values.clientSecret ?? Secret(""),
            token: token?.reveal(),
            tokenSecret: tokenSecret,
            method: oauth1.signatureMethod,
            further: fields,
            timestamp: values.now.unixSeconds
        )
        request.headers.append(("authorization", try signature.header(for: request)))
        let response = try await client.send(request)
        guard (200..<300).contains(response.status) else {
            throw TerapiError(
                .providerError,
                "\(provider.displayName) refused the request for a token: it answered \(response.status)."
            )
        }
        let fields = PercentEncoding.form(String(decoding: response.body, as: UTF8.self))
        return Dictionary(fields.map { ($0.name, $0.value) }) { first, _ in first }
    }

    private func rendered(_ params: [(name: String, value: String)]) -> [(name: String, value: String)] {
        params.compactMap { param in
            let rendering = Template(param.value).render(values)
            return rendering.isResolved ? (param.name, rendering.text) : nil
        }
    }
}
