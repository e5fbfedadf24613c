import TerapiCore

/// Gets what goes with credentials that an end user has entered: a token, a session, temporary keys.
///
/// Sending and reading are apart, so that an answer kept on disk can be read again after a crash.
struct DerivedTokens {
    /// Where neither the answer nor the file says how long a token lives.
    static let clientCredentialsLifetime = Duration.seconds(55 * 60)
    static let usualLifetime = Duration.seconds(86_400)

    let provider: Provider
    let integration: Integration
    let values: TemplateValues
    let client: any OutboundClient

    // MARK: Sending

    func send(_ derived: DerivedCredentials) async throws -> RefreshAnswer {
        switch derived.mode {
        case .oauth2ClientCredentials: try await sendClientCredentials(derived)
        case .twoStep, .bill: try await sendSteps(derived)
        case .jwt, .signature: try signToken()
        case .app: try await sendAppToken()
        case .awsSigV4: try await AssumedRole(integration: integration, values: values).send(through: client)
        default:
            throw TerapiError(.invalidDefinition, "The auth mode \(derived.mode.rawValue) gives out no tokens.")
        }
    }

    private func sendClientCredentials(_ derived: DerivedCredentials) async throws -> RefreshAnswer {
        guard derived.given["client_certificate"] == nil else {
            throw TerapiError(
                .invalidBody,
                "Client certificates (mTLS) are not supported: only a client secret or a signed assertion is."
            )
        }
        var values = values
        let assertion = try assertion(for: derived)
        if let assertion { values.further["credentials"] = ["assertion": .string(assertion)] }
        let scopes = Authorization.scopes(
            of: provider.oauth2?.defaultScopes ?? [], integration: integration, config: values.connectionConfig
        )
        let request = try TokenRequest(provider: provider, values: values).clientCredentials(scopes: scopes)
        return Self.answer(try await client.send(request), assertion: assertion)
    }

    private func sendSteps(_ derived: DerivedCredentials) async throws -> RefreshAnswer {
        guard let exchange = provider.tokenExchange else {
            throw TerapiError(.invalidDefinition, "The provider \"\(provider.name)\" names no token request.")
        }
        var values = values
        values.further["assertionOption"] = .object(derived.once)
        if let signed = provider.selfSigned {
            values.further["token"] = .string(try SelfSignedToken(signed, values).text())
        }
        let assertion = try assertion(for: derived)
        if let assertion { values.further["credentials"] = ["assertion": .string(assertion)] }

        var steps = exchange.steps
        if let refresh = exchange.refresh, derived.refreshToken != nil { steps = [refresh] }
        var last: OutboundResponse?
        for (index, step) in steps.enumerated() {
            let response = try await client.send(Self.request(step, values))
            last = response
            // A later step would only ask with what is missing.
            guard (200..<300).contains(response.status) else { break }
            values.further["step\(index + 1)"] = TokenDocument.read(response.body) ?? .null
        }
        guard let last else { throw TerapiError(.invalidDefinition, "The provider names no token request.") }
        return Self.answer(last, keeping: exchange.responseHeaders, assertion: assertion)
    }

    private static func request(_ step: Provider.TokenExchange.Step, _ values: TemplateValues) throws -> OutboundRequest
    {
        var headers: [(name: String, value: String)] = [
            ("accept", "application/json, application/xml;q=0.9, */*;q=0.1")
        ]
        for header in step.headers {
            let rendering = Template(header.value).render(values)
            guard rendering.isResolved else { continue }
            headers.removeAll { $0.name == header.name.lowercased() }
            headers.append((header.name.lowercased(), rendering.text))
        }
        let fields = ConnectionRequest.rendered(.object(step.params), values).object ?? JSONObject()
        return TokenBody(format: step.bodyFormat, fields: fields)
            .request(method: step.method, url: try URLTemplate(step.url).render(values), headers: headers)
    }

    /// One that was built from what is not stored is kept; others are signed anew each time.
    private func assertion(for derived: DerivedCredentials) throws -> String? {
        guard let assertion = provider.assertion else { return nil }
        if derived.once.isEmpty, let kept = derived.given["assertion"]?.string { return kept }
        var values = values
        values.further["assertionOption"] = .object(derived.once)
        var signed = Provider.SelfSigned(family: .rsa, signingKey: assertion.key)
        signed.lifetime = assertion.lifetime
        signed.header = assertion.header
        signed.payload = assertion.payload
        return try SelfSignedToken(signed, values).text()
    }

    private func signToken() throws -> RefreshAnswer {
        guard let signed = provider.selfSigned else {
            throw TerapiError(.invalidDefinition, "The provider \"\(provider.name)\" does not say what is signed.")
        }
        let lifetime = signed.lifetime ?? Self.usualLifetime
        let body: JSONValue = [
            "token": .string(try SelfSignedToken(signed, values).text()),
            "expires_at": JSONValue(values.now + lifetime),
        ]
        return RefreshAnswer(status: 200, contentType: "application/json", retryAfter: nil, body: body.encoded())
    }

    /// As GitHub has it: a token of the app, ten minutes at most and dated back a little for clocks that differ, for a
    /// token of the installation.
    private func sendAppToken() async throws -> RefreshAnswer {
        guard let app = integration.credentials?.app else {
            throw TerapiError(
                .invalidDefinition, "The integration \"\(integration.key)\" has no app id and private key.")
        }
        let now = values.now.unixSeconds
        let token = try JSONWebToken.signed(
            payload: ["iss": .string(app.id), "iat": JSONValue(now - 60), "exp": JSONValue(now + 540)],
            algorithm: .rs256,
            key: Array(app.privateKey.reveal().utf8)
        )
        guard let tokenURL = provider.tokenExchange?.steps.first?.url else {
            throw TerapiError(.invalidDefinition, "The provider \"\(provider.name)\" names no token_url.")
        }
        return Self.answer(
            try await client.send(
                OutboundRequest(
                    method: "POST",
                    url: try URLTemplate(tokenURL).render(values),
                    headers: [
                        ("accept", "application/vnd.github+json, application/json"),
                        ("authorization", "Bearer \(token)"), ("user-agent", "Terapi"),
                    ],
                    timeout: .seconds(15),
                    purpose: .token,
                    redirects: .never,
                    maxAnswerBytes: 1_000_000
                )
            )
        )
    }

    static func answer(
        _ response: OutboundResponse,
        keeping names: [String] = [],
        assertion: String? = nil
    ) -> RefreshAnswer {
        var headers: [String: String] = [:]
        for name in names {
            let values = response.headers.filter { $0.name == name }.map(\.value)
            if !values.isEmpty { headers[name] = values.joined(separator: "\n") }
        }
        headers[Self.assertionName] = assertion
        return RefreshAnswer(
            status: response.status,
            contentType: response.header("content-type") ?? "",
            retryAfter: response.header("retry-after"),
            body: response.body,
            headers: headers
        )
    }

    /// Under this name an assertion travels with the answer that it has brought; no header can be called so.
    static let assertionName = "assertion:"
}
