/// A request of a provider as a rule reads it: its documents, its events, and whose they are.
public struct WebhookContent: Sendable {
    /// One thing that happened.
    public struct Event: Sendable {
        /// As the provider names it; empty when it does not.
        public var type: String
        /// By which a repetition is known; `nil` when the provider gives none.
        public var id: String?
        /// What a script gets: the event's own part of the body, or all of it.
        public var payload: JSONValue
        /// What to look for where; empty when only the address can tell.
        public var targets: [Target]
        public var isDeauthorization: Bool
        /// The registration at the provider wants to be renewed.
        public var isRenewal: Bool
        /// What to fetch or read, for a script: `type`, `id`, `fetch_url`, `fetch_id`, `from`, `to`.
        public var facts: JSONObject
    }

    public struct Target: Sendable, Hashable {
        public var match: ProviderWebhookRule.Match
        public var value: String

        public init(match: ProviderWebhookRule.Match, value: String) {
            self.match = match
            self.value = value
        }
    }

    struct Item {
        var value: JSONValue?
        var scope: WebhookScope
    }

    /// The deepest and largest document that is read: a body is at most 10 MB.
    private static let limits = JSONReader.Limits(maxDepth: 64, maxNodes: 1_000_000)

    var scope: WebhookScope
    /// Whether the body is what the rule says.
    public let isReadable: Bool

    /// - Parameter readsBody: whether to look at the body at all.
    public init(_ request: ProviderWebhookRequest, rule: ProviderWebhookRule, readsBody: Bool = true) {
        let documents = readsBody ? Self.documents(request, rule.unpacking) : nil
        scope = WebhookScope(request: request, body: documents?.body, data: documents?.data)
        isReadable = documents != nil
    }

    private static func documents(
        _ request: ProviderWebhookRequest,
        _ unpacking: ProviderWebhookRule.Unpacking
    ) -> (body: JSONValue?, data: JSONValue?)? {
        switch unpacking {
        case .empty: return (nil, nil)
        case .json: return json(request.body).map { ($0, nil) }
        case .form: return form(request).map { ($0, nil) }
        case .jsonOrFormField(let name):
            if let body = json(request.body) { return (body, nil) }
            return form(request)?[name]?.string.flatMap { json(Array($0.utf8)) }.map { ($0, nil) }
        case .inner(let expression, let isBase64):
            guard let body = json(request.body) else { return nil }
            let outer = WebhookScope(request: request, body: body)
            guard let text = outer.text(expression) else { return (body, nil) }
            let bytes = isBase64 ? Base64.standard.decode(text) ?? Base64.url.decode(text) : Array(text.utf8)
            return bytes.flatMap(json).map { (body, $0) }
        }
    }

    private static func json(_ bytes: [UInt8]) -> JSONValue? {
        try? JSONReader.read(bytes, limits: limits)
    }

    private static func form(_ request: ProviderWebhookRequest) -> JSONValue? {
        let type = request.header("content-type") ?? ""
        guard type.lowercased().hasPrefix("application/x-www-form-urlencoded"),
            let fields = String(validating: request.body, as: UTF8.self).flatMap({ ProviderWebhookRequest.form($0) })
        else { return nil }
        return .object(JSONObject(fields.map { ($0.name, .string($0.value)) }))
    }

    // MARK: Handshakes

    public enum HandshakeReply: Sendable {
        case answer(ProviderWebhookAnswer, storing: Secret?)
        /// A word that only the provider should know was wrong.
        case refused(status: Int)
    }

    /// The answer to a request that is one of the rule's handshakes; `nil` when it is none.
    public func handshake(
        _ rule: ProviderWebhookRule,
        afterVerification: Bool,
        keys: [String: [Secret]]
    ) -> HandshakeReply? {
        var scope = scope
        scope.secrets = keys.compactMapValues(\.first)
        for handshake in rule.handshakes where handshake.isAfterVerification == afterVerification {
            guard handshake.conditions.allSatisfy({ $0.holds(in: scope) }) else { continue }
            for pair in handshake.equals {
                guard let left = scope.text(pair.left), let right = scope.text(pair.right), !right.isEmpty,
                    constantTimeEqual(left.utf8, right.utf8)
                else { return .refused(status: handshake.otherwise) }
            }
            // A challenge that cannot be answered is none.
            guard let answer = handshake.answer.answer(scope) else { return .refused(status: handshake.otherwise) }
            return .answer(answer, storing: handshake.storedSecret.flatMap { scope.text($0) }.map { Secret($0) })
        }
        return nil
    }

    public func answer(_ rule: ProviderWebhookRule) -> ProviderWebhookAnswer {
        let answer = rule.answer
        let isEmpty = answer.isEmpty || !answer.emptyWhen.isEmpty && answer.emptyWhen.allSatisfy { $0.holds(in: scope) }
        if isEmpty || answer.status == 204 { return ProviderWebhookAnswer(status: answer.status) }
        if answer.body != nil || answer.json != nil, let answer = answer.answer(scope) { return answer }
        return .json(["status": "success"], status: answer.status)
    }

    // MARK: Events

    /// The events of the request, each with what it is about.
    public func events(_ rule: ProviderWebhookRule, claims: JSONValue? = nil) -> [Event] {
        items(rule, claims: claims).map { item in
            let type = rule.event.flatMap { item.scope.values($0).first?.plainText } ?? ""
            let id = rule.id.flatMap { item.scope.text($0) }
            var targets: [Target] = []
            for route in rule.routes {
                let values = route.value.map { item.scope.values($0).compactMap(\.plainText) } ?? []
                for value in values where !value.isEmpty {
                    let target = Target(match: route.match, value: value)
                    if !targets.contains(target) { targets.append(target) }
                }
            }
            let lifecycle = rule.lifecycle
            return Event(
                type: type,
                id: id,
                payload: item.value ?? scope.data ?? scope.body ?? .object(headerFacts),
                targets: targets,
                isDeauthorization: Self.hold(lifecycle.deauthorized, item.scope),
                isRenewal: Self.hold(lifecycle.renewal, item.scope),
                facts: facts(rule, item.scope, type: type, id: id)
            )
        }
    }

    private static func hold(_ conditions: [WebhookCondition], _ scope: WebhookScope) -> Bool {
        !conditions.isEmpty && conditions.allSatisfy { $0.holds(in: scope) }
    }

    /// What a script gets of a request without a body: the provider's own headers.
    private var headerFacts: JSONObject {
        JSONObject(scope.request.headers.filter { $0.name.hasPrefix("x-") }.map { ($0.name, .string($0.value)) })
    }

    private func facts(_ rule: ProviderWebhookRule, _ scope: WebhookScope, type: String, id: String?) -> JSONObject {
        var facts: JSONObject = ["type": .string(type)]
        facts["id"] = id.map(JSONValue.string)
        facts["fetch_url"] = rule.fetchURL.flatMap { scope.text($0) }.map(JSONValue.string)
        facts["fetch_id"] = rule.fetchID.flatMap { scope.text($0) }.map(JSONValue.string)
        facts["from"] = rule.window.flatMap { scope.values($0.from).first }
        facts["to"] = rule.window.flatMap { scope.values($0.to).last }
        return facts
    }

    func items(_ rule: ProviderWebhookRule, claims: JSONValue? = nil) -> [Item] {
        var base = scope
        base.claims = claims
        if let each = rule.each {
            let values = base.values(each)
            let items = values.count == 1 ? values[0].array ?? values : values
            return items.map { value in
                var scope = base
                scope.item = value
                return Item(value: value, scope: scope)
            }
        }
        if let each = rule.eachMember {
            let members = base.values(each).first?.object?.members ?? []
            return members.flatMap { member in
                (member.value.array ?? [member.value]).map { value in
                    var scope = base
                    scope.item = value
                    scope.key = member.name
                    return Item(value: value, scope: scope)
                }
            }
        }
        base.item = scope.data ?? scope.body
        return [Item(value: nil, scope: base)]
    }

    /// The one value that an expression points to, as text.
    public func text(_ expression: WebhookExpression) -> String? {
        scope.text(expression)
    }

    /// The registration that the request names, by the provider's id of it.
    public func subscription(_ rule: ProviderWebhookRule) -> String? {
        rule.lookup.flatMap { scope.text($0) }
    }

    /// The name of the public key that the request's token is signed with.
    public func tokenKeyID(_ rule: ProviderWebhookRule) -> String? {
        func find(_ verification: ProviderWebhookRule.Verification) -> ProviderWebhookRule.JWTRule? {
            switch verification {
            case .anyOf(let parts), .allOf(let parts): parts.compactMap(find).first
            case .jwt(let rule): rule
            default: nil
            }
        }
        return find(rule.verification).flatMap { WebhookTokenCheck.header($0, scope)?["kid"]?.string }
    }
}

extension ProviderWebhookRule.AnswerRule {
    /// - Returns: `nil` when something that the answer must hold is missing.
    func answer(_ scope: WebhookScope) -> ProviderWebhookAnswer? {
        var headers: [ProviderWebhookRequest.Header] = []
        for (name, value) in self.headers {
            guard let text = scope.text(value), !text.utf8.contains(where: { $0 < 0x20 || $0 > 0x7E }) else {
                return nil
            }
            headers.append(.init(name, text))
        }
        if let json {
            guard let document = Self.filled(json, scope) else { return nil }
            var answer = ProviderWebhookAnswer.json(document, status: status)
            answer.headers += headers
            return answer
        }
        guard let body else { return ProviderWebhookAnswer(status: status, headers: headers) }
        guard let text = scope.text(body) else { return nil }
        // Whatever is echoed must never be read as a page.
        headers += [.init("content-type", type ?? "text/plain"), .init("x-content-type-options", "nosniff")]
        return ProviderWebhookAnswer(status: status, headers: headers, body: Array(text.utf8))
    }

    private static func filled(_ value: JSONValue, _ scope: WebhookScope) -> JSONValue? {
        switch value {
        case .string(let text):
            guard let expression = try? WebhookExpression(text) else { return value }
            return scope.values(expression).first
        case .object(let object):
            var filled: [(String, JSONValue)] = []
            for member in object.members {
                guard let value = self.filled(member.value, scope) else { return nil }
                filled.append((member.name, value))
            }
            return .object(JSONObject(filled))
        default: return value
        }
    }
}
