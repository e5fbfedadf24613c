extension Provider {
    /// What the end user entered for this provider, with defaults put in.
    /// - Throws: `TerapiError` with `.invalidBody` and the path of each field that is missing or does not fit.
    public func checkedConfig(_ config: JSONObject) throws -> JSONObject {
        let config = filledConfig(config)
        let issues = connectionConfig.compactMap { field -> TerapiError.Issue? in
            guard let problem = field.problem(with: config[field.name]) else { return nil }
            return TerapiError.Issue(
                code: "invalid_value",
                message: "\(field.title): \(problem)",
                path: ["connection_config", field.name]
            )
        }
        guard issues.isEmpty else {
            throw TerapiError(
                .invalidBody,
                "The connection needs other values to reach \(displayName).",
                issues: issues
            )
        }
        return config
    }

    /// Checks what a page of the end user's says about the connection to be. What decides whose events and whose account
    /// it gets comes from the provider or from the team alone.
    /// - Throws: `TerapiError(.invalidBody)` with the path of each field that nobody but they may set.
    public func checkGivenByEndUser(_ config: JSONObject) throws {
        let asked = connectionConfig.filter { !$0.isAutomated && isOwn($0.name) }.map(\.name)
        let taken = reservedConfig.subtracting(asked).union(authMode == .awsSigV4 ? ["external_id"] : [])
        let issues = config.names.filter(taken.contains).map { name in
            TerapiError.Issue(
                code: "invalid_value",
                message: "\(name) is not the end user's to say: set it in the connect session.",
                path: ["connection_config", name]
            )
        }
        guard issues.isEmpty else {
            throw TerapiError(.invalidBody, "The connection cannot be told this by a page.", issues: issues)
        }
    }

    /// Whether an end user may enter a member of the config: not by what webhooks find a connection, for it could be
    /// somebody else's. A part of the provider's address is let pass, because the credentials have to work there.
    public func isOwn(_ name: String) -> Bool {
        guard routeMembers.contains(name) else { return true }
        let addresses = [proxy.baseURL, oauth2?.authorizationURL, oauth2?.tokenURL]
        return addresses.contains { $0?.contains("${connectionConfig.\(name)}") ?? false }
    }

    /// By what events find a connection, and what answers of the provider fill in.
    private var reservedConfig: Set<String> {
        let told =
            (oauth2?.tokenResponseMetadata ?? []) + (oauth2?.refreshTokenResponseMetadata ?? [])
            + (oauth2?.redirectURIMetadata ?? []) + (tokenExchange?.responseMetadata ?? [])
        let automated = connectionConfig.filter(\.isAutomated).map(\.name)
        return Set(routeMembers + told + automated + (authMode == .app ? ["installation_id"] : []))
    }

    private var routeMembers: [String] {
        (webhook?.routes ?? []).compactMap { route in
            if case .field(let name) = route.match { name } else { nil as String? }
        }
    }

    /// The config with the default of each field that has one and was left empty.
    public func filledConfig(_ config: JSONObject) -> JSONObject {
        connectionConfig.reduce(into: config) { config, field in
            let isEmpty = config[field.name].map { $0.isNull || $0 == .string("") } ?? true
            if isEmpty, let value = field.defaultValue { config[field.name] = .string(value) }
        }
    }
}

extension Provider {
    /// What the end user is asked for as credentials: what the mode needs, in the words of the file where it has some,
    /// and what the file asks for besides.
    public var credentialForm: [FormField] {
        let needed = neededCredentials
        let described = needed.map { field in
            guard var described = credentials.first(where: { $0.name == field.name }) else { return field }
            described.isSecret = described.isSecret || field.isSecret
            return described
        }
        switch authMode {
        case .oauth2ClientCredentials, .twoStep, .jwt, .signature, .awsSigV4, .bill:
            return described + credentials.filter { field in !needed.contains { $0.name == field.name } }
        default: return described
        }
    }

    private var neededCredentials: [FormField] {
        let name = FormField(name: "username", title: "User name")
        let password = FormField(name: "password", title: "Password", isSecret: true)
        switch authMode {
        case .apiKey: return [FormField(name: "apiKey", title: "API key", isSecret: true)]
        case .basic: return [name, password].map { $0.optional }
        case .signature: return [name, password]
        case .oauth2ClientCredentials:
            let signs = oauth2?.clientAuthentication == .privateKeyJWT
            return [
                FormField(name: "client_id", title: "Client id"),
                signs
                    ? FormField(name: "client_private_key", title: "Private key (PEM)", isSecret: true)
                    : FormField(name: "client_secret", title: "Client secret", isSecret: true),
            ]
        case .tba:
            return [
                FormField(name: "token_id", title: "Token id", isSecret: true),
                FormField(name: "token_secret", title: "Token secret", isSecret: true),
            ]
        case .bill:
            return [
                name, password, FormField(name: "organization_id", title: "Organization id"),
                FormField(name: "dev_key", title: "Developer key", isSecret: true),
            ]
        case .awsSigV4:
            return [
                FormField(name: "role_arn", title: "Role ARN", example: "arn:aws:iam::123456789012:role/terapi"),
                FormField(name: "region", title: "Region", example: "eu-central-1", isOptional: true),
            ]
        default: return []
        }
    }

    /// What the end user entered as credentials, with defaults put in.
    /// - Throws: `TerapiError` with `.invalidBody` and the path of each field that is missing, unknown or does not fit.
    public func checkedCredentials(_ given: JSONObject) throws -> JSONObject {
        try Self.checked(given, by: credentialForm, in: [], for: displayName)
    }

    /// The same for what is entered once.
    public func checkedAssertionOption(_ given: JSONObject) throws -> JSONObject {
        try Self.checked(given, by: assertionOption, in: ["assertionOption"], for: displayName)
    }

    private static func checked(
        _ given: JSONObject,
        by form: [FormField],
        in place: [String],
        for name: String
    ) throws -> JSONObject {
        var filled = given
        var issues = given.names.filter { name in !form.contains { $0.name == name } }.map {
            TerapiError.Issue(code: "unrecognized_keys", message: "Unknown field.", path: place + [$0])
        }
        for field in form {
            if filled[field.name].map({ $0.isNull || $0 == .string("") }) ?? true {
                filled[field.name] = field.defaultValue.map(JSONValue.string)
            }
            // Filled in while connecting, as an assertion is.
            if field.isHidden, filled[field.name] == nil { continue }
            // Keys that come in two parts are an object of texts.
            if let parts = filled[field.name]?.object, parts.members.allSatisfy({ $0.value.string != nil }) { continue }
            if let problem = field.problem(with: filled[field.name]) {
                let code = filled[field.name] == nil ? "invalid_type" : "invalid_value"
                issues.append(.init(code: code, message: "\(field.title): \(problem)", path: place + [field.name]))
            }
        }
        guard issues.isEmpty else {
            throw TerapiError(.invalidBody, "The credentials for \(name) are not complete.", issues: issues)
        }
        return filled
    }
}

extension Provider.FormField {
    fileprivate var optional: Self {
        var field = self
        field.isOptional = true
        return field
    }

    /// What is wrong with a value of this field, in words, or `nil`.
    public func problem(with value: JSONValue?) -> String? {
        guard let value, !value.isNull, value != .string("") else {
            return isOptional || isAutomated ? nil : "a value is required."
        }
        guard let text = value.string else {
            return value.object == nil && value.array == nil ? nil : "expected a text."
        }
        guard text.utf8.count <= 16_384 else { return "at most 16384 bytes are allowed." }
        if let choices, !choices.contains(text) { return "expected one of \(choices.joined(separator: ", "))." }
        if let pattern, let regex = try? Regex(pattern), text.wholeMatch(of: regex) == nil {
            return "expected a value like \(example ?? pattern)."
        }
        return nil
    }
}
