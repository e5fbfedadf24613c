import TerapiCore

/// Fills the placeholders of a registration's requests.
struct SubscriptionTemplate {
    let subscription: WebhookSubscription
    let address: String
    let expires: Timestamp
    let connection: Connection

    /// Every text in the value; a text that is only one placeholder stays text.
    func fill(_ value: JSONValue) throws -> JSONValue {
        switch value {
        case .string(let text): .string(try fill(text))
        case .array(let values): .array(try values.map(fill))
        case .object(let object): .object(JSONObject(try object.members.map { ($0.name, try fill($0.value)) }))
        default: value
        }
    }

    /// - Parameter escaped: for a path: a value can never become more than its part of it.
    func fill(_ text: String, escaped: Bool = false) throws -> String {
        var filled = ""
        var rest = text[...]
        while let open = rest.firstRange(of: "${") {
            filled += rest[..<open.lowerBound]
            rest = rest[open.upperBound...]
            guard let close = rest.firstIndex(of: "}") else { break }
            let name = String(rest[..<close])
            guard let value = value(name) else {
                throw TerapiError(.invalidBody, "\"\(name)\" has no value for this webhook.")
            }
            filled += escaped ? PercentEncoding.encode(value) : value
            rest = rest[rest.index(after: close)...]
        }
        return filled + rest
    }

    private func value(_ name: String) -> String? {
        switch name {
        case "webhookUrl": return address
        case "webhookSecret": return subscription.secret?.reveal()
        case "channelId": return "terapi-\(subscription.id)-\(subscription.token.reveal().prefix(12))"
        case "subscription.id": return subscription.externalID
        // Without a fraction, which some providers do not read.
        case "expires": return expires.iso8601.prefix(19) + "Z"
        case "expiresMs": return String(expires.microseconds / 1000)
        default: break
        }
        let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return nil }
        return switch parts[0] {
        case "params": subscription.params[parts[1]]?.plainText
        case "connectionConfig": connection.config[parts[1]]?.plainText
        case "metadata": connection.metadata?[parts[1]]?.plainText
        case "subscription": subscription.answer?.value(at: parts[1])?.plainText
        default: nil
        }
    }
}

/// Reads a provider's answer to a registration.
struct SubscriptionAnswer {
    private let content: WebhookContent

    init(_ answer: JSONValue) {
        let request = ProviderWebhookRequest(method: "", url: "", headers: [], body: answer.encoded())
        content = WebhookContent(request, rule: ProviderWebhookRule())
    }

    func text(_ expression: WebhookExpression) -> String? { content.text(expression) }

    /// A date, or seconds or milliseconds since 1970.
    func time(_ expression: WebhookExpression) -> Timestamp? {
        guard let text = content.text(expression) else { return nil }
        if let moment = Timestamp(iso8601: text) { return moment }
        // Above this it can only be milliseconds: as seconds it would be the year 5138.
        guard let number = Int64(text), (0...253_402_300_799_999).contains(number) else { return nil }
        return Timestamp(microseconds: number > 100_000_000_000 ? number * 1000 : number * 1_000_000)
    }
}
