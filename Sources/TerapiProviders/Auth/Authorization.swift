import TerapiCore

/// Where an end user's browser is sent to (RFC 6749, section 4.1.1, with RFC 7636).
struct Authorization {
    /// What binds the answer to this flow: nobody but us writes these.
    private static let ours: Set = [
        "client_id", "code_challenge", "code_challenge_method", "redirect_uri", "response_type", "state",
    ]

    let oauth2: Provider.OAuth2
    let values: TemplateValues

    func url(_ request: AuthorizationRequest) throws -> String {
        var params = parameters(request)
        for param in oauth2.authorizationParams {
            let rendering = Template(param.value).render(values)
            guard rendering.isResolved else { continue }
            Self.set(param.name, rendering.text, in: &params)
        }
        for (name, value) in request.authorizationParams.sorted(by: { $0.key < $1.key }) {
            guard !Self.ours.contains(name) else {
                throw TerapiError(
                    .invalidBody,
                    "The authorization parameter \"\(name)\" cannot be set.",
                    issues: [
                        .init(code: "invalid_value", message: "Not allowed.", path: ["authorization_params", name])
                    ]
                )
            }
            Self.set(name, value, in: &params)
        }
        if oauth2.skipsEmptyAuthorizationParams { params.removeAll { $0.value.isEmpty } }
        return write(try URLTemplate(oauth2.authorizationURL).render(values), params)
    }

    private func parameters(_ request: AuthorizationRequest) -> [(name: String, value: String)] {
        var params: [(name: String, value: String)] = [
            ("response_type", "code"), ("client_id", values.clientID ?? ""), ("redirect_uri", request.redirectURI),
        ]
        let scopes = Self.scopes(of: oauth2.defaultScopes, integration: request.integration, config: request.config)
        if !scopes.isEmpty { params.append(("scope", scopes.joined(separator: oauth2.scopeSeparator))) }
        if !request.userScopes.isEmpty {
            params.append(("user_scope", request.userScopes.joined(separator: oauth2.scopeSeparator)))
        }
        params.append(("state", request.state))
        if oauth2.usesPKCE, let verifier = request.codeVerifier {
            params.append(("code_challenge", Self.challenge(verifier)))
            params.append(("code_challenge_method", "S256"))
        }
        return params
    }

    /// What is asked for: the session's own choice, or the file's and the integration's.
    static func scopes(of defaults: [String], integration: Integration, config: JSONObject) -> [String] {
        for name in ["oauth_scopes_override", "oauth_scopes"] {
            if let text = config[name]?.string, !text.isEmpty {
                return text.split { $0 == "," || $0 == " " }.map(String.init)
            }
        }
        var scopes: [String] = []
        for scope in defaults + (integration.credentials?.scopes ?? []) where !scopes.contains(scope) {
            scopes.append(scope)
        }
        return scopes
    }

    /// `BASE64URL(SHA256(verifier))` (RFC 7636, section 4.2).
    static func challenge(_ verifier: Secret) -> String {
        Base64.url.encode(sha256(Array(verifier.reveal().utf8)))
    }

    /// What scopes are made of and separated by. Anything else could end the parameter.
    private static let marks: [(escape: String, mark: String)] = [
        ("%2B", "+"), ("%2C", ","), ("%3A", ":"), ("%2F", "/"), ("%40", "@"),
    ]

    private static func unescaped(_ scopes: String) -> String {
        marks.reduce(scopes) { text, pair in text.replacing(pair.escape, with: pair.mark) }
    }

    private func write(_ base: String, _ params: [(name: String, value: String)]) -> String {
        let query = params.map { param in
            let isRaw = param.name == "scope" && oauth2.skipEncode.contains("scopes")
            let encoded = PercentEncoding.encode(param.value)
            let value = isRaw ? Self.unescaped(encoded) : encoded
            return "\(PercentEncoding.encode(param.name))=\(value)"
        }.joined(separator: "&")
        var url: String
        if let fragment = oauth2.authorizationURLFragment {
            url = "\(base)#\(fragment)?\(query)"
        } else {
            url = base + (base.contains("?") ? "&" : "?") + query
        }
        for replacement in oauth2.authorizationURLReplacements {
            url = url.replacing(replacement.name, with: replacement.value)
        }
        return url
    }

    private static func set(_ name: String, _ value: String, in params: inout [(name: String, value: String)]) {
        if let index = params.firstIndex(where: { $0.name == name }) {
            params[index].value = value
        } else {
            params.append((name, value))
        }
    }
}
