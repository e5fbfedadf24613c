/// Whether a provider webhook is genuine.
public enum WebhookVerdict: Sendable, Equatable {
    case genuine
    /// Nothing in the request says who sent it.
    case unsigned(String)
    case refused(String)
}

/// Checks the raw bytes of a request against a rule. Comparisons take the same time whatever is sent.
public struct WebhookVerifier: Sendable {
    /// Signatures of one request that are looked at: who lists a thousand only wants us to work.
    private static let maxSignatures = 20

    let rule: ProviderWebhookRule
    let keys: [String: [Secret]]
    let keySet: JSONValue?
    let now: Timestamp

    /// - Parameters:
    ///   - keys: the values of each key; all of them are tried.
    ///   - keySet: the public keys of signed tokens, as the provider publishes them.
    public init(rule: ProviderWebhookRule, keys: [String: [Secret]], keySet: JSONValue? = nil, now: Timestamp) {
        self.rule = rule
        self.keys = keys.mapValues { $0.filter { !$0.reveal().isEmpty } }
        self.keySet = keySet
        self.now = now
    }

    /// - Parameters:
    ///   - hasAddressToken: whether the request came to an address that holds a valid token.
    /// - Returns: the verdict, and the claims of a signed token.
    public func verify(_ content: WebhookContent, hasAddressToken: Bool) -> (WebhookVerdict, claims: JSONValue?) {
        var claims: JSONValue?
        var content = content
        content.scope.secrets = keys.compactMapValues(\.first)
        let verdict = check(rule.verification, content, hasAddressToken, &claims)
        return (verdict, claims)
    }

    private func check(
        _ verification: ProviderWebhookRule.Verification,
        _ content: WebhookContent,
        _ hasAddressToken: Bool,
        _ claims: inout JSONValue?
    ) -> WebhookVerdict {
        switch verification {
        case .anyOf(let parts):
            var reason = WebhookVerdict.unsigned("The request has no signature.")
            for part in parts {
                let verdict = check(part, content, hasAddressToken, &claims)
                if verdict == .genuine { return verdict }
                if case .refused = verdict { reason = verdict }
            }
            return reason
        case .allOf(let parts):
            for part in parts {
                let verdict = check(part, content, hasAddressToken, &claims)
                if verdict != .genuine { return verdict }
            }
            return .genuine
        case .signature(let rule): return check(rule, content.scope)
        case .token(let rule): return check(rule, content)
        case .basic(let key): return checkBasic(key, content.scope)
        case .jwt(let rule): return WebhookTokenCheck(rule: rule, verifier: self).check(content.scope, &claims)
        case .addressToken:
            return hasAddressToken
                ? .genuine
                : .unsigned(
                    "The provider signs nothing: give it the address of a registration, which ends with a secret token."
                )
        }
    }

    // MARK: Signatures

    private func check(_ rule: ProviderWebhookRule.SignatureRule, _ scope: WebhookScope) -> WebhookVerdict {
        guard let value = scope.text(rule.place.source) else {
            if case .header(let name) = rule.place.source, scope.request.hasHeader(name) {
                return .refused("The header \(name) is there more than once.")
            }
            return .unsigned("The request has no signature at \(rule.place.source.place).")
        }
        var scope = scope
        let candidates = signatures(in: value, rule.place, &scope)
        guard !candidates.isEmpty else { return .refused("The signature is not of the form that the provider writes.") }
        if let time = rule.time, let problem = check(time, scope) { return .refused(problem) }
        if let (source, digest) = rule.bodyDigest {
            guard let given = scope.text(source).flatMap(Self.hexBytes),
                constantTimeEqual(given, digest.digest(scope.request.body))
            else { return .refused("The digest of the body does not fit.") }
        }
        let keys = keyBytes(rule.key)
        guard !keys.isEmpty else { return noKey(rule.key) }
        for key in keys {
            guard let message = message(rule, key: key, scope) else {
                return .refused("A part of what is signed is missing, or there more than once.")
            }
            for candidate in candidates {
                if isSigned(message, by: candidate, rule.algorithm, key: key) { return .genuine }
            }
        }
        return .refused("The signature does not fit.")
    }

    private func isSigned(
        _ message: [UInt8],
        by signature: [UInt8],
        _ algorithm: ProviderWebhookRule.Algorithm,
        key: [UInt8]
    ) -> Bool {
        switch algorithm {
        case .hmac(let digest): constantTimeEqual(signature, digest.hmac(key: key, message))
        case .hash(let digest): constantTimeEqual(signature, digest.digest(message))
        case .ed25519: PublicKeySignature.isEd25519(signature, of: message, key: key)
        case .ecdsa: PublicKeySignature.isECDSA(signature, of: message, key: key)
        case .rsa(let digest): PublicKeySignature.isRSA(signature, of: message, key: key, digest)
        }
    }

    private func message(_ rule: ProviderWebhookRule.SignatureRule, key: [UInt8], _ scope: WebhookScope) -> [UInt8]? {
        var message: [UInt8] = []
        for part in rule.message {
            if case .secret = part {
                message += key
            } else if let bytes = scope.bytes(part) {
                message += bytes
            } else {
                return nil
            }
        }
        return message
    }

    /// Also notes the named parts of the value, such as `t` of `t=1,v1=…`.
    private func signatures(
        in value: String,
        _ place: ProviderWebhookRule.SignaturePlace,
        _ scope: inout WebhookScope
    ) -> [[UInt8]] {
        var parts = [value[...]]
        if let separator = place.separator?.first {
            parts = value.split(separator: separator, omittingEmptySubsequences: false)
            // No provider lists the same twice, nor nothing.
            guard parts.count <= Self.maxSignatures, Set(parts).count == parts.count, !parts.contains("") else {
                return []
            }
        }
        if let name = place.partName {
            let named = parts.compactMap { part -> (name: String, value: String)? in
                let halves = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return halves.count == 2 && !halves[0].isEmpty ? (String(halves[0]), String(halves[1])) : nil
            }
            guard named.count == parts.count else { return [] }
            scope.signatureFields = named
            parts = named.filter { $0.name == name }.map { $0.value[...] }
            // One that is broken breaks the list: no provider writes it so.
            guard parts.allSatisfy({ bytes($0, place) != nil }) else { return [] }
        }
        return parts.compactMap { part in
            if part.hasPrefix(place.prefix) { return bytes(part.dropFirst(place.prefix.count), place) }
            return place.isPrefixOptional ? bytes(part, place) : nil
        }
    }

    /// Only exactly what the provider's own encoder would write.
    private func bytes(_ text: Substring, _ place: ProviderWebhookRule.SignaturePlace) -> [UInt8]? {
        guard place.isHex else { return Base64.standard.decode(String(text)).flatMap { $0.isEmpty ? nil : $0 } }
        return switch place.letterCase {
        case .lower: text.contains(where: \.isUppercase) ? nil : Self.hexBytes(String(text))
        case .upper: text.contains(where: \.isLowercase) ? nil : Self.hexBytes(String(text))
        case .any: Self.hexBytes(String(text))
        }
    }

    static func hexBytes(_ text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard !digits.isEmpty, digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = hexDigit(digits[index]), let low = hexDigit(digits[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    private func check(_ rule: ProviderWebhookRule.TimeRule, _ scope: WebhookScope) -> String? {
        guard let text = scope.text(rule.source), let time = rule.time(text) else {
            return "The time of the signature is missing, or not written as the provider writes it."
        }
        guard abs((now - time).microseconds) <= rule.tolerance.microseconds else {
            return "The signature is of \(time.iso8601), which is too far from now. Is the clock right?"
        }
        return nil
    }

    // MARK: Words that are compared

    private func check(_ rule: ProviderWebhookRule.TokenRule, _ content: WebhookContent) -> WebhookVerdict {
        let keys = (keys[rule.key] ?? []).map { Array((rule.prefix + $0.reveal()).utf8) }
        guard !keys.isEmpty else { return noKey(rule.key) }
        // A word inside each event must be right in every one.
        let scopes = rule.source.isOfItem ? content.items(self.rule).map(\.scope) : [content.scope]
        guard !scopes.isEmpty else { return .unsigned("The request holds no event that could be checked.") }
        for scope in scopes {
            guard let given = scope.text(rule.source) else {
                if case .header(let name) = rule.source, scope.request.hasHeader(name) {
                    return .refused("The header \(name) is there more than once.")
                }
                return .unsigned("The request has nothing at \(rule.source.place).")
            }
            guard keys.contains(where: { constantTimeEqual(given.utf8, $0) }) else {
                return .refused("What stands at \(rule.source.place) is not the secret.")
            }
        }
        return .genuine
    }

    private func checkBasic(_ key: String, _ scope: WebhookScope) -> WebhookVerdict {
        let keys = keys[key] ?? []
        guard !keys.isEmpty else { return noKey(key) }
        guard let value = scope.request.header("authorization") else {
            return .unsigned("The request has no user name and password.")
        }
        guard value.hasPrefix("Basic "), let given = Base64.standard.decode(String(value.dropFirst(6))),
            keys.contains(where: { constantTimeEqual(given, Array($0.reveal().utf8)) })
        else { return .refused("The user name or the password is wrong.") }
        return .genuine
    }

    // MARK: Keys

    /// A key as the bytes that sign; those that are not written in the rule's encoding are left out.
    func keyBytes(_ name: String) -> [[UInt8]] {
        let key = rule.keys[name]
        return (keys[name] ?? []).compactMap { secret in
            var text = secret.reveal()
            if let strip = key?.strip, !strip.isEmpty, text.hasPrefix(strip) {
                text = String(text.dropFirst(strip.count))
            }
            text += key?.suffix ?? ""
            let bytes: [UInt8]? =
                switch key?.encoding ?? .utf8 {
                case .utf8: Array(text.utf8)
                case .base64: Base64.standard.decode(text)
                case .hex: Self.hexBytes(text.lowercased())
                }
            return bytes.flatMap { $0.isEmpty ? nil : $0 }
        }
    }

    func noKey(_ name: String) -> WebhookVerdict {
        let sources = rule.keys[name]?.sources ?? []
        let places = sources.map { source in
            switch source {
            case .clientID: "the integration's client_id"
            case .clientSecret: "the integration's client_secret"
            case .userDefined(let name): "\"\(name)\" in the integration's integration_config"
            case .subscription: "a registration of the webhook"
            }
        }
        return .refused("No secret is known to check with. Set \(places.joined(separator: " or ")).")
    }
}

extension ProviderWebhookRule.TimeRule {
    /// - Returns: `nil` unless the text is written exactly in the unit.
    func time(_ text: String) -> Timestamp? {
        if unit == .iso8601 { return Timestamp(iso8601: text) }
        guard (1...16).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = Int64(text)
        else { return nil }
        let (microseconds, overflow) = number.multipliedReportingOverflow(by: unit == .seconds ? 1_000_000 : 1000)
        return overflow ? nil : Timestamp(microseconds: microseconds)
    }
}

extension WebhookExpression {
    /// For messages.
    var place: String {
        switch self {
        case .header(let name): "the header \(name)"
        case .query(let name): "\"\(name)\" of the query"
        case .body(let path), .data(let path): "\"\(path)\" of the body"
        case .item(let path): "\"\(path)\" of each event"
        default: "its place"
        }
    }
}
