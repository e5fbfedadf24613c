import Crypto

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What the expressions of a rule are read from.
struct WebhookScope {
    var request: ProviderWebhookRequest
    /// `nil` when the body could not be read as what the rule says.
    var body: JSONValue?
    var data: JSONValue?
    var item: JSONValue?
    var key: String?
    var claims: JSONValue?
    var signatureFields: [(name: String, value: String)] = []
    /// The first value of each key; for handshakes.
    var secrets: [String: Secret] = [:]

    /// Every value that the expression points to; empty when there is none.
    func values(_ expression: WebhookExpression) -> [JSONValue] {
        switch expression {
        case .literal(let text): [.string(text)]
        case .header(let name): request.header(name).map { [.string($0)] } ?? []
        case .query(let name): request.query(name).map { [.string($0)] } ?? []
        case .body(let path): body?.values(at: path) ?? []
        case .data(let path): (data ?? body)?.values(at: path) ?? []
        case .item(let path): item?.values(at: path) ?? []
        case .key: key.map { [.string($0)] } ?? []
        case .claim(let path): claims?.values(at: path) ?? []
        case .secret(let name): secrets[name].map { [.string($0.reveal())] } ?? []
        case .signatureField(let name): Self.only(signatureFields.filter { $0.name == name }.map(\.value))
        case .rawBody: String(validating: request.body, as: UTF8.self).map { [.string($0)] } ?? []
        case .url: [.string(request.url)]
        case .method: [.string(request.method)]
        case .sortedForm: sortedForm.map { [.string($0)] } ?? []
        case .joined(let parts): joined(parts)
        case .first(let parts): parts.lazy.map(values).first { !$0.isEmpty } ?? []
        case .call(let function, let arguments): call(function, arguments)
        }
    }

    /// The one value as text; `nil` when there is none, or more than one.
    func text(_ expression: WebhookExpression) -> String? {
        let values = values(expression)
        return values.count == 1 ? values[0].plainText : nil
    }

    /// The one value as bytes, the raw body as it came.
    func bytes(_ expression: WebhookExpression) -> [UInt8]? {
        if case .rawBody = expression { return request.body }
        return text(expression).map { Array($0.utf8) }
    }

    private static func only(_ values: [String]) -> [JSONValue] {
        values.count == 1 ? [.string(values[0])] : []
    }

    private func joined(_ parts: [WebhookExpression]) -> [JSONValue] {
        let texts = parts.compactMap { values($0).first?.plainText }
        return texts.isEmpty ? [] : [.string(texts.joined(separator: "."))]
    }

    private var sortedForm: String? {
        guard let text = String(validating: request.body, as: UTF8.self),
            let fields = ProviderWebhookRequest.form(text)
        else { return nil }
        return fields.sorted { ($0.name, $0.value) < ($1.name, $1.value) }.map { $0.name + $0.value }.joined()
    }

    private func call(_ function: WebhookExpression.Function, _ arguments: [WebhookExpression]) -> [JSONValue] {
        switch function {
        case .concat:
            let texts = arguments.map(text)
            return texts.contains { $0 == nil } ? [] : [.string(texts.compactMap(\.self).joined())]
        case .hash:
            return arguments.first.map(values)?.compactMap(\.plainText)
                .map { .string(hex(sha256(Array($0.utf8)))) } ?? []
        case .origin:
            return arguments.first.map(values)?.compactMap(\.plainText).compactMap(Self.origin).map(JSONValue.string)
                ?? []
        case .hostLabel:
            return arguments.first.map(values)?.compactMap(\.plainText)
                .compactMap { $0.split(separator: ".").first.map { .string(String($0)) } } ?? []
        case .hmacHex, .hmacBase64:
            guard arguments.count == 3, let name = text(arguments[0]),
                let digest = ProviderWebhookRule.Digest(rawValue: name),
                let key = text(arguments[1]), !key.isEmpty, let message = text(arguments[2]), Self.isChallenge(message)
            else { return [] }
            let code = digest.hmac(key: Array(key.utf8), Array(message.utf8))
            return [.string(function == .hmacHex ? hex(code) : Base64.standard.encode(code))]
        }
    }

    /// Whether a text can be a challenge and nothing else. Who asks for a challenge to be signed is not known yet: a text
    /// that could be an event as well would give them a signature for it.
    private static func isChallenge(_ text: String) -> Bool {
        (1...256).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "="),
                    UInt8(ascii: "+"), UInt8(ascii: "/"):
                    true
                default: false
                }
            }
    }

    private static func origin(_ url: String) -> String? {
        guard let scheme = url.firstRange(of: "://") else { return nil }
        let end = url[scheme.upperBound...].firstIndex { "/?#".contains($0) } ?? url.endIndex
        return String(url[..<end])
    }
}

extension ProviderWebhookRule.Digest {
    func hmac(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        let key = SymmetricKey(data: key)
        return switch self {
        // Only what a provider asks for: nothing of ours is signed so.
        case .sha1: Array(HMAC<Insecure.SHA1>.authenticationCode(for: message, using: key))
        case .sha256: Array(HMAC<SHA256>.authenticationCode(for: message, using: key))
        case .sha512: Array(HMAC<SHA512>.authenticationCode(for: message, using: key))
        }
    }

    func digest(_ message: [UInt8]) -> [UInt8] {
        switch self {
        case .sha1: Array(Insecure.SHA1.hash(data: message))
        case .sha256: Array(SHA256.hash(data: message))
        case .sha512: Array(SHA512.hash(data: message))
        }
    }
}

extension JSONValue {
    /// A text, a number or a flag as it is written; `nil` for anything else.
    public var plainText: String? {
        switch self {
        case .string(let text): text
        case .number(let digits): digits
        case .bool(let flag): flag ? "true" : "false"
        default: nil
        }
    }

    /// The values at a path such as `meta.company_id`, `entry[].id` or `$`; `null` counts as none.
    func values(at path: String) -> [JSONValue] {
        if path == "$" { return isNull ? [] : [self] }
        var found = [self]
        var rest = path[...]
        while !rest.isEmpty {
            // Names of forms hold dots and brackets of their own.
            if found.count == 1, let whole = found[0][String(rest)] { return whole.isNull ? [] : [whole] }
            var step = rest.prefix { $0 != "." }
            rest = rest.dropFirst(step.count + 1)
            let isList = step.hasSuffix("[]")
            if isList { step = step.dropLast(2) }
            if !step.isEmpty { found = found.compactMap { $0.value(at: String(step)) } }
            if isList { found = found.flatMap { $0.array ?? [] } }
        }
        return found.filter { !$0.isNull }
    }
}
