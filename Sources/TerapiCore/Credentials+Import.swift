extension Credentials {
    /// Reads credentials that a customer imports: the `credentials` of `POST /connections`.
    /// - Throws: `TerapiError` with `.invalidBody` and the path of each field that is wrong.
    public init(imported json: JSONValue, mode: AuthMode, now: Timestamp) throws {
        var reader = ImportReader(json: json)
        if let type = json["type"]?.string, type != mode.rawValue, type != mode.credentialType {
            reader.refuse("type", "Expected \"\(mode.rawValue)\", the provider's auth mode, and not \"\(type)\".")
        }
        switch mode {
        case .oauth2, .mcpOAuth2, .mcpOAuth2Generic:
            let accessToken = reader.text("access_token", maxLength: 65_536)
            let refreshToken = reader.text("refresh_token", isRequired: false, maxLength: 65_536)
            let expiresAt = reader.moment("expires_at", now: now)
            let override = reader.override()
            reader.finish(allowed: ["type", "access_token", "refresh_token", "expires_at", "config_override", "raw"])
            try reader.check()
            self = .oauth2(
                OAuth2Credentials(
                    accessToken: Secret(accessToken ?? ""),
                    refreshToken: refreshToken.map(Secret.init),
                    expiresAt: expiresAt,
                    raw: json["raw"] ?? .object(JSONObject()),
                    configOverride: override
                )
            )
        case .apiKey:
            let key = reader.text("apiKey", maxLength: 1024)
            reader.finish(allowed: ["type", "apiKey"])
            try reader.check()
            self = .apiKey(Secret(key ?? ""))
        case .basic:
            let username = reader.text("username", mayBeEmpty: true, maxLength: 1024)
            let password = reader.text("password", mayBeEmpty: true, maxLength: 1024)
            reader.finish(allowed: ["type", "username", "password"])
            try reader.check()
            self = .basic(username: username ?? "", password: Secret(password ?? ""))
        case .oauth1:
            let tokens = reader.tokens("oauth_token", "oauth_token_secret")
            try reader.check()
            self = .oauth1(tokens)
        case .tba:
            let tokens = reader.tokens("token_id", "token_secret", mayOverride: true)
            try reader.check()
            self = .tba(tokens)
        case .oauth2ClientCredentials:
            self = .derived(try reader.clientCredentials(now: now))
        case .app:
            var given = JSONObject()
            for field in ["app_id", "installation_id"] {
                given[field] = reader.text(field, maxLength: 255).map(JSONValue.string)
            }
            reader.finish(allowed: ["type", "app_id", "installation_id"])
            try reader.check()
            self = .derived(DerivedCredentials(mode: .app, given: given))
        case .none:
            reader.finish(allowed: ["type"])
            try reader.check()
            self = .none
        case .twoStep, .jwt, .bill, .awsSigV4, .signature, .installPlugin, .custom:
            throw TerapiError(
                .invalidBody,
                "Connections of the auth mode \(mode.rawValue) cannot be imported: they are made in a connect session."
            )
        }
    }
}

/// Collects everything that is wrong with imported credentials before refusing them.
private struct ImportReader {
    let json: JSONValue
    var issues: [TerapiError.Issue] = []

    mutating func refuse(_ field: String, _ message: String) {
        issues.append(TerapiError.Issue(code: "invalid_value", message: message, path: ["credentials", field]))
    }

    mutating func text(
        _ field: String,
        isRequired: Bool = true,
        mayBeEmpty: Bool = false,
        maxLength: Int
    ) -> String? {
        switch json[field] {
        case .string(let text):
            if text.isEmpty, !mayBeEmpty { refuse(field, "Expected a text that is not empty.") }
            if text.utf8.count > maxLength { refuse(field, "Expected at most \(maxLength) bytes.") }
            return text
        case nil, .null:
            if isRequired { refuse(field, "Required.") }
            return nil
        case let value?:
            refuse(field, "Expected a string and not \(value.kind).")
            return nil
        }
    }

    mutating func moment(_ field: String, now: Timestamp) -> Timestamp? {
        switch json[field] {
        case nil, .null: return nil
        case .string(let text):
            if let moment = Timestamp(iso8601: text) { return moment }
        case .number(let digits):
            if let seconds = Double(digits), seconds > 0, seconds < 100_000_000_000 {
                return Timestamp(microseconds: Int64(seconds * 1_000_000))
            }
        default: break
        }
        refuse(field, "Expected a date and time such as \(now.iso8601).")
        return nil
    }

    /// A pair of OAuth 1 and nothing else.
    mutating func tokens(_ token: String, _ secret: String, mayOverride: Bool = false) -> OAuth1Credentials {
        let tokens = OAuth1Credentials(
            token: Secret(text(token, maxLength: 4096) ?? ""),
            tokenSecret: Secret(text(secret, maxLength: 4096) ?? ""),
            configOverride: mayOverride ? override() : nil
        )
        finish(allowed: Set(["type", token, secret] + (mayOverride ? ["config_override"] : [])))
        return tokens
    }

    mutating func clientCredentials(now: Timestamp) throws -> DerivedCredentials {
        let fields = ["client_id", "client_secret", "client_certificate", "client_private_key"]
        var given = JSONObject()
        for field in fields {
            given[field] = text(field, isRequired: field == "client_id", maxLength: 16_384).map(JSONValue.string)
        }
        if given["client_secret"] == nil, given["client_private_key"] == nil { refuse("client_secret", "Required.") }
        let token = text("token", isRequired: false, maxLength: 65_536)
        let expiresAt = moment("expires_at", now: now)
        finish(allowed: Set(["type", "token", "expires_at"] + fields))
        try check()
        var derived = DerivedCredentials(mode: .oauth2ClientCredentials, given: given)
        derived.issued["token"] = token.map(JSONValue.string)
        derived.issuedAt = now
        derived.expiresAt = expiresAt
        return derived
    }

    mutating func override() -> OAuth2Credentials.ConfigOverride? {
        guard let override = json["config_override"], !override.isNull else { return nil }
        guard override.object != nil else {
            refuse("config_override", "Expected an object and not \(override.kind).")
            return nil
        }
        return OAuth2Credentials.ConfigOverride(
            clientID: override["client_id"]?.string,
            clientSecret: override["client_secret"]?.string.map(Secret.init)
        )
    }

    mutating func finish(allowed: Set<String>) {
        guard let object = json.object else {
            issues = [
                TerapiError.Issue(
                    code: "invalid_type",
                    message: "Expected an object and not \(json.kind).",
                    path: ["credentials"]
                )
            ]
            return
        }
        for name in object.names where !allowed.contains(name) {
            issues.append(
                TerapiError.Issue(
                    code: "unrecognized_keys",
                    message: "Unknown field.",
                    path: ["credentials", name]
                )
            )
        }
    }

    func check() throws {
        guard issues.isEmpty else {
            throw TerapiError(.invalidBody, "The credentials are not complete.", issues: issues)
        }
    }
}
