import TerapiCore

/// Reads a query by declared rules and gathers everything that is wrong with it, so that a caller learns it at once.
///
/// Each question for a parameter declares it; ``finish()`` refuses what nobody asked for.
struct QueryReader: ~Copyable {
    private var parameters: [(name: String, value: String)] = []
    private var declared: [String] = []
    private var declaredMaps: [String] = []
    private(set) var issues: [TerapiError.Issue] = []

    init(_ query: String) throws {
        for part in query.split(separator: "&") {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentEncoding.decode(pair[0], plusIsSpace: true),
                let value = PercentEncoding.decode(pair.count > 1 ? pair[1] : "", plusIsSpace: true)
            else {
                throw TerapiError(
                    .invalidQueryParams,
                    "The query is not valid.",
                    issues: [
                        TerapiError.Issue(
                            code: "invalid_format",
                            message: "A percent sign must stand before two hexadecimal digits of UTF-8.",
                            path: [String(pair[0])]
                        )
                    ]
                )
            }
            parameters.append((name, value))
        }
    }

    /// The value of a parameter without declaring it.
    func first(_ name: String) -> String? {
        parameters.first { $0.name == name }?.value
    }

    /// Every parameter; the first value of a repeated one.
    var all: [String: String] {
        Dictionary(parameters.map { ($0.name, $0.value) }) { first, _ in first }
    }

    var repeatedName: String? {
        var seen: Set<String> = []
        return parameters.first { !seen.insert($0.name).inserted }?.name
    }

    mutating func refuse(_ name: String, _ code: String, _ message: String) {
        issues.append(TerapiError.Issue(code: code, message: message, path: [name]))
    }

    mutating func text(_ name: String, _ rule: TextRule = .text()) -> String? {
        guard let value = single(name) else { return nil }
        if let problem = rule.problem(with: value) { refuse(name, problem.code, problem.message) }
        return value
    }

    mutating func requiredText(_ name: String, _ rule: TextRule = .text()) -> String {
        if let value = text(name, rule) { return value }
        if first(name) == nil { refuse(name, "invalid_type", "Required.") }
        return ""
    }

    mutating func integer(_ name: String, in range: ClosedRange<Int>) -> Int? {
        guard let value = single(name) else { return nil }
        guard value.utf8.count <= 18, let number = Int(value), range.contains(number), !value.hasPrefix("+") else {
            refuse(
                name, "invalid_type",
                range.upperBound == .max
                    ? "Expected a whole number of at least \(range.lowerBound)."
                    : "Expected a whole number from \(range.lowerBound) to \(range.upperBound)."
            )
            return nil
        }
        return number
    }

    mutating func flag(_ name: String) -> Bool {
        switch single(name) {
        case nil, "false": return false
        case "true": return true
        case _?:
            refuse(name, "invalid_enum_value", "Expected true or false.")
            return false
        }
    }

    mutating func moment(_ name: String) -> Timestamp? {
        guard let value = single(name) else { return nil }
        // A plus sign that was not escaped has become a space.
        guard let moment = Timestamp(iso8601: value) ?? Timestamp(iso8601: value.replacing(" ", with: "+")) else {
            refuse(name, "invalid_format", "Expected a date and time such as 2026-01-31T12:00:00.000Z.")
            return nil
        }
        return moment
    }

    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String, _ type: Choice.Type
    ) -> Choice? where Choice.RawValue == String {
        choice(name, of: Array(type.allCases))
    }

    mutating func choice<Choice: RawRepresentable>(
        _ name: String, of choices: [Choice]
    ) -> Choice? where Choice.RawValue == String {
        guard let value = single(name) else { return nil }
        return choice(value, of: choices, name)
    }

    /// Several choices, joined by commas.
    mutating func choices<Choice: RawRepresentable & CaseIterable>(
        _ name: String, _ type: Choice.Type
    ) -> [Choice] where Choice.RawValue == String {
        guard let value = single(name) else { return [] }
        return value.split(separator: ",", omittingEmptySubsequences: false).compactMap {
            choice(String($0), of: Array(type.allCases), name)
        }
    }

    private mutating func choice<Choice: RawRepresentable>(
        _ value: String, of choices: [Choice], _ name: String
    ) -> Choice? where Choice.RawValue == String {
        if let choice = choices.first(where: { $0.rawValue == value }) { return choice }
        let allowed = choices.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
        refuse(name, "invalid_enum_value", "Expected one of \(allowed).")
        return nil
    }

    /// All values of a parameter that may be repeated.
    mutating func list(_ name: String, _ rule: TextRule, maxCount: Int) -> [String] {
        declared.append(name)
        let values = parameters.filter { $0.name == name }.map(\.value)
        if values.count > maxCount { refuse(name, "too_big", "Expected at most \(maxCount) values.") }
        if let problem = values.lazy.compactMap({ rule.problem(with: $0) }).first {
            refuse(name, problem.code, problem.message)
        }
        return values
    }

    /// Texts joined by commas.
    mutating func commaList(_ name: String, _ rule: TextRule) -> [String] {
        guard let value = single(name), !value.isEmpty else { return [] }
        let values = value.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        if let problem = values.lazy.compactMap({ rule.problem(with: $0) }).first {
            refuse(name, problem.code, problem.message)
        }
        return values
    }

    /// `name[key]=value` as a map.
    mutating func map(_ name: String) -> [String: String] {
        declaredMaps.append(name)
        var map: [String: String] = [:]
        for parameter in parameters {
            guard let key = Self.key(parameter.name, in: name) else { continue }
            if map.updateValue(parameter.value, forKey: key) != nil {
                refuse(parameter.name, "repeated_key", "The parameter is repeated.")
            }
        }
        return map
    }

    private static func key(_ parameter: String, in map: String) -> String? {
        guard parameter.hasPrefix(map + "["), parameter.hasSuffix("]") else { return nil }
        let key = parameter.dropFirst(map.count + 1).dropLast()
        return key.isEmpty ? nil : String(key)
    }

    private mutating func single(_ name: String) -> String? {
        declared.append(name)
        var values = parameters.lazy.filter { $0.name == name }.makeIterator()
        guard let value = values.next()?.value else { return nil }
        if values.next() != nil { refuse(name, "repeated_key", "The parameter is repeated.") }
        return value
    }

    /// - Throws: `TerapiError(.invalidQueryParams)` with every issue.
    func finish() throws {
        var issues = issues
        for parameter in parameters where !declared.contains(parameter.name) {
            guard !declaredMaps.contains(where: { Self.key(parameter.name, in: $0) != nil }) else { continue }
            issues.append(
                TerapiError.Issue(code: "unrecognized_keys", message: "Unknown parameter.", path: [parameter.name])
            )
        }
        guard issues.isEmpty else {
            throw TerapiError(.invalidQueryParams, "The query is not valid.", issues: issues)
        }
    }
}
