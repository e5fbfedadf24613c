import TerapiCore

/// What a token endpoint answered (RFC 6749, section 5), with the ways in which providers differ from it.
struct TokenAnswer {
    /// How the provider refused, in its own words.
    struct Refusal: Equatable {
        var error: String
        var description: String?

        /// For a person; without anything that could be a secret.
        var text: String {
            guard let description, !description.isEmpty else { return error }
            return "\(error): \(description)"
        }
    }

    private static let refusedGrants: Set = [
        "invalid_grant", "bad_refresh_token", "invalid_refresh_token", "expired_refresh_token", "token_revoked",
    ]
    private static let refusedClients: Set = [
        "invalid_client", "unauthorized_client", "incorrect_client_credentials", "bad_client_secret",
        "invalid_client_id", "invalid_client_secret",
    ]

    let status: Int
    let document: JSONValue?
    private let oauth2: Provider.OAuth2
    private let secrets: [Secret]

    /// - Parameter secrets: what was sent; an answer that repeats it is not shown.
    init(status: Int, body: [UInt8], oauth2: Provider.OAuth2, secrets: [Secret]) {
        self.status = status
        self.oauth2 = oauth2
        self.secrets = secrets
        document = Self.read(body)
    }

    /// JSON, or a form as GitHub and others send it unless asked otherwise.
    private static func read(_ body: [UInt8]) -> JSONValue? {
        if let json = try? JSONReader.read(body, limits: JSONReader.Limits(maxDepth: 32, maxNodes: 10_000)) {
            return json.object.map { _ in json }
        }
        guard body.count < 65_536, let text = String(validating: body, as: UTF8.self), !text.contains("<"),
            text.contains("=")
        else { return nil }
        let fields = PercentEncoding.form(text.trimmingLineEnd())
        let isForm = fields.contains { $0.name == "access_token" || $0.name == "error" }
        return isForm ? .object(JSONObject(fields.map { ($0.name, .string($0.value)) })) : nil
    }

    /// The tokens, when the answer is a success and holds them.
    /// - Parameter previous: whose refresh token stays when no new one came (RFC 6749, section 6).
    func credentials(previous: OAuth2Credentials?, now: Timestamp) -> OAuth2Credentials? {
        guard (200..<300).contains(status), let document else { return nil }
        let alternate = oauth2.alternateAccessTokenResponsePath.flatMap { document.value(at: $0) }
        let source: JSONValue
        if let token = document["access_token"]?.string, !token.isEmpty {
            source = document
        } else if let alternate {
            source = alternate.string == nil ? alternate : ["access_token": alternate]
        } else {
            return nil
        }
        guard let accessToken = source["access_token"]?.string, !accessToken.isEmpty else { return nil }
        let refreshToken = [source["refresh_token"]?.string, document["refresh_token"]?.string]
            .compactMap(\.self).first { !$0.isEmpty }
        let scope = source["scope"]?.string ?? document["scope"]?.string ?? ""
        let scopes = scope.split { $0 == " " || $0 == "," }.map(String.init)
        return OAuth2Credentials(
            accessToken: Secret(accessToken),
            refreshToken: refreshToken.map(Secret.init) ?? previous?.refreshToken,
            expiresAt: expiry(source, now: now) ?? expiry(document, now: now),
            scopes: scopes.isEmpty ? previous?.scopes ?? [] : scopes,
            raw: document,
            configOverride: previous?.configOverride,
            server: previous?.server
        )
    }

    /// `expires_in` as number or text, or `expires_at` as a date or as seconds since 1970.
    private func expiry(_ source: JSONValue, now: Timestamp) -> Timestamp? {
        if let life = Self.number(source["expires_in"]), life > 0 {
            let seconds = oauth2.expiresInMilliseconds ? life / 1000 : life
            return now + .milliseconds(Int64(min(seconds, 1e10) * 1000))
        }
        if let text = source["expires_at"]?.string, let moment = Timestamp(iso8601: text) { return moment }
        guard let number = Self.number(source["expires_at"]), number > 1_000_000_000 else { return nil }
        let seconds = number > 100_000_000_000 ? number / 1000 : number
        return seconds < 1e11 ? Timestamp(microseconds: Int64(seconds * 1_000_000)) : nil
    }

    private static func number(_ value: JSONValue?) -> Double? {
        let number =
            switch value {
            case .number(let digits): Double(digits)
            case .string(let text): Double(text)
            default: nil as Double?
            }
        return number.flatMap { $0.isFinite ? $0 : nil }
    }

    /// The provider's error, wherever it stands.
    var refusal: Refusal? {
        guard let document else { return nil }
        let error = document["error"]
        let code =
            error?.string ?? error?["code"]?.string ?? error?["type"]?.string ?? document["errorCode"]?.string
            ?? document["error_code"]?.string
        guard let code, !code.isEmpty else { return nil }
        let description =
            document["error_description"]?.string ?? error?["message"]?.string
            ?? document["message"]?.string
        return Refusal(error: shown(code), description: description.map(shown))
    }

    var isRefusedGrant: Bool { refusal.map { Self.refusedGrants.contains($0.error) } ?? false }
    var isRefusedClient: Bool { refusal.map { Self.refusedClients.contains($0.error) } ?? false }

    /// The members of the answer that the provider file wants in the connection's config.
    func metadata(_ paths: [String]) -> JSONObject {
        var config = JSONObject()
        for path in paths { if let value = document?.value(at: path) { config[path] = value } }
        return config
    }

    private func shown(_ text: String) -> String {
        let line = String(text.prefix(300).map { $0.isNewline ? " " : $0 })
        return secrets.reduce(line) { text, secret in
            let value = secret.reveal()
            return value.utf8.count < 4 ? text : text.replacing(value, with: "***")
        }
    }
}

extension String {
    fileprivate func trimmingLineEnd() -> String {
        var text = self[...]
        while text.last?.isNewline == true { text = text.dropLast() }
        return String(text)
    }
}
