import TerapiCore

/// Checks what was filled in for a provider's fields.
enum ConnectionForm {
    /// - Throws: `TerapiError(.invalidBody)` with every field that is missing or not in its form.
    static func check(_ values: JSONObject, fields: [Provider.FormField]) throws {
        let issues: [TerapiError.Issue] = fields.compactMap { field in
            let path = ["connection_config", field.name]
            guard let value = values[field.name]?.string, !value.isEmpty else {
                guard !field.isOptional, !field.isAutomated, field.defaultValue == nil else { return nil }
                return TerapiError.Issue(code: "invalid_type", message: "\(field.title) is needed.", path: path)
            }
            if let pattern = field.pattern, let regex = try? Regex(pattern), (try? regex.wholeMatch(in: value)) == nil {
                let example = field.example.map { " It looks like \($0)." } ?? ""
                return TerapiError.Issue(
                    code: "invalid_string",
                    message: "\(field.title) is not in the expected form.\(example)",
                    path: path
                )
            }
            if let choices = field.choices, !choices.contains(value) {
                return TerapiError.Issue(
                    code: "invalid_enum_value",
                    message: "\(field.title) is one of \(choices.joined(separator: ", ")).",
                    path: path
                )
            }
            return nil
        }
        guard issues.isEmpty else {
            throw TerapiError(.invalidBody, "The connection needs further details.", issues: issues)
        }
    }
}
