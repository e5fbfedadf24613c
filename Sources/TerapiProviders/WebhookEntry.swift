import TerapiCore

/// Turns the member `webhook` of an entry, whose keys and types are right, into a rule.
struct WebhookEntry {
    private typealias Rule = ProviderWebhookRule

    let json: JSONValue

    var rule: ProviderWebhookRule {
        var rule = ProviderWebhookRule()
        rule.isPerConnection = json["url"]?.string == "per_connection"
        rule.unpacking = unpacking
        for (name, value) in json["keys"]?.object?.members ?? [] { rule.keys[name] = key(value) }
        if let value = json["key"] { rule.keys["secret"] = key(value) }
        rule.lookup = place(json["lookup"])
        rule.handshakes = (json["handshake"]?.array ?? []).map(handshake)
        rule.verification = json["verify"].map(verification) ?? .addressToken
        rule.rejectStatus = json["reject_status"]?.int ?? 401
        if let value = json["ack"] { rule.answer = answer(value) }
        rule.each = place(json["each"])
        rule.eachMember = place(json["each_map"])
        rule.event = place(json["event"])
        rule.id = place(json["id"])
        rule.routes = json["route"].map { $0.array ?? [$0] }?.compactMap(route) ?? []
        rule.isPing = json["deliver"]?.string == "ping"
        rule.fetchURL = place(json["fetch_url"])
        rule.fetchID = place(json["fetch_id"])
        if let from = place(json["window"]?["from"]), let to = place(json["window"]?["to"]) { rule.window = (from, to) }
        rule.triggers = (json["triggers"]?.array ?? []).compactMap { trigger in
            guard let sync = trigger["sync"]?.string else { return nil }
            return Rule.Trigger(event: trigger["event"]?.string ?? "*", sync: sync)
        }
        rule.lifecycle.deauthorized = conditions(json["lifecycle"]?["deauth"])
        rule.lifecycle.renewal = conditions(json["lifecycle"]?["reauth"])
        rule.subscription = json["subscription"].flatMap(subscription)
        rule.unverified = json["unverified"]?.string
        return rule
    }

    // MARK: Parts

    private var unpacking: ProviderWebhookRule.Unpacking {
        guard let value = json["unpack"] else { return .json }
        if let name = value["form_field"]?.string { return .jsonOrFormField(name) }
        if let inner = place(value["base64"]) { return .inner(inner, isBase64: true) }
        if let inner = place(value["json"]) { return .inner(inner, isBase64: false) }
        return switch value.string {
        case "form": .form
        case "empty": .empty
        default: .json
        }
    }

    private func key(_ json: JSONValue) -> ProviderWebhookRule.Key {
        let from = json.string.map { [$0] } ?? json["from"]?.string.map { [$0] } ?? texts(json["from"])
        let name = json["name"]?.string ?? "webhook_secret"
        var key = Rule.Key(
            from.map { source in
                switch source {
                case "client_id": .clientID
                case "client_secret": .clientSecret
                case "subscription": .subscription
                default: .userDefined(name)
                }
            }
        )
        key.strip = json["strip"]?.string ?? ""
        key.suffix = json["suffix"]?.string ?? ""
        key.encoding = json["encoding"]?.string.flatMap(Rule.Encoding.init) ?? .utf8
        return key
    }

    private func handshake(_ json: JSONValue) -> ProviderWebhookRule.Handshake {
        var found: [WebhookCondition] = []
        for (source, value) in json["when"]?.object?.members ?? [] {
            if source == "method" {
                found.append(WebhookCondition(.method, equals: value.string))
            } else {
                found += conditions(value, in: source)
            }
        }
        var handshake = Rule.Handshake(conditions: found, answer: answer(json["respond"] ?? [:]))
        handshake.equals = (json["equals"]?.object?.members ?? []).compactMap { left, right in
            guard let left = place(.string(left)), let right = place(right) else { return nil }
            return (left, right)
        }
        handshake.otherwise = json["otherwise"]?.int ?? 403
        handshake.isAfterVerification = json["after_verify"]?.bool ?? false
        handshake.storedSecret = place(json["store_secret"])
        return handshake
    }

    private func answer(_ json: JSONValue) -> ProviderWebhookRule.AnswerRule {
        var answer = Rule.AnswerRule()
        answer.status = json["status"]?.int ?? 200
        answer.type = json["type"]?.string
        answer.headers = (json["headers"]?.object?.members ?? []).compactMap { name, value in
            place(value).map { (name.lowercased(), $0) }
        }
        answer.body = place(json["body"])
        answer.json = json["json"]
        answer.isEmpty = json["empty"]?.bool ?? false
        answer.emptyWhen = conditions(json["empty_when"])
        return answer
    }

    private func verification(_ json: JSONValue) -> ProviderWebhookRule.Verification {
        if let parts = json["any_of"]?.array { return .anyOf(parts.map(verification)) }
        if let parts = json["all_of"]?.array { return .allOf(parts.map(verification)) }
        let key = json["key"]?.string ?? "secret"
        if let source = place(json["token"]) {
            var token = Rule.TokenRule(source: source, key: key)
            token.prefix = json["prefix"]?.string ?? ""
            return .token(token)
        }
        if json["basic"]?.bool == true { return .basic(key: key) }
        if let jwt = json["jwt"] { return .jwt(self.jwt(jwt)) }
        guard let algorithm = algorithm(json), let sig = json["sig"] else { return .addressToken }
        var rule = Rule.SignatureRule(
            algorithm,
            key: key,
            message: texts(json["msg"]).compactMap { place(.string($0)) },
            place: signaturePlace(sig)
        )
        if let time = json["ts"], let source = place(time["in"]) {
            rule.time = Rule.TimeRule(
                source: source,
                unit: time["unit"]?.string.flatMap(Rule.TimeRule.Unit.init) ?? .seconds,
                tolerance: .seconds(time["tolerance"]?.int ?? 300)
            )
        }
        if let digest = json["body_hash"], let source = place(digest["in"]) {
            rule.bodyDigest = (source, digest["alg"]?.string.flatMap(Rule.Digest.init) ?? .sha256)
        }
        return .signature(rule)
    }

    private func algorithm(_ json: JSONValue) -> ProviderWebhookRule.Algorithm? {
        func digest(_ name: String) -> ProviderWebhookRule.Digest? { json[name]?.string.flatMap(Rule.Digest.init) }
        if let digest = digest("hmac") { return .hmac(digest) }
        if let digest = digest("hash") { return .hash(digest) }
        if let digest = digest("rsa") { return .rsa(digest) }
        if json["ed25519"]?.bool == true { return .ed25519 }
        return json["ecdsa"] == nil ? nil : .ecdsa
    }

    private func signaturePlace(_ json: JSONValue) -> ProviderWebhookRule.SignaturePlace {
        let name = json["name"]?.string ?? ""
        let source: WebhookExpression =
            switch json["in"]?.string {
            case "query": .query(name)
            case "body": .body(name)
            default: .header(name.lowercased())
            }
        var place = Rule.SignaturePlace(source: source)
        place.separator = json["split"]?.string
        place.partName = json["kv"]?.string
        place.prefix = json["prefix"]?.string ?? ""
        place.isPrefixOptional = json["optional_prefix"]?.bool ?? false
        place.isHex = json["enc"]?.string != "base64"
        place.letterCase = json["case"]?.string.flatMap(Rule.SignaturePlace.Case.init) ?? .lower
        return place
    }

    private func jwt(_ json: JSONValue) -> ProviderWebhookRule.JWTRule {
        var rule = Rule.JWTRule(
            source: place(json["in"]) ?? .header("authorization"),
            algorithm: json["alg"]?.string ?? "RS256",
            key: json["key"]?.string ?? "secret"
        )
        rule.prefix = json["prefix"]?.string ?? ""
        rule.keySetURL = json["jwks"]?.string
        rule.issuers = texts(json["iss"])
        rule.audience = place(json["aud"])
        rule.claims = (json["claims"]?.object?.members ?? []).compactMap { name, value in
            place(value).map { (name, $0) }
        }
        rule.needsExpiry = json["exp"]?.bool ?? true
        return rule
    }

    private func route(_ json: JSONValue) -> ProviderWebhookRule.Route? {
        guard let name = json["match"]?.string else { return nil }
        let match: ProviderWebhookRule.Match =
            switch name {
            case "connection_id": .connectionID
            case "subscription": .subscription
            default: .field(name)
            }
        return Rule.Route(value: place(json["value"]), match: match)
    }

    private func subscription(_ json: JSONValue) -> WebhookSubscriptionRule? {
        guard let create = json["create"].flatMap(request) else { return nil }
        var rule = WebhookSubscriptionRule(create: create)
        rule.renew = json["renew"].flatMap(request)
        rule.delete = json["delete"].flatMap(request)
        rule.id = place(json["id"])
        rule.secret = place(json["secret"])
        rule.expires = place(json["expires"])
        rule.lifetime = json["lifetime_days"]?.int.map { .seconds($0 * 86_400) }
        rule.params = texts(json["params"])
        return rule
    }

    private func request(_ json: JSONValue) -> WebhookSubscriptionRule.Request? {
        guard let endpoint = json["endpoint"]?.string else { return nil }
        func pairs(_ name: String) -> [(name: String, value: String)] {
            (json[name]?.object?.members ?? []).map { ($0.name, $0.value.plainText ?? "") }
        }
        return WebhookSubscriptionRule.Request(
            method: json["method"]?.string ?? "POST",
            endpoint: endpoint,
            headers: pairs("headers"),
            query: pairs("params"),
            data: json["data"]
        )
    }

    // MARK: Values

    private func place(_ json: JSONValue?) -> WebhookExpression? {
        json?.string.flatMap { try? WebhookExpression($0) }
    }

    private func conditions(_ json: JSONValue?, in source: String? = nil) -> [WebhookCondition] {
        let found = json?.string.map { [$0] } ?? texts(json)
        return found.compactMap { try? WebhookCondition($0, in: source) }
    }

    private func texts(_ json: JSONValue?) -> [String] {
        (json?.array ?? []).compactMap(\.string)
    }
}
