import TerapiCore

/// The requests to a token endpoint (RFC 6749, sections 4.1.3, 4.4.2 and 6).
struct TokenRequest {
    let oauth2: Provider.OAuth2
    let values: TemplateValues

    /// - Throws: `TerapiError` with `.invalidDefinition` when the provider has no OAuth 2.
    init(provider: Provider, values: TemplateValues) throws {
        guard let oauth2 = provider.oauth2 else {
            throw TerapiError(.invalidDefinition, "The provider \"\(provider.name)\" does not use OAuth 2.")
        }
        self.init(oauth2: oauth2, values: values)
    }

    init(oauth2: Provider.OAuth2, values: TemplateValues) {
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

    func clientCredentials(scopes: [String]) throws -> OutboundRequest {
        var fields: [(name: String, value: JSONValue)] = [("grant_type", "client_credentials")]
        if !scopes.isEmpty {
            fields.append(("scope", .string(scopes.joined(separator: oauth2.scopeSeparator))))
        }
        return try request(oauth2.tokenURL, fields, extra: oauth2.tokenParams)
    }

    private func request(
        _ template: String,
        _ fields: [(name: String, value: JSONValue)],
        extra: [(name: String, value: JSONValue)]
    ) throws -> OutboundRequest {
        let url = try URLTemplate(template).render(values)
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
        if let header = try authenticate(&body, audience: url) { headers.append(("authorization", header)) }
        for header in oauth2.tokenHeaders {
            let rendering = Template(header.value).render(values)
            guard rendering.isResolved else { continue }
            headers.removeAll { $0.name == header.name.lowercased() }
            headers.append((header.name.lowercased(), rendering.text))
        }
        headers.removeAll { $0.name == "content-type" }
        return TokenBody(format: oauth2.bodyFormat, fields: body).request(method: "POST", url: url, headers: headers)
    }

    /// Says who asks (RFC 6749, section 2.3; RFC 7523, section 2.2).
    /// - Returns: the header, where it is said there.
    private func authenticate(_ body: inout JSONObject, audience: String) throws -> String? {
        let secret = values.clientSecret?.reveal() ?? ""
        let clientID = values.clientID ?? ""
        switch oauth2.clientAuthentication {
        case .basic:
            return Self.basic(clientID, secret, encoding: oauth2.bodyFormat == .form)
        case .body:
            body["client_id"] = .string(clientID)
            if !secret.isEmpty { body["client_secret"] = .string(secret) }
        case .privateKeyJWT:
            body["client_id"] = .string(clientID)
            body["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            body["client_assertion"] = .string(try clientAssertion(clientID, audience: audience))
        case .custom:
            // The file's own parameters say it, under names of their own.
            break
        }
        return nil
    }

    private func clientAssertion(_ clientID: String, audience: String) throws -> String {
        let key = values.value("credentials.client_private_key") ?? values.clientSecret?.reveal() ?? ""
        let now = values.now.unixSeconds
        return try JSONWebToken.signed(
            payload: [
                "iss": .string(clientID), "sub": .string(clientID), "aud": .string(audience),
                "jti": .string(values.random), "iat": JSONValue(now), "exp": JSONValue(now + 300),
            ],
            algorithm: JSONWebToken.algorithm(of: key),
            key: Array(key.utf8)
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
}

/// The fields of a request for a token in the form that the endpoint reads.
struct TokenBody {
    let format: Provider.BodyFormat
    let fields: JSONObject

    /// - Parameter headers: with a content type, when it is another than that of the format.
    func request(method: String, url: String, headers: [(name: String, value: String)]) -> OutboundRequest {
        let hasBody = method != "GET" && format != .query
        var headers = headers
        if hasBody, !headers.contains(where: { $0.name == "content-type" }) {
            headers.append(("content-type", contentType))
        }
        return OutboundRequest(
            method: method,
            url: hasBody ? url : ConnectionRequest.adding(flat, to: url),
            headers: headers,
            body: hasBody ? bytes : nil,
            timeout: .seconds(15),
            purpose: .token,
            redirects: .never,
            maxAnswerBytes: 1_000_000
        )
    }

    private var contentType: String {
        switch format {
        case .json: "application/json"
        case .xml: "application/xml"
        case .form, .query: "application/x-www-form-urlencoded"
        }
    }

    private var bytes: [UInt8] {
        switch format {
        case .json: JSONValue.object(fields).encoded()
        case .xml: XMLText.encoded(fields)
        case .form, .query: Array(PercentEncoding.query(flat).utf8)
        }
    }

    private var flat: [(name: String, value: String)] {
        fields.members.map { ($0.name, $0.value.string ?? $0.value.text()) }
    }
}
