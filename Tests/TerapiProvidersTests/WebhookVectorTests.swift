import TerapiCore
import Testing

@testable import TerapiProviders

/// The rules of the catalogue against genuine webhooks of every provider, and against forged ones.
struct WebhookVectorTests {
    @Test
    func `knows every key of the built-in rules`() throws {
        #expect(try BuiltInWebhooks.problems().map(\.description) == [])
        #expect(BuiltInWebhooks.entries.count == 54)
    }

    @Test
    func `has a genuine webhook of every rule`() {
        #expect(Set(WebhookVector.all.map(\.provider)) == Set(BuiltInWebhooks.entries.keys))
        #expect(
            Set(WebhookVector.all.filter(\.isPublished).map(\.provider)) == ["github", "gitlab", "slack", "twilio"])
    }

    @Test(arguments: WebhookVector.all)
    func `takes what is genuine, and finds what it tells`(vector: WebhookVector) throws {
        #expect(vector.verdict(vector.request) == .genuine)

        let content = WebhookContent(vector.request, rule: vector.rule)
        // The printed ones sign what is no event.
        guard content.isReadable else { return #expect(vector.isPublished && vector.events.isEmpty) }
        let verifier = WebhookVerifier(
            rule: vector.rule,
            keys: vector.rule.values(of: vector.integration, registered: vector.registered),
            keySet: vector.keySet,
            now: vector.now
        )
        let claims = verifier.verify(content, hasAddressToken: vector.hasAddressToken).claims
        let events: [JSONValue] = content.events(vector.rule, claims: claims).map { event in
            [
                "type": .string(event.type), "id": JSONValue(event.id),
                "targets": .array(event.targets.map { [.string($0.match.name), .string($0.value)] }),
            ]
        }
        #expect(events == vector.events)
        #expect(content.answer(vector.rule).status == vector.status)
    }

    @Test(arguments: WebhookVector.all)
    func `refuses what nobody has signed, and every key but the right one`(vector: WebhookVector) {
        let keys = vector.rule.values(of: vector.integration, registered: vector.registered)
        for secret in ["", " ", "another"] where !keys.isEmpty {
            let wrong = keys.mapValues { $0.map { _ in Secret(secret) } }
            // A public key signs nothing: the token's own key set counts, and the account that it must name.
            #expect(vector.verdict(vector.request, keys: wrong) != .genuine, "\(secret)")
        }
        if !keys.isEmpty { #expect(vector.verdict(vector.request, keys: [:]) != .genuine) }
        if vector.signature == "address" {
            #expect(vector.verdict(vector.request, hasAddressToken: false) != .genuine)
        }
        guard let name = vector.signatureHeader else { return }
        var unsigned = vector.request
        unsigned.headers.removeAll { $0.name == name }
        let verdict = vector.verdict(unsigned)
        guard case .unsigned = verdict else {
            Issue.record("\(verdict)")
            return
        }
        for value in [vector.request.header(name) ?? "", "other"] {
            var doubled = vector.request
            doubled.headers.append(.init(name, value))
            #expect(vector.verdict(doubled) != .genuine)
        }
    }

    @Test(arguments: WebhookVector.all)
    func `refuses a signature that is not written as the provider writes it`(vector: WebhookVector) {
        guard let name = vector.signatureHeader, let value = vector.request.header(name) else { return }
        var forms = [
            "", " ", String(value.dropLast()), String(value.dropFirst()), value + "0", value + "=", "=" + value,
            String(repeating: "0", count: value.count), value.replacing("=", with: ""),
        ]
        if vector.isHexLower { forms.append(value.uppercased()) }
        if value.contains("+") || value.contains("/") {
            forms.append(value.replacing("+", with: "-").replacing("/", with: "_"))
        }
        for form in forms where form != value {
            var changed = vector.request
            changed.headers.removeAll { $0.name == name }
            changed.headers.append(.init(name, form))
            #expect(vector.verdict(changed) != .genuine, "\(form)")
        }
    }

    @Test(arguments: WebhookVector.all)
    func `refuses what is too old or of the future, where the provider signs the time`(vector: WebhookVector) {
        guard let tolerance = vector.rule.tolerance, vector.signsTime else { return }
        for offset in [tolerance + .seconds(1), .zero - tolerance - .seconds(1), .seconds(86_400 * 365)] {
            // The time in the vectors of Box is some minutes old already.
            let moment = vector.now + (vector.provider == "box" ? offset - .seconds(240) : offset)
            if vector.provider == "box", abs((vector.now - moment).microseconds) < 600_000_000 { continue }
            #expect(vector.verdict(vector.request, now: moment) != .genuine)
        }
    }

    /// With the control: where what a signature covers is not checked, the very same changes are taken.
    @Test
    func `takes none of 5,000 changed webhooks`() {
        let vectors = WebhookVector.all.filter { $0.isMutable && !($0.signed.isEmpty && $0.signatureHeader == nil) }
        var random = SeededNumbers(seed: 20_260_102)
        var changes = WebhookMutations()
        var accepted: [String] = []
        var noticed = 0
        for round in 0..<5000 {
            let vector = vectors[round % vectors.count]
            let (request, change) = changes.mutate(vector, &random)
            if vector.verdict(request) == .genuine { accepted.append("\(vector.provider): \(change)") }
            var open = vector
            open.rule.verification = .addressToken
            open.hasAddressToken = true
            if open.verdict(request) == .genuine { noticed += 1 }
        }

        #expect(accepted == [])
        #expect(noticed == 5000)
    }

    @Test
    func `signs no challenge that could be an event`() throws {
        for (provider, secret, challenge) in [
            (
                "zoom", "s",
                #"{"event":"endpoint.url_validation","payload":{"plainToken":"v0:1767323045:{\"event\":\"x\"}"}}"#
            ),
            ("zoom", "s", #"{"event":"endpoint.url_validation","payload":{"plainToken":"abc DEF"}}"#),
        ] {
            let rule = WebhookEntry(json: try #require(BuiltInWebhooks.entries[provider])).rule
            let request = ProviderWebhookRequest(
                method: "POST", url: "https://t.example/x", headers: [], body: Array(challenge.utf8))
            let reply = WebhookContent(request, rule: rule)
                .handshake(rule, afterVerification: false, keys: ["secret": [Secret(secret)]])
            guard case .refused = reply else {
                Issue.record("\(challenge) was signed")
                continue
            }
        }
        for name in ["twitter-x?crc_token=%7B%22for_user_id%22%3A1%7D", "linkedin?challengeCode=%7B%7D"] {
            let provider = String(name.prefix { $0 != "?" })
            let rule = WebhookEntry(json: try #require(BuiltInWebhooks.entries[provider])).rule
            let request = ProviderWebhookRequest(
                method: "GET", url: "https://t.example/\(name)", headers: [], body: [])
            let reply = WebhookContent(request, rule: rule)
                .handshake(rule, afterVerification: false, keys: ["secret": [Secret("s")]])
            guard case .refused = reply else {
                Issue.record("\(name) was signed")
                continue
            }
        }
    }
}

extension WebhookVector {
    var signatureHeader: String? {
        guard let signature, signature.hasPrefix("header:") else { return nil }
        return String(signature.dropFirst(7))
    }

    /// Whether the signature is lower-case hexadecimal, which has one way to be written.
    var isHexLower: Bool {
        func isLower(_ verification: ProviderWebhookRule.Verification) -> Bool {
            switch verification {
            case .anyOf(let parts), .allOf(let parts): parts.allSatisfy(isLower)
            case .signature(let rule): rule.place.isHex && rule.place.letterCase == .lower
            default: false
            }
        }
        return isLower(rule.verification)
    }

    /// Whether this webhook is one of those whose time is checked: some providers have an older way beside it.
    var signsTime: Bool {
        signed.contains { $0.hasPrefix("header:") && ($0.contains("timestamp") || $0.contains("time")) }
            || ["stripe", "calendly", "strava", "tiktok", "linear", "lever"].contains(provider)
    }
}

extension ProviderWebhookRule {
    var tolerance: Duration? {
        func find(_ verification: Verification) -> Duration? {
            switch verification {
            case .anyOf(let parts), .allOf(let parts): parts.compactMap(find).first
            case .signature(let rule): rule.time?.tolerance
            default: nil
            }
        }
        return find(verification)
    }
}

extension ProviderWebhookRule.Match {
    var name: String {
        switch self {
        case .connectionID: "connection_id"
        case .field(let name): name
        case .subscription: "subscription"
        }
    }
}
