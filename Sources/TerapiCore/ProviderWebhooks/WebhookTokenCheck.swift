/// Checks a JSON Web Token (RFC 7519) that a provider sends along.
struct WebhookTokenCheck {
    /// How far apart the clocks may be.
    private static let leeway: Int64 = 60

    let rule: ProviderWebhookRule.JWTRule
    let verifier: WebhookVerifier

    /// The header of the token that a request carries: it names the key.
    static func header(_ rule: ProviderWebhookRule.JWTRule, _ scope: WebhookScope) -> JSONValue? {
        guard let text = scope.text(rule.source), text.hasPrefix(rule.prefix) else { return nil }
        let parts = text.dropFirst(rule.prefix.count).split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        return Base64.url.decode(String(parts[0])).flatMap { try? JSONReader.read($0) }
    }

    func check(_ scope: WebhookScope, _ claims: inout JSONValue?) -> WebhookVerdict {
        guard let text = scope.text(rule.source) else {
            if case .header(let name) = rule.source, scope.request.hasHeader(name) {
                return .refused("The header \(name) is there more than once.")
            }
            return .unsigned("The request has no token at \(rule.source.place).")
        }
        guard text.hasPrefix(rule.prefix) else { return .refused("The token is not of the scheme that is expected.") }
        let parts = text.dropFirst(rule.prefix.count).split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let signature = Base64.url.decode(String(parts[2])), !signature.isEmpty,
            let header = Base64.url.decode(String(parts[0])).flatMap({ try? JSONReader.read($0) }),
            let payload = Base64.url.decode(String(parts[1])).flatMap({ try? JSONReader.read($0) })
        else { return .refused("The token is not a JSON Web Token.") }
        // The rule decides, never the token: or a public key would be taken for a shared secret.
        guard header["alg"]?.string == rule.algorithm else {
            return .refused("The token is not signed with \(rule.algorithm).")
        }
        let message = Array("\(parts[0]).\(parts[1])".utf8)
        guard isSigned(message, by: signature, header: header) else {
            if rule.keySetURL == nil, verifier.keyBytes(rule.key).isEmpty { return verifier.noKey(rule.key) }
            return .refused("The signature of the token does not fit.")
        }
        if let problem = problem(with: payload, scope) { return .refused(problem) }
        claims = payload
        return .genuine
    }

    private func isSigned(_ message: [UInt8], by signature: [UInt8], header: JSONValue) -> Bool {
        guard rule.keySetURL != nil else {
            return rule.algorithm == "HS256"
                && verifier.keyBytes(rule.key).contains {
                    constantTimeEqual(signature, ProviderWebhookRule.Digest.sha256.hmac(key: $0, message))
                }
        }
        let keys = verifier.keySet?["keys"]?.array ?? []
        return keys.filter { header["kid"] == nil || $0["kid"] == header["kid"] }.contains {
            PublicKeySignature.isSigned(message, by: signature, algorithm: rule.algorithm, key: $0)
        }
    }

    private func problem(with claims: JSONValue, _ scope: WebhookScope) -> String? {
        let now = verifier.now.unixSeconds
        if let expiry = claims["exp"] {
            guard let end = expiry.double, Double(now - Self.leeway) < end else { return "The token has expired." }
        } else if rule.needsExpiry {
            return "The token does not say when it ends."
        }
        if let start = claims["nbf"]?.double, start > Double(now + Self.leeway) { return "The token is not valid yet." }
        if !rule.issuers.isEmpty, !rule.issuers.contains(claims["iss"]?.string ?? "") {
            return "The token is of another issuer."
        }
        if let audience = rule.audience {
            let wanted = scope.text(audience)
            let given = claims["aud"]?.array?.compactMap(\.string) ?? [claims["aud"]?.string].compactMap(\.self)
            guard let wanted, given.contains(wanted) else { return "The token is for another address." }
        }
        for (name, value) in rule.claims {
            guard let wanted = scope.text(value), claims[name]?.plainText == wanted else {
                return "The claim \(name) of the token is not what the integration expects."
            }
        }
        return nil
    }
}
