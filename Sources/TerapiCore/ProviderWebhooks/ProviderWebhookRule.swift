/// How a provider's webhooks are received, as its file declares it under `webhook`.
///
/// The order is always: handshake, verification of the raw bytes, durable store, answer, then the events inside, whose
/// connections they are, and the work.
public struct ProviderWebhookRule: Sendable {
    /// Where a key comes from.
    public enum KeySource: Sendable, Equatable {
        case clientID
        case clientSecret
        /// What the team has set for the integration: `webhook_secret` or another name of its `integration_config`.
        case userDefined(String)
        /// What the provider told while the webhook was registered, or what we chose for it then.
        case subscription
    }

    public enum Encoding: String, Sendable {
        case utf8, base64, hex
    }

    /// A key that signatures are made with, or a word that is compared.
    public struct Key: Sendable {
        /// Every one that has a value is tried: that is how a rotation goes without a gap.
        public var sources: [KeySource]
        public var strip = ""
        public var suffix = ""
        public var encoding: Encoding = .utf8

        public init(_ sources: [KeySource]) {
            self.sources = sources
        }
    }

    /// What the body of a request is.
    public enum Unpacking: Sendable {
        case json
        case form
        /// JSON, or a form whose field of this name holds JSON.
        case jsonOrFormField(String)
        /// Nothing is looked at: everything stands in the headers.
        case empty
        /// JSON that holds another document as base64 or as text.
        case inner(WebhookExpression, isBase64: Bool)
    }

    /// A request that asks for a special answer and tells of nothing.
    public struct Handshake: Sendable {
        /// All must hold.
        public var conditions: [WebhookCondition]
        /// Pairs that must be equal, compared in constant time.
        public var equals: [(left: WebhookExpression, right: WebhookExpression)] = []
        /// The status when a pair is not equal.
        public var otherwise = 403
        public var isAfterVerification = false
        public var answer: AnswerRule
        /// A secret that the provider tells here. Taken once, while none is known.
        public var storedSecret: WebhookExpression?

        public init(conditions: [WebhookCondition], answer: AnswerRule) {
            self.conditions = conditions
            self.answer = answer
        }
    }

    public struct AnswerRule: Sendable {
        public var status = 200
        public var type: String?
        public var headers: [(name: String, value: WebhookExpression)] = []
        public var body: WebhookExpression?
        /// Texts in it are expressions.
        public var json: JSONValue?
        public var isEmpty = false
        public var emptyWhen: [WebhookCondition] = []

        public init() {}
    }

    public enum Digest: String, Sendable {
        case sha1, sha256, sha512
    }

    public enum Algorithm: Sendable, Equatable {
        case hmac(Digest)
        /// A plain digest with the secret as part of the message; only where a provider has nothing better.
        case hash(Digest)
        case ed25519
        case ecdsa
        case rsa(Digest)
    }

    /// Where the signature stands, and how it is written.
    public struct SignaturePlace: Sendable {
        public enum Case: String, Sendable {
            case lower, upper, any
        }

        public var source: WebhookExpression
        /// The value holds several parts, divided by this.
        public var separator: String?
        /// Of parts `name=value` the one with this name.
        public var partName: String?
        public var prefix = ""
        public var isPrefixOptional = false
        public var isHex = true
        public var letterCase = Case.lower

        public init(source: WebhookExpression) {
            self.source = source
        }
    }

    public struct TimeRule: Sendable {
        public enum Unit: String, Sendable {
            case seconds = "s"
            case milliseconds = "ms"
            case iso8601
        }

        public var source: WebhookExpression
        public var unit: Unit
        public var tolerance: Duration

        public init(source: WebhookExpression, unit: Unit, tolerance: Duration) {
            self.source = source
            self.unit = unit
            self.tolerance = tolerance
        }
    }

    public struct SignatureRule: Sendable {
        public var algorithm: Algorithm
        public var key: String
        public var message: [WebhookExpression]
        public var place: SignaturePlace
        public var time: TimeRule?
        /// Where the digest of the body stands when the message does not hold the body itself.
        public var bodyDigest: (source: WebhookExpression, digest: Digest)?

        public init(_ algorithm: Algorithm, key: String, message: [WebhookExpression], place: SignaturePlace) {
            self.algorithm = algorithm
            self.key = key
            self.message = message
            self.place = place
        }
    }

    public struct TokenRule: Sendable {
        public var source: WebhookExpression
        public var key: String
        /// What stands before the key, such as `Bearer `.
        public var prefix = ""

        public init(source: WebhookExpression, key: String) {
            self.source = source
            self.key = key
        }
    }

    public struct JWTRule: Sendable {
        public var source: WebhookExpression
        public var prefix = ""
        /// `HS256`, `RS256` or `ES256`; a token that names another is refused.
        public var algorithm: String
        /// Of the shared secret; unused with a key set.
        public var key: String
        public var keySetURL: String?
        public var issuers: [String] = []
        public var audience: WebhookExpression?
        /// Further claims that must be equal, each to an expression.
        public var claims: [(name: String, value: WebhookExpression)] = []
        public var needsExpiry = true

        public init(source: WebhookExpression, algorithm: String, key: String) {
            self.source = source
            self.algorithm = algorithm
            self.key = key
        }
    }

    public indirect enum Verification: Sendable {
        case anyOf([Verification])
        case allOf([Verification])
        case signature(SignatureRule)
        case token(TokenRule)
        /// `Authorization: Basic` with the key as `user:password`.
        case basic(key: String)
        case jwt(JWTRule)
        /// The provider signs nothing: the address holds a token that nobody can guess.
        case addressToken
    }

    public enum Match: Sendable, Hashable {
        /// The connection's own id.
        case connectionID
        /// A member of the connection's config or metadata.
        case field(String)
        /// The registration at the provider, by the provider's id of it.
        case subscription
    }

    public struct Route: Sendable {
        public var value: WebhookExpression?
        public var match: Match

        public init(value: WebhookExpression?, match: Match) {
            self.value = value
            self.match = match
        }
    }

    public struct Trigger: Sendable {
        /// With `*` for any text.
        public var event: String
        public var sync: String

        public init(event: String, sync: String) {
            self.event = event
            self.sync = sync
        }
    }

    public struct Lifecycle: Sendable {
        /// The end user has withdrawn the authorization.
        public var deauthorized: [WebhookCondition] = []
        /// The registration at the provider is about to end, or has.
        public var renewal: [WebhookCondition] = []

        public init() {}
    }

    /// Whether each connection has an address of its own.
    public var isPerConnection = false
    public var unpacking = Unpacking.json
    public var keys: [String: Key] = [:]
    /// Which registration a request belongs to, when the keys are kept with it and the address does not tell.
    public var lookup: WebhookExpression?
    public var handshakes: [Handshake] = []
    public var verification: Verification = .addressToken
    public var rejectStatus = 401
    public var answer = AnswerRule()
    /// The events of one request: a list.
    public var each: WebhookExpression?
    /// The events of one request: an object of lists; the member's name is `key`.
    public var eachMember: WebhookExpression?
    public var event: WebhookExpression?
    public var id: WebhookExpression?
    /// Each is tried; all connections that any finds get the event.
    public var routes: [Route] = []
    /// Whether an event only says that something happened.
    public var isPing = false
    public var fetchURL: WebhookExpression?
    public var fetchID: WebhookExpression?
    public var window: (from: WebhookExpression, to: WebhookExpression)?
    public var triggers: [Trigger] = []
    public var lifecycle = Lifecycle()
    public var subscription: WebhookSubscriptionRule?
    /// What no public document has confirmed to us.
    public var unverified: String?

    public init() {}
}

extension ProviderWebhookRule {
    /// Where the public keys of signed tokens are fetched from.
    public var keySetURL: String? {
        func find(_ verification: Verification) -> String? {
            switch verification {
            case .anyOf(let parts), .allOf(let parts): parts.compactMap(find).first
            case .jwt(let rule): rule.keySetURL
            default: nil
            }
        }
        return find(verification)
    }

    /// Whether what is checked stands inside the body.
    public var verificationReadsBody: Bool {
        func reads(_ verification: Verification) -> Bool {
            switch verification {
            case .anyOf(let parts), .allOf(let parts): parts.contains(where: reads)
            case .signature(let rule):
                rule.place.source.isInBody || rule.message.contains(where: \.isInBody)
                    || rule.time?.source.isInBody ?? false
            case .token(let rule): rule.source.isInBody
            case .basic, .jwt, .addressToken: false
            }
        }
        return lookup != nil || reads(verification)
    }

    /// Whether a registration at the provider holds the key.
    public var keepsKeysWithSubscriptions: Bool {
        keys.values.contains { $0.sources.contains(.subscription) }
    }

    /// The values of each key.
    /// - Parameter registered: the secrets of the registrations that a request can belong to.
    public func values(of integration: Integration, registered: [Secret]) -> [String: [Secret]] {
        keys.mapValues { key in
            key.sources.flatMap { source -> [Secret] in
                switch source {
                case .clientID: (integration.credentials?.clientID).map { [Secret($0)] } ?? []
                case .clientSecret: (integration.credentials?.clientSecret).map { [$0] } ?? []
                case .subscription: registered
                case .userDefined(let name):
                    // The one that comes is good before the one that goes is taken away.
                    [
                        name == "webhook_secret" ? integration.credentials?.webhookSecret : nil,
                        integration.custom[name]?.string.map { Secret($0) },
                        integration.custom["\(name)_next"]?.string.map { Secret($0) },
                    ].compactMap(\.self)
                }
            }
        }
    }

    /// Whether a name matches a pattern in which `*` stands for any text.
    public static func matches(_ pattern: String, _ name: String) -> Bool {
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false)
        guard parts.count > 1, let first = parts.first, let last = parts.last else { return pattern == name }
        guard name.hasPrefix(first), name.hasSuffix(last), name.count >= first.count + last.count else { return false }
        var rest = name.dropFirst(first.count).dropLast(last.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let range = rest.firstRange(of: part) else { return false }
            rest = rest[range.upperBound...]
        }
        return true
    }
}
