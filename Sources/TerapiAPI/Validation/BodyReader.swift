import TerapiCore

/// Reads a JSON object by declared rules and gathers everything that is wrong with it, so that a caller learns it at
/// once.
///
/// Each question for a field declares it; ``finish()`` refuses what nobody asked for. A field that holds `null` counts
/// as absent. Where a required field is wrong the reader goes on with a placeholder, because ``finish()`` will throw.
struct BodyReader: ~Copyable {
    private let value: JSONValue
    private let path: [String]
    private var declared: Set<String> = []
    private(set) var issues: [TerapiError.Issue] = []

    init(_ value: JSONValue, path: [String] = []) {
        self.value = value
        self.path = path
        if value.object == nil {
            issues.append(
                TerapiError.Issue(
                    code: "invalid_type", message: "Expected an object and not \(value.kind).", path: path)
            )
        }
    }

    mutating func refuse(_ field: String..., code: String, _ message: String) {
        issues.append(TerapiError.Issue(code: code, message: message, path: path + field))
    }

    /// The field as it is, or `nil` when it is absent or `null`.
    mutating func any(_ field: String) -> JSONValue? {
        declared.insert(field)
        guard let value = value[field], !value.isNull else { return nil }
        return value
    }

    /// Whether the field is there, if only as `null`.
    func has(_ field: String) -> Bool {
        value[field] != nil
    }

    mutating func text(_ field: String, _ rule: TextRule = .text()) -> String? {
        guard let value = any(field) else { return nil }
        guard let text = value.string else {
            refuseType(field, value, "a string")
            return nil
        }
        if let problem = rule.problem(with: text) { refuse(field, code: problem.code, problem.message) }
        return text
    }

    mutating func requiredText(_ field: String, _ rule: TextRule = .text()) -> String {
        require(field)
        return text(field, rule) ?? ""
    }

    mutating func flag(_ field: String) -> Bool? {
        guard let value = any(field) else { return nil }
        if value.bool == nil { refuseType(field, value, "true or false") }
        return value.bool
    }

    mutating func requiredFlag(_ field: String) -> Bool {
        require(field)
        return flag(field) ?? false
    }

    mutating func object(_ field: String) -> JSONObject? {
        guard let value = any(field) else { return nil }
        if value.object == nil { refuseType(field, value, "an object") }
        return value.object
    }

    mutating func requiredObject(_ field: String) -> JSONObject {
        require(field)
        return object(field) ?? JSONObject()
    }

    mutating func texts(_ field: String, _ rule: TextRule = .text(), maxCount: Int) -> [String]? {
        guard let value = any(field) else { return nil }
        guard let values = value.array else {
            refuseType(field, value, "an array")
            return nil
        }
        if values.count > maxCount { refuse(field, code: "too_big", "Expected at most \(maxCount) values.") }
        return values.enumerated().compactMap { index, value in
            guard let text = value.string else {
                refuse(field, String(index), code: "invalid_type", "Expected a string and not \(value.kind).")
                return nil
            }
            if let problem = rule.problem(with: text) {
                refuse(field, String(index), code: problem.code, problem.message)
            }
            return text
        }
    }

    /// Every field that nobody has asked for yet, as it is: whoever knows what they mean checks them.
    mutating func remaining() -> JSONObject {
        let members = (value.object?.members ?? []).filter { !declared.contains($0.name) }
        declared.formUnion(members.map(\.name))
        return JSONObject(members.filter { !$0.value.isNull }.map { ($0.name, $0.value) })
    }

    /// A field whose members are all texts.
    mutating func textMap(_ field: String, _ rule: TextRule = .text(0...4096)) -> [String: String]? {
        guard let object = object(field) else { return nil }
        var map: [String: String] = [:]
        for (name, value) in object.members {
            guard let text = value.string else {
                refuse(field, name, code: "invalid_type", "Expected a string and not \(value.kind).")
                continue
            }
            if let problem = rule.problem(with: text) { refuse(field, name, code: problem.code, problem.message) }
            map[name] = text
        }
        return map
    }

    /// Reads an object inside this one.
    mutating func nested<Result>(_ field: String, _ read: (inout BodyReader) -> Result) -> Result? {
        guard let value = any(field) else { return nil }
        var reader = BodyReader(value, path: path + [field])
        let result = read(&reader)
        issues += reader.finalIssues
        return result
    }

    /// Reads each element of a field, which must be there, as an object.
    mutating func requiredList<Result>(
        _ field: String, maxCount: Int, _ read: (inout BodyReader) -> Result
    ) -> [Result] {
        require(field)
        guard let value = any(field) else { return [] }
        guard let values = value.array else {
            refuseType(field, value, "an array")
            return []
        }
        guard values.count <= maxCount else {
            refuse(field, code: "too_big", "Expected at most \(maxCount) values.")
            return []
        }
        return values.enumerated().map { index, value in
            var reader = BodyReader(value, path: path + [field, String(index)])
            let result = read(&reader)
            issues += reader.finalIssues
            return result
        }
    }

    mutating func choice<Choice: RawRepresentable>(
        _ field: String, of choices: [Choice]
    ) -> Choice? where Choice.RawValue == String {
        guard let text = text(field) else { return nil }
        if let choice = choices.first(where: { $0.rawValue == text }) { return choice }
        let allowed = choices.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
        refuse(field, code: "invalid_enum_value", "Expected one of \(allowed).")
        return nil
    }

    mutating func requiredChoice<Choice: RawRepresentable>(
        _ field: String, of choices: [Choice]
    ) -> Choice? where Choice.RawValue == String {
        require(field)
        return choice(field, of: choices)
    }

    mutating func integer(_ field: String, in range: ClosedRange<Int>) -> Int? {
        guard let value = any(field) else { return nil }
        guard let number = value.int else {
            refuseType(field, value, "a whole number")
            return nil
        }
        if !range.contains(number) {
            let code = number < range.lowerBound ? "too_small" : "too_big"
            refuse(field, code: code, "Expected a whole number of at least \(range.lowerBound).")
        }
        return number
    }

    /// Reads each member of a field as an object.
    mutating func nestedMap<Result>(
        _ field: String, _ read: (String, inout BodyReader) -> Result
    ) -> [String: Result]? {
        guard let object = object(field) else { return nil }
        var results: [String: Result] = [:]
        for (name, value) in object.members {
            var reader = BodyReader(value, path: path + [field, name])
            results[name] = read(name, &reader)
            issues += reader.finalIssues
        }
        return results
    }

    /// - Throws: `TerapiError(.invalidBody)` with every issue.
    func finish() throws {
        let issues = finalIssues
        guard issues.isEmpty else { throw TerapiError(.invalidBody, "The body is not valid.", issues: issues) }
    }

    private var finalIssues: [TerapiError.Issue] {
        let unknown = (value.object?.names ?? []).filter { !declared.contains($0) }
        return issues
            + unknown.map {
                TerapiError.Issue(code: "unrecognized_keys", message: "Unknown field.", path: path + [$0])
            }
    }

    private mutating func require(_ field: String) {
        if any(field) == nil { refuse(field, code: "invalid_type", "Required.") }
    }

    private mutating func refuseType(_ field: String, _ value: JSONValue, _ expected: String) {
        refuse(field, code: "invalid_type", "Expected \(expected) and not \(value.kind).")
    }
}
