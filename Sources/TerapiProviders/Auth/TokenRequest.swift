import TerapiCore

/// The requests to a token endpoint (RFC 6749, sections 4.1.3 and 6).
struct TokenRequest {
    let provider: Provider
    let oauth2: Provider.OAuth2
    let values: TemplateValues

    /// - Throws: `TerapiError` with `.invalidDefinition` when the provider has no OAuth 2.
    init(provider: Provider, values: TemplateValues) throws {
        guard let oauth2 = provider.oauth2 else {
            throw TerapiError(.invalidDefinition, "The provider \"\(provider.name)\" does not use OAuth 2.")
        }
        self.provider = provider
        self.oauth2 = oauth2
        self.values = values
    }

    func exchange(code: String, redirectURI: String, verifier: Secret?) throws -> OutboundRequest {
        var fields: [(name: String, value: JSONValue)] = [
            ("grant_type", "authorization_code"), ("code", .string(code)), ("redirect_uri", .string(redirectURI)),
        ]
        if oauth2.usesPKCE, let verifier { fields.append(("code_verifier", .string(verifier.reveal()))) }
        return try request(oauth2.tokenURL, fields, extra: oauth2.tokenParams)
    }

    func refresh(with refreshToken: Secret) throws -> OutboundRequest {
        let fields: [(name: String, value: JSONValue)] = [
            ("grant_type", "refresh_token"), ("refresh_token", .string(refreshToken.reveal())),
        ]
        // The grant type of the token request would ask for something else.
        let extra = oauth2.refreshParams ?? oauth2.tokenParams.filter { $0.name != "grant_type" }
        return try request(oauth2.refreshURL ?? oauth2.tokenURL, fields, extra: extra)
    }

    private func request(
        _ url: String,
        _ fields: [(name: String, value: JSONValue)],
        extra: [(name: String, value: JSONValue)]
    ) throws -> OutboundRequest {
        var body = JSONObject()
        for field in fields { body[field.name] = field.value }
        for field in extra {
            if case .string(let text) = field.value {
                let rendering = Template(text).render(values)
                if rendering.isResolved { body[field.name] = .string(rendering.text) }
            } else {
                body[field.name] = field.value
            }
        }
        var headers: [(name: String, value: String)] = [("accept", "application/json")]
        let secret = values.clientSecret?.reveal() ?? ""
        let clientID = values.clientID ?? ""
        switch oauth2.clientAuthentication {
        case .basic:
            headers.append(("authorization", Self.basic(clientID, secret, encoding: oauth2.bodyFormat == .form)))
        case .body, .custom, .privateKeyJWT:
            body["client_id"] = .string(clientID)
            if !secret.isEmpty { body["client_secret"] = .string(secret) }
        }
        for header in oauth2.tokenHeaders {
            let rendering = Template(header.value).render(values)
            guard rendering.isResolved else { continue }
            headers.removeAll { $0.name == header.name.lowercased() }
            headers.append((header.name.lowercased(), rendering.text))
        }
        headers.removeAll { $0.name == "content-type" }
        let isJSON = oauth2.bodyFormat == .json
        headers.append(("content-type", isJSON ? "application/json" : "application/x-www-form-urlencoded"))
        return OutboundRequest(
            method: "POST",
            url: try URLTemplate(url).render(values),
            headers: headers,
            body: isJSON ? JSONValue.object(body).encoded() : Array(PercentEncoding.query(Self.flat(body)).utf8),
            timeout: .seconds(15),
            purpose: .token,
            redirects: .never,
            maxAnswerBytes: 1_000_000
        )
    }

    /// Both parts are form-encoded first (RFC 6749, section 2.3.1), which changes nothing for ordinary ids. JSON-only
    /// endpoints are not from that tradition and take them as they are.
    private static func basic(_ clientID: String, _ secret: String, encoding: Bool) -> String {
        let pair =
            encoding
            ? "\(PercentEncoding.encode(clientID)):\(PercentEncoding.encode(secret))" : "\(clientID):\(secret)"
        return "Basic " + Base64.standard.encode(Array(pair.utf8))
    }

    private static func flat(_ object: JSONObject) -> [(name: String, value: String)] {
        object.members.map { member in
            (member.name, member.value.string ?? member.value.text())
        }
    }
}
