public import TerapiCore

/// Takes secrets out of what is kept of a run. The same secret becomes the same word everywhere, so that a script that
/// hands on what it got sends what was recorded.
public struct SecretRemoval: Sendable {
    /// Shorter texts occur by chance.
    private static let minCharacters = 6
    /// Names of members, in lower case without `_` and `-`.
    private static let names: Set<String> = [
        "accesskey", "accesstoken", "apikey", "apitoken", "authorization", "authtoken", "bearer", "clientsecret",
        "credentials", "idtoken", "password", "privatekey", "refreshtoken", "secret", "secretkey", "sessiontoken",
        "signingkey", "token", "webhooksecret",
    ]

    /// The longest first: where one begins with another, nothing of its end may stay.
    private var words: [(secret: String, word: String)] = []

    /// - Parameter known: secrets that the run began with.
    public init(known: [String] = []) {
        for secret in known { learn(secret) }
    }

    /// Every text in this value is a secret: a connection's credentials, a token.
    public mutating func learnAll(_ value: JSONValue) {
        switch value {
        case .string(let text): learn(text)
        case .array(let values): for value in values { learnAll(value) }
        case .object(let object):
            for (name, value) in object.members where !["type", "expires_at"].contains(name) { learnAll(value) }
        default: break
        }
    }

    /// Finds secrets by the names of the members that hold them.
    public mutating func learn(from exchanges: [Exchange]) {
        for exchange in exchanges {
            for (name, value) in exchange.request.query where Self.isSecret(name) { learn(value) }
            if case .json(let value) = exchange.request.body { learn(in: value) }
            if case .response(_, _, .json(let value)) = exchange.answer { learn(in: value) }
        }
    }

    public func clean(_ text: String) -> String {
        words.reduce(text) { $0.contains($1.secret) ? $0.replacing($1.secret, with: $1.word) : $0 }
    }

    public func clean(_ value: JSONValue) -> JSONValue {
        guard !words.isEmpty else { return value }
        switch value {
        case .string(let text): return .string(clean(text))
        case .array(let values): return .array(values.map(clean))
        case .object(let object): return .object(clean(object))
        default: return value
        }
    }

    public func clean(_ object: JSONObject) -> JSONObject {
        JSONObject(object.members.map { (clean($0.name), clean($0.value)) })
    }

    public func clean(_ exchange: Exchange) -> Exchange {
        var clean = exchange
        clean.request.path = self.clean(exchange.request.path)
        clean.request.query = exchange.request.query.map { ($0.name, self.clean($0.value)) }
        clean.request.body = self.clean(exchange.request.body)
        switch exchange.answer {
        case .response(let status, let headers, let body):
            clean.answer = .response(status: status, headers: self.clean(headers), body: self.clean(body))
        case .failure(let code, let message):
            clean.answer = .failure(code: code, message: self.clean(message))
        }
        return clean
    }

    private func clean(_ body: RecordedBody) -> RecordedBody {
        switch body {
        case .json(let value): .json(clean(value))
        case .text(let text): .text(clean(text))
        case .none, .bytes: body
        }
    }

    private mutating func learn(in value: JSONValue) {
        switch value {
        case .array(let values): for value in values { learn(in: value) }
        case .object(let object):
            for (name, value) in object.members {
                if Self.isSecret(name), let text = value.string { learn(text) } else { learn(in: value) }
            }
        default: break
        }
    }

    private mutating func learn(_ secret: String) {
        guard secret.count >= Self.minCharacters, !words.contains(where: { $0.secret == secret }) else { return }
        words.append((secret, "secret-\(words.count + 1)"))
        words.sort { $0.secret.count > $1.secret.count }
    }

    private static func isSecret(_ name: String) -> Bool {
        names.contains(name.lowercased().filter { $0 != "_" && $0 != "-" })
    }
}
