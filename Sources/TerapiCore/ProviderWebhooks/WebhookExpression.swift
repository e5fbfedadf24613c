/// Where a value of a provider webhook stands: `header:x-github-event`, `body:team_id|team.id`, `item:type+action`.
///
/// It only points and joins: nothing in it can loop.
public indirect enum WebhookExpression: Sendable, Equatable {
    public enum Function: String, Sendable {
        case concat, hash, origin
        case hostLabel = "host_label"
        case hmacHex = "hmac_hex"
        case hmacBase64 = "hmac_b64"
    }

    case literal(String)
    case header(String)
    case query(String)
    /// A path in the body, `$` for all of it.
    case body(String)
    /// A path in the document inside the body.
    case data(String)
    case item(String)
    /// The name of the member that the item came from.
    case key
    case claim(String)
    case secret(String)
    /// A part of the signature's value.
    case signatureField(String)
    case rawBody
    case url
    case method
    /// A form's fields by name, each name followed by its value.
    case sortedForm
    /// The parts with a dot between them.
    case joined([WebhookExpression])
    /// Every value that one of them has, the first that has any.
    case first([WebhookExpression])
    case call(Function, [WebhookExpression])

    /// Why a text is not an expression.
    public struct Mistake: Error, Sendable, CustomStringConvertible {
        public var description: String
    }

    public init(_ text: String) throws(Mistake) {
        self = try Self.parse(text[...], prefix: nil)
    }

    private static func parse(_ text: Substring, prefix: String?) throws(Mistake) -> WebhookExpression {
        if text.hasPrefix("lit:") { return .literal(String(text.dropFirst(4))) }
        let alternatives = parts(of: text, separator: "|")
        if alternatives.count > 1 {
            var parsed: [WebhookExpression] = []
            var inherited = prefix
            for part in alternatives {
                parsed.append(try parse(part, prefix: inherited))
                inherited = self.prefix(of: part) ?? inherited
            }
            return .first(parsed)
        }
        let joined = parts(of: text, separator: "+")
        if joined.count > 1 {
            var parsed: [WebhookExpression] = []
            var inherited = prefix
            for part in joined {
                parsed.append(try parse(part, prefix: inherited))
                inherited = self.prefix(of: part) ?? inherited
            }
            return .joined(parsed)
        }
        return try parseOne(text, prefix: prefix)
    }

    private static func parseOne(_ text: Substring, prefix inherited: String?) throws(Mistake) -> WebhookExpression {
        if text.hasSuffix(")"), let open = text.firstIndex(of: "("),
            let function = Function(rawValue: String(text[..<open]))
        {
            let inner = text[text.index(after: open)...].dropLast()
            var arguments: [WebhookExpression] = []
            for part in parts(of: inner, separator: ",") {
                arguments.append(try parse(part.drop { $0 == " " }, prefix: nil))
            }
            return .call(function, arguments)
        }
        switch text {
        case "key": return .key
        case "secret": return .secret("secret")
        case "url": return .url
        case "method": return .method
        case "form_sorted": return .sortedForm
        case "sha1", "sha256", "sha512": return .literal(String(text))
        case "body": return .rawBody
        default: break
        }
        let prefix = prefix(of: text)
        let path = String(prefix == nil ? text : text.dropFirst((prefix?.count ?? 0) + 1))
        guard !path.isEmpty, let source = prefix ?? inherited else {
            throw Mistake(description: "\"\(text)\" names no place: write for example header:x-signature or body:id")
        }
        switch source {
        case "header": return .header(path.lowercased())
        case "query": return .query(path)
        case "body": return .body(path)
        case "data": return .data(path)
        case "item": return .item(path)
        case "jwt": return .claim(path)
        case "secret": return .secret(path)
        case "sigkv": return .signatureField(path)
        default:
            throw Mistake(
                description: "\"\(source):\" is not one of header, query, body, data, item, jwt, secret, sigkv, lit")
        }
    }

    private static func prefix(of text: Substring) -> String? {
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let name = text[..<colon]
        return name.allSatisfy(\.isLetter) ? String(name) : nil
    }

    /// Divides at the separators outside of brackets.
    private static func parts(of text: Substring, separator: Character) -> [Substring] {
        var parts: [Substring] = []
        var depth = 0
        var start = text.startIndex
        for index in text.indices {
            switch text[index] {
            case "(": depth += 1
            case ")": depth -= 1
            case separator where depth == 0:
                parts.append(text[start..<index])
                start = text.index(after: index)
            default: break
            }
        }
        return parts + [text[start...]]
    }

    /// Whether the value stands inside the body's document.
    var isInBody: Bool {
        switch self {
        case .body, .data, .item, .key: true
        case .joined(let parts), .first(let parts), .call(_, let parts): parts.contains(where: \.isInBody)
        default: false
        }
    }

    /// Whether the value belongs to one of the events in the request and not to all of it.
    var isOfItem: Bool {
        switch self {
        case .item, .key: true
        case .joined(let parts), .first(let parts), .call(_, let parts): parts.contains(where: \.isOfItem)
        default: false
        }
    }
}

/// What must hold of a request: `body:type==url_verification`, `query:challenge`, `!body:event`.
public struct WebhookCondition: Sendable, Equatable {
    public var expression: WebhookExpression
    /// `nil`: it must only be there.
    public var value: String?
    public var isNegated: Bool

    public init(_ expression: WebhookExpression, equals value: String? = nil, isNegated: Bool = false) {
        self.expression = expression
        self.value = value
        self.isNegated = isNegated
    }

    /// - Parameter source: what a text without a prefix points into.
    public init(_ text: String, in source: String? = nil) throws(WebhookExpression.Mistake) {
        var rest = text[...]
        isNegated = rest.hasPrefix("!")
        if isNegated { rest = rest.dropFirst() }
        if let range = rest.firstRange(of: "!=") {
            isNegated.toggle()
            value = String(rest[range.upperBound...])
            rest = rest[..<range.lowerBound]
        } else if let range = rest.firstRange(of: "==") {
            value = String(rest[range.upperBound...])
            rest = rest[..<range.lowerBound]
        } else {
            value = nil
        }
        if let source, !Self.prefixes.contains(where: rest.hasPrefix) {
            expression = try WebhookExpression("\(source):\(rest)")
        } else {
            expression = try WebhookExpression(String(rest))
        }
    }

    private static let prefixes = ["header:", "query:", "body:", "data:", "item:", "jwt:", "secret:"]

    func holds(in scope: WebhookScope) -> Bool {
        let values = scope.values(expression)
        let holds = value.map { wanted in values.contains { $0.plainText == wanted } } ?? !values.isEmpty
        return holds != isNegated
    }
}
