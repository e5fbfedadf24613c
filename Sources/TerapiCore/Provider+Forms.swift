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

    /// The config with the default of each field that has one and was left empty.
    public func filledConfig(_ config: JSONObject) -> JSONObject {
        connectionConfig.reduce(into: config) { config, field in
            let isEmpty = config[field.name].map { $0.isNull || $0 == .string("") } ?? true
            if isEmpty, let value = field.defaultValue { config[field.name] = .string(value) }
        }
    }
}

extension Provider.FormField {
    /// What is wrong with a value of this field, in words, or `nil`.
    public func problem(with value: JSONValue?) -> String? {
        guard let value, !value.isNull, value != .string("") else {
            return isOptional || isAutomated ? nil : "a value is required."
        }
        guard let text = value.string else {
            return value.object == nil && value.array == nil ? nil : "expected a text."
        }
        guard text.utf8.count <= 4096 else { return "at most 4096 bytes are allowed." }
        if let choices, !choices.contains(text) { return "expected one of \(choices.joined(separator: ", "))." }
        if let pattern, let regex = try? Regex(pattern), text.wholeMatch(of: regex) == nil {
            return "expected a value like \(example ?? pattern)."
        }
        return nil
    }
}
