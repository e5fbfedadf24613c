import TerapiCore

/// Turns an entry whose keys and types are right into a ``Provider``.
struct ProviderEntry {
    let name: String
    let json: JSONObject

    func provider(authMode: AuthMode) -> Provider {
        var provider = Provider(
            name: name,
            displayName: text("display_name") ?? name,
            categories: texts("categories"),
            docs: text("docs") ?? "",
            authMode: authMode,
            oauth2: oauth2(authMode),
            proxy: proxy(),
            webhook: webhook,
            connectionConfig: fields("connection_config") + oldFields(),
            credentials: fields("credentials"),
            integrationConfig: fields("integration_config"),
            entry: json
        )
        provider.oauth1 = authMode == .oauth1 ? oauth1() : nil
        provider.tokenExchange = tokenExchange(authMode)
        provider.selfSigned = selfSigned()
        provider.assertion = assertion()
        provider.assertionOption = fields("assertion_option")
        return provider
    }

    /// The entry's own, or the built-in one of the provider or of the one that it is an alias of.
    private var webhook: ProviderWebhookRule? {
        let builtIn = BuiltInWebhooks.entries
        let found = json["webhook"] ?? builtIn[name] ?? text("alias").flatMap { builtIn[$0] }
        return found.map { WebhookEntry(json: $0).rule }
    }

    private func oauth2(_ mode: AuthMode) -> Provider.OAuth2? {
        switch mode {
        case .oauth2, .oauth2ClientCredentials, .mcpOAuth2, .mcpOAuth2Generic: break
        default: return nil
        }
        var oauth2 = Provider.OAuth2(
            authorizationURL: text("authorization_url") ?? "",
            tokenURL: text("token_url") ?? ""
        )
        oauth2.registration = registration
        oauth2.authorizationParams = pairs(json["auth"]) + pairs(json["authorization_params"])
        oauth2.authorizationURLReplacements = pairs(json["authorization_url_replacements"])
        oauth2.skipsEmptyAuthorizationParams = flag("authorization_url_skip_empty")
        // "Decoded" is about the scopes: everything else in the address must stay what it was.
        oauth2.skipEncode = texts("authorization_url_skip_encode") + (flag("decode_url") ? ["scopes"] : [])
        oauth2.authorizationURLFragment = text("authorization_url_fragment")
        oauth2.codeParamInCallback = text("authorization_code_param_in_callback") ?? "code"
        oauth2.tokenParams = json["token_params"]?.object?.members ?? []
        oauth2.tokenHeaders = pairs(json["token_headers"])
        oauth2.refreshURL = text("refresh_url")
        oauth2.refreshParams = json["refresh_params"]?.object?.members
        oauth2.bodyFormat = text("body_format").flatMap(Provider.BodyFormat.init) ?? .form
        oauth2.clientAuthentication = clientAuthentication
        oauth2.usesPKCE = !flag("disable_pkce")
        oauth2.scopeSeparator = text("scope_separator") ?? " "
        oauth2.defaultScopes = texts("default_scopes")
        oauth2.tokenResponseMetadata = texts("token_response_metadata")
        oauth2.refreshTokenResponseMetadata = texts("refresh_token_response_metadata")
        oauth2.redirectURIMetadata = texts("redirect_uri_metadata")
        oauth2.alternateAccessTokenResponsePath = text("alternate_access_token_response_path")
        oauth2.tokenExpirationBuffer = json["token_expiration_buffer"]?.int.map { .seconds($0) }
        oauth2.expiresInMilliseconds = text("expires_in_unit") == "milliseconds"
        oauth2.rotation = rotation
        return oauth2
    }

    private var clientAuthentication: Provider.ClientAuthentication {
        if text("authorization_method") == "header" { return .basic }
        return text("token_request_auth_method").flatMap(Provider.ClientAuthentication.init) ?? .body
    }

    private var rotation: Provider.Rotation {
        if let seconds = json["rotation"]?["grace"]?.int { return .grace(.seconds(seconds)) }
        return switch text("rotation") {
        case "static": .fixed
        case "reissue": .reissue
        case "strict": .strict
        default: .unknown
        }
    }

    private func proxy() -> Provider.Proxy {
        let json = json["proxy"]?.object ?? JSONObject()
        var proxy = Provider.Proxy(baseURL: json["base_url"]?.string)
        proxy.headers = pairs(json["headers"])
        proxy.query = pairs(json["query"])
        proxy.body = json["body"]?.object
        proxy.paginate = json["paginate"]?.object
        proxy.forwardsHeadersOnRedirect = json["forward_headers_on_redirect"]?.bool ?? false
        proxy.retry = retry(json["retry"])
        if let verification = json["verification"], let endpoints = verification["endpoints"]?.array {
            proxy.verification = Provider.Verification(
                method: verification["method"]?.string ?? "GET",
                endpoints: endpoints.compactMap(\.string),
                headers: pairs(verification["headers"]).map { ($0.name.lowercased(), $0.value) },
                data: verification["data"],
                baseURLOverride: verification["base_url_override"]?.string
            )
        }
        return proxy
    }

    private func retry(_ json: JSONValue?) -> Provider.Retry {
        func names(_ key: String) -> [String] {
            json?[key]?.array?.compactMap { $0.string?.lowercased() } ?? []
        }
        var retry = Provider.Retry()
        retry.at = names("at")
        retry.after = names("after")
        retry.remaining = json?["remaining"]?.string?.lowercased()
        retry.errorCodes = json?["error_code"]?.array?.map { $0.string ?? $0.text() }
        if let rule = json?["in_body"], let path = rule["path"]?.string, let pattern = rule["value"]?.string {
            retry.inBody = Provider.Retry.InBody(
                path: path,
                pattern: pattern,
                isMoment: rule["strategy"]?.string != "after"
            )
        }
        return retry
    }

    private func fields(_ key: String) -> [Provider.FormField] {
        let members = json[key]?.object?.members ?? []
        return members.map { name, field in
            Provider.FormField(
                name: name,
                title: field["title"]?.string ?? name,
                description: field["description"]?.string,
                example: scalar(field["example"]),
                pattern: field["pattern"]?.string,
                format: field["format"]?.string,
                isOptional: field["optional"]?.bool ?? false,
                isSecret: field["secret"]?.bool ?? false,
                isHidden: field["hidden"]?.bool ?? false,
                isAutomated: field["automated"]?.bool ?? false,
                defaultValue: scalar(field["default_value"]),
                prefix: field["prefix"]?.string,
                suffix: field["suffix"]?.string,
                choices: field["enum"]?.array?.compactMap(scalar),
                order: field["order"]?.int
            )
        }
    }

    /// The list form of `connection_config`: names that a callback fills in.
    private func oldFields() -> [Provider.FormField] {
        texts("connection_configuration").map { Provider.FormField(name: $0, title: $0, isAutomated: true) }
    }

    func text(_ key: String) -> String? { json[key]?.string }
    func flag(_ key: String) -> Bool { json[key]?.bool ?? false }
    func texts(_ key: String) -> [String] { json[key]?.array?.compactMap(\.string) ?? [] }

    func pairs(_ value: JSONValue?) -> [(name: String, value: String)] {
        value?.object?.members.map { ($0.name, scalar($0.value) ?? "") } ?? []
    }

    func scalar(_ value: JSONValue?) -> String? {
        value.map { $0.string ?? $0.text() }
    }
}
