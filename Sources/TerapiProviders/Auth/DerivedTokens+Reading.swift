import TerapiCore

extension DerivedTokens {
    /// What an answer means. Nothing is asked for here.
    static func read(
        _ answer: RefreshAnswer,
        for derived: DerivedCredentials,
        provider: Provider,
        secrets: [Secret],
        now: Timestamp
    ) -> RefreshResult {
        let reader = AnswerReader(answer: answer, provider: provider, secrets: secrets, now: now)
        var renewed = derived
        renewed.once = JSONObject()
        renewed.issuedAt = now
        var config = JSONObject()
        guard (200..<300).contains(answer.status) else { return reader.refusal(of: derived.mode) }
        let isComplete =
            switch derived.mode {
            case .oauth2ClientCredentials: reader.clientCredentials(&renewed, &config)
            case .twoStep: reader.steps(&renewed, &config)
            case .bill: reader.session(&renewed)
            case .awsSigV4: reader.role(&renewed)
            default: reader.token(&renewed)
            }
        guard isComplete else { return .retryLater(nil, reader.words) }
        if let assertion = answer.headers[assertionName], !derived.once.isEmpty {
            renewed.given["assertion"] = .string(assertion)
        }
        return .refreshed(NewCredentials(credentials: .derived(renewed), config: config))
    }
}

private struct AnswerReader {
    let answer: RefreshAnswer
    let provider: Provider
    let read: TokenAnswer
    let document: JSONValue?
    let now: Timestamp

    init(answer: RefreshAnswer, provider: Provider, secrets: [Secret], now: Timestamp) {
        self.answer = answer
        self.provider = provider
        self.now = now
        document = TokenDocument.read(answer.body)
        read = TokenAnswer(
            status: answer.status,
            body: answer.body,
            oauth2: provider.oauth2 ?? Provider.OAuth2(authorizationURL: "", tokenURL: ""),
            secrets: secrets
        )
    }

    var words: String { read.refusal?.text ?? "it answered \(answer.status) without a token" }

    /// The secrets are the end user's own, but for an app: its key is the developer's.
    func refusal(of mode: AuthMode) -> RefreshResult {
        let wait = answer.retryAfter.flatMap { RetryRule.wait($0, now: now) }
        // Walls and gateways answer with pages, and speak of nobody's credentials.
        guard answer.status != 429, answer.status < 500, document != nil || answer.body.isEmpty else {
            return .retryLater(wait, words)
        }
        if mode == .app { return answer.status == 404 ? .invalidGrant(words) : .invalidClient(words) }
        if mode == .awsSigV4, Self.isOurKey(document?.value(at: "ErrorResponse.Error.Code")?.string) {
            return .invalidClient(words)
        }
        let isClear = answer.status == 401 || answer.status == 403 || read.isRefusedGrant || read.isRefusedClient
        return isClear ? .invalidGrant(words) : .retryLater(wait, words)
    }

    private static func isOurKey(_ code: String?) -> Bool {
        ["InvalidClientTokenId", "SignatureDoesNotMatch", "IncompleteSignature", "ExpiredToken"].contains(code)
    }

    func clientCredentials(_ derived: inout DerivedCredentials, _ config: inout JSONObject) -> Bool {
        guard let tokens = read.credentials(previous: nil, now: now) else { return false }
        derived.issued = ["token": .string(tokens.accessToken.reveal())]
        derived.expiresAt = tokens.expiresAt ?? now + DerivedTokens.clientCredentialsLifetime
        derived.raw = tokens.raw
        config = read.metadata(provider.oauth2?.tokenResponseMetadata ?? [])
        return true
    }

    func steps(_ derived: inout DerivedCredentials, _ config: inout JSONObject) -> Bool {
        guard let exchange = provider.tokenExchange else { return false }
        var issued = JSONObject()
        let cookies = answer.headers["set-cookie"].map(Self.cookies)
        if let token = document?.value(at: exchange.tokenPath)?.scalarText ?? document?.string {
            issued["token"] = .string(token)
        } else if cookies == nil {
            return false
        }
        issued["cookie"] = cookies.map(JSONValue.string)
        derived.issued = issued
        if let path = exchange.refreshTokenPath, let token = document?.value(at: path)?.string, !token.isEmpty {
            derived.refreshToken = Secret(token)
        }
        derived.expiresAt = expiry(exchange, token: issued["token"]?.string)
        derived.raw = document?.object.map(JSONValue.object) ?? .object(JSONObject())
        for path in exchange.responseMetadata {
            if let value = document?.value(at: path) { config[path] = value }
        }
        return true
    }

    private func expiry(_ exchange: Provider.TokenExchange, token: String?) -> Timestamp? {
        if let value = exchange.expirationPath.flatMap({ document?.value(at: $0) }) {
            if exchange.expirationIsMoment {
                if let moment = value.string.flatMap(Timestamp.init(iso8601:)) { return moment }
                if let number = value.double ?? value.string.flatMap(Double.init), number > 1_000_000_000 {
                    let seconds = number > 100_000_000_000 ? number / 1000 : number
                    if seconds < 1e11 { return Timestamp(microseconds: Int64(seconds * 1_000_000)) }
                }
            } else if let life = value.double ?? value.string.flatMap(Double.init), life > 0, life < 1e10 {
                return now + .milliseconds(Int64(life * 1000))
            }
        }
        if let lifetime = exchange.lifetime { return lifetime == .zero ? nil : now + lifetime }
        return token.flatMap(JSONWebToken.expiry).map { $0 - .seconds(15 * 60) }
    }

    /// What a browser would send back.
    private static func cookies(_ lines: String) -> String {
        lines.split(separator: "\n").compactMap { $0.split(separator: ";").first.map(String.init) }
            .joined(separator: "; ")
    }

    func session(_ derived: inout DerivedCredentials) -> Bool {
        let place = document?["response_data"] ?? document
        guard let session = place?["sessionId"]?.string else { return false }
        derived.issued = ["session_id": .string(session)]
        derived.issued["user_id"] = place?["userId"]
        derived.expiresAt = now + (provider.tokenExchange?.lifetime ?? DerivedTokens.usualLifetime)
        derived.raw = place ?? .null
        return true
    }

    func role(_ derived: inout DerivedCredentials) -> Bool {
        let path = "AssumeRoleResponse.AssumeRoleResult.Credentials"
        guard let keys = document?.value(at: path), let id = keys["AccessKeyId"]?.string,
            let secret = keys["SecretAccessKey"]?.string, let session = keys["SessionToken"]?.string
        else { return false }
        derived.issued = [
            "access_key_id": .string(id), "secret_access_key": .string(secret), "session_token": .string(session),
        ]
        for name in AssumedRole.facts { derived.issued[name] = answer.headers["\(name):"].map(JSONValue.string) }
        derived.expiresAt =
            keys["Expiration"]?.string.flatMap(Timestamp.init(iso8601:)) ?? now + AssumedRole.lifetime
        derived.raw = document ?? .null
        return true
    }

    /// Tokens that say themselves when they end: of apps, and those that we have signed.
    func token(_ derived: inout DerivedCredentials) -> Bool {
        guard let token = document?["token"]?.string else { return false }
        let name = derived.mode == .app ? "access_token" : "token"
        derived.issued = JSONObject([(name, .string(token))])
        derived.expiresAt =
            document?["expires_at"]?.string.flatMap(Timestamp.init(iso8601:)) ?? now + DerivedTokens.usualLifetime
        if derived.mode == .app { derived.raw = document ?? .null }
        return true
    }
}

extension JSONValue {
    /// A text that is not empty, or the digits of a number.
    fileprivate var scalarText: String? {
        switch self {
        case .string(let text): text.isEmpty ? nil : text
        case .number(let digits): digits
        default: nil
        }
    }
}
