import TerapiCore

// What an entry says about the modes other than OAuth 2.
extension ProviderEntry {
    func oauth1() -> Provider.OAuth1? {
        guard let requestURL = text("request_url"), let authorizationURL = text("authorization_url"),
            let tokenURL = text("token_url")
        else { return nil }
        var oauth1 = Provider.OAuth1(requestURL: requestURL, authorizationURL: authorizationURL, tokenURL: tokenURL)
        oauth1.signatureMethod =
            text("signature_method").flatMap(Provider.OAuth1.SignatureMethod.init) ?? .hmacSHA1
        oauth1.requestParams = pairs(json["request_params"])
        oauth1.authorizationParams = pairs(json["authorization_params"])
        oauth1.tokenParams = pairs(json["token_params"])
        return oauth1
    }

    func tokenExchange(_ mode: AuthMode) -> Provider.TokenExchange? {
        guard [.twoStep, .bill, .app].contains(mode), let first = step(json) else { return nil }
        let response = json["token_response"]
        let further = json["additional_steps"]?.array?.compactMap { $0.object.flatMap(step) } ?? []
        var exchange = Provider.TokenExchange(
            steps: [mode == .bill ? Self.billing(first) : first] + further,
            tokenPath: response?["token"]?.string ?? "token"
        )
        if let url = text("refresh_url"), json["refresh_token_params"] != nil || json["refresh_params"] != nil {
            exchange.refresh = Provider.TokenExchange.Step(
                url: url,
                headers: pairs(json["refresh_token_headers"] ?? json["token_headers"]),
                params: (json["refresh_token_params"] ?? json["refresh_params"])?.object ?? [:],
                bodyFormat: first.bodyFormat
            )
        }
        exchange.refreshTokenPath = response?["refresh_token"]?.string
        exchange.expirationPath = response?["token_expiration"]?.string
        exchange.expirationIsMoment = response?["token_expiration_strategy"]?.string == "expireAt"
        exchange.lifetime = json["token_expires_in_ms"]?.int.map { .milliseconds($0) }
        exchange.responseMetadata = texts("token_response_metadata")
        exchange.responseHeaders = texts("token_response_headers").map { $0.lowercased() }
        return exchange
    }

    private func step(_ json: JSONObject) -> Provider.TokenExchange.Step? {
        guard let url = json["token_url"]?.string else { return nil }
        let headers = pairs(json["token_headers"]).map { (name: $0.name.lowercased(), value: $0.value) }
        let type = headers.first { $0.name == "content-type" }?.value ?? ""
        // Some files tell the format by the content type alone.
        let told: Provider.BodyFormat = type.contains("urlencoded") ? .form : type.contains("xml") ? .xml : .json
        return Provider.TokenExchange.Step(
            method: json["token_request_method"]?.string ?? "POST",
            url: url,
            headers: headers,
            params: json["token_params"]?.object ?? [:],
            bodyFormat: json["body_format"]?.string.flatMap(Provider.BodyFormat.init) ?? told
        )
    }

    private static func billing(_ step: Provider.TokenExchange.Step) -> Provider.TokenExchange.Step {
        var step = step
        let fields: JSONObject = [
            "username": "${credentials.username}", "password": "${credentials.password}",
            "organizationId": "${credentials.organization_id}", "devKey": "${credentials.dev_key}",
        ]
        step.params = fields.merging(step.params)
        return step
    }

    func selfSigned() -> Provider.SelfSigned? {
        guard let family = json["signature"]?["protocol"]?.string.flatMap(Provider.SelfSigned.Family.init) else {
            return nil
        }
        let token = json["token"]
        var signed = Provider.SelfSigned(family: family, signingKey: token?["signing_key"]?.string ?? "")
        signed.hmacKeyEncoding =
            json["signature"]?["hmac_secret_encoding"]?.string.flatMap(Provider.SelfSigned.KeyEncoding.init)
        signed.lifetime = token?["expires_in_ms"]?.int.map { .milliseconds($0) }
        signed.header = pairs(token?["header"])
        signed.payload = token?["payload"]?.object ?? [:]
        return signed
    }

    /// Assertions of SAML are not built: the catalogue warns of them.
    func assertion() -> Provider.Assertion? {
        guard let assertion = json["assertion"], assertion["type"]?.string == "jwt",
            let key = assertion["key"]?.string
        else { return nil }
        let seconds = assertion["lifetimeInSeconds"].flatMap { $0.int ?? $0.string.flatMap { Int($0) } }
        return Provider.Assertion(
            key: key,
            lifetime: .seconds(seconds ?? 300),
            header: pairs(assertion["header"]),
            payload: assertion["payload"]?.object ?? [:]
        )
    }

    var registration: Provider.ClientRegistration? {
        guard let kind = text("client_registration").flatMap(Provider.ClientRegistration.Kind.init) else { return nil }
        return Provider.ClientRegistration(
            kind: kind,
            url: text("registration_url"),
            params: json["registration_params"]?.object ?? [:]
        )
    }
}
