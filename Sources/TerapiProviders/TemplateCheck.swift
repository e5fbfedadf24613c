import TerapiCore

/// Finds what no request can ever fill in: an unknown name, a function that does not exist, a brace too few.
struct TemplateCheck {
    struct Finding {
        var place: YAMLNode.Place
        var message: String
        /// Else the value may still come from somewhere that the file does not name.
        var isMistake: Bool
    }

    private let provider: Provider
    private let config: Set<String>
    private let custom: Set<String>
    private let credentials: Set<String>
    private let options: Set<String>

    /// Names without a dot that requests, credentials and integrations have.
    private static let flat = RequestFacts.names.union([
        "accessToken", "access_token", "apiKey", "apiSubdomain", "clientId", "clientSecret", "password", "random",
        "refreshToken", "refresh_token", "token", "username",
    ])

    /// What credentials hold by themselves, whatever form the file describes.
    private static let known: Set = [
        "accessToken", "access_token", "apiKey", "assertion", "clientId", "clientSecret", "client_id", "client_secret",
        "password", "refreshToken", "refresh_token", "sessionId", "session_id", "token", "userId", "user_id",
        "username",
    ]

    init(provider: Provider) {
        self.provider = provider
        let entry = provider.entry
        let metadata = [
            "connection_configuration", "redirect_uri_metadata", "refresh_token_response_metadata",
            "token_response_metadata", "webhook_response_metadata",
        ].flatMap { entry[$0]?.array?.compactMap(\.string) ?? [] }
        let derived = entry["proxy"]?["connection_config"]?.object?.names ?? []
        // A path such as `team.id` is found by its first step too.
        config = Set(
            provider.connectionConfig.map(\.name) + metadata + derived + ["appPublicLink", "installation_id"]
                + metadata.compactMap { $0.split(separator: ".").first.map(String.init) }
        )
        custom = Set(provider.integrationConfig.map(\.name))
        credentials = Self.known.union((provider.credentials + provider.credentialForm).map(\.name))
        options = Set(entry["assertion_option"]?.object?.names ?? [])
    }

    /// Everything in this value and below it.
    func findings(in node: YAMLNode, key: String) -> [Finding] {
        switch node.content {
        case .list(let items): items.flatMap { findings(in: $0, key: key) }
        case .map(let members):
            members.flatMap { member in
                findings(in: member.name, at: member.place, key: "\(key).\(member.name)")
                    + findings(in: member.value, key: "\(key).\(member.name)")
            }
        case .scalar(let text, _): findings(in: text, at: node.place, key: key)
        }
    }

    private func findings(in text: String, at place: YAMLNode.Place, key: String) -> [Finding] {
        guard text.utf8.contains(UInt8(ascii: "$")) else { return [] }
        let template = Template(text)
        var findings = template.alternatives.joined().flatMap { self.findings(in: $0, at: place, key: key) }
        if TemplateParser.hasOpenPlaceholder(text) {
            findings.append(Finding(place: place, message: "\"\(key)\": a \"${\" is never closed.", isMistake: true))
        }
        return findings
    }

    private func findings(in piece: Template.Piece, at place: YAMLNode.Place, key: String) -> [Finding] {
        guard case .placeholder(let placeholder) = piece else { return [] }
        func finding(_ message: String, isMistake: Bool) -> [Finding] {
            [Finding(place: place, message: "\"\(key)\": \(message)", isMistake: isMistake)]
        }
        guard let call = placeholder.call else {
            return problem(with: placeholder.source).map { finding($0.message, isMistake: $0.isMistake) } ?? []
        }
        let inner = call.arguments.joined().flatMap { findings(in: $0, at: place, key: key) }
        guard let function = call.function else {
            let hint = Shape.closest(to: call.name, in: TemplateFunction.allCases.map(\.rawValue))
            let text = "there is no function \(call.name)().\(hint.map { " Did you mean \($0)()?" } ?? "")"
            return finding(text, isMistake: true) + inner
        }
        guard function.argumentCounts.contains(call.arguments.count) else {
            let counts = function.argumentCounts
            let wanted =
                counts.count == 1 ? "\(counts.lowerBound)" : "\(counts.lowerBound) or \(counts.upperBound)"
            return finding("\(call.name)() takes \(wanted) arguments.", isMistake: true) + inner
        }
        return inner
    }

    private func problem(with name: String) -> (message: String, isMistake: Bool)? {
        let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
        guard parts.count == 2 else {
            if Self.flat.contains(name) || config.contains(name) || isMoment(name) { return nil }
            let hint = Shape.closest(to: name, in: Self.flat).map { " Did you mean \"${\($0)}\"?" } ?? ""
            return ("nothing is named \"${\(name)}\".\(hint)", true)
        }
        let field = parts[1]
        func undeclared(_ fields: Set<String>, in place: String) -> (message: String, isMistake: Bool)? {
            guard !fields.contains(field), !fields.contains(String(field.prefix { $0 != "." })) else { return nil }
            return ("\"${\(name)}\" is filled in only if a connection has it: \(place) has no \"\(field)\".", false)
        }
        switch parts[0] {
        case "connectionConfig", "connection_config": return undeclared(config, in: "connection_config")
        case "integrationConfig", "integration_config": return undeclared(custom, in: "integration_config")
        case "credentials": return undeclared(credentials, in: "credentials")
        case "assertionOption": return undeclared(options, in: "assertion_option")
        case "metadata": return nil
        case let step where step.hasPrefix("step") && Int(step.dropFirst(4)) != nil: return nil
        default: return ("nothing is named \"${\(name)}\".", true)
        }
    }

    /// `now`, or one of its forms with a format that can be read.
    private func isMoment(_ name: String) -> Bool {
        name.hasPrefix("now") && TemplateValues(now: Timestamp(microseconds: 0)).value(name) != nil
    }
}
