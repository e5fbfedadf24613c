import Synchronization

/// A JSON Schema, as far as zod prints it (draft 2020-12): what it does not know it does not check, and `format` is a
/// remark.
public struct JSONSchema: Sendable {
    /// Issues beyond these are not looked for.
    static let maxIssues = 20
    /// References that lead to each other without an end are given up at this depth.
    static let maxDepth = 256
    /// Longer texts are not matched with patterns.
    static let maxPatternText = 10_000

    private let root: JSONValue
    private let allowsMoreMembers: Bool
    private let patterns = Patterns()

    /// - Parameter allowsMoreMembers: whether members that the schema excludes are let pass. zod drops what it does not
    ///   know from what it reads, but prints for it that nothing else is allowed.
    public init(_ document: JSONValue, allowsMoreMembers: Bool = false) {
        root = document
        self.allowsMoreMembers = allowsMoreMembers
    }

    /// What is wrong with a value, each with the path that leads to it. Empty when it is valid.
    public func issues(with value: JSONValue) -> [TerapiError.Issue] {
        var check = Check(root: root, allowsMoreMembers: allowsMoreMembers, patterns: patterns)
        check.visit(value, root, [])
        return check.issues
    }
}

/// One walk through a value along a schema.
private struct Check {
    let root: JSONValue
    let allowsMoreMembers: Bool
    let patterns: Patterns
    var depth = 0
    var issues: [TerapiError.Issue] = []

    mutating func visit(_ value: JSONValue, _ schema: JSONValue, _ path: [String]) {
        guard issues.count < JSONSchema.maxIssues, depth < JSONSchema.maxDepth else { return }
        depth += 1
        defer { depth -= 1 }
        switch schema {
        case .bool(false): refuse(path, "unrecognized_keys", "Nothing is allowed here.")
        case .object(let schema):
            if value.isNull, schema["nullable"]?.bool == true { return }
            visit(value, schema, path)
        default: break
        }
    }

    private mutating func visit(_ value: JSONValue, _ schema: JSONObject, _ path: [String]) {
        if let reference = schema["$ref"]?.string, let target = target(of: reference) { visit(value, target, path) }
        if let expected = schema["type"] {
            let names = expected.string.map { [$0] } ?? (expected.array ?? []).compactMap(\.string)
            guard names.contains(where: { value.isOf(type: $0) }) else {
                let wanted = names.map(Self.withArticle).joined(separator: " or ")
                return refuse(path, "invalid_type", "Expected \(wanted) and not \(value.kind).")
            }
        }
        if let constant = schema["const"], !constant.means(value) {
            refuse(path, "invalid_value", "Expected \(constant.text()).")
        }
        if let choices = schema["enum"]?.array, !choices.contains(where: { $0.means(value) }) {
            let list = choices.prefix(20).map { $0.text() }.joined(separator: ", ")
            refuse(path, "invalid_value", "Expected one of \(list).")
        }
        switch value {
        case .number: checkNumber(value, schema, path)
        case .string(let text): checkText(text, schema, path)
        case .array(let values): checkArray(values, schema, path)
        case .object(let object): checkObject(object, schema, path)
        default: break
        }
        combine(value, schema, path)
    }

    // MARK: Kinds of values

    private mutating func checkNumber(_ value: JSONValue, _ schema: JSONObject, _ path: [String]) {
        guard let number = value.double else { return }
        if let least = schema["minimum"]?.double, number < least {
            refuse(path, "too_small", "Expected at least \(least.short).")
        }
        if let most = schema["maximum"]?.double, number > most {
            refuse(path, "too_big", "Expected at most \(most.short).")
        }
        if let bound = schema["exclusiveMinimum"]?.double, number <= bound {
            refuse(path, "too_small", "Expected more than \(bound.short).")
        }
        if let bound = schema["exclusiveMaximum"]?.double, number >= bound {
            refuse(path, "too_big", "Expected less than \(bound.short).")
        }
        if let step = schema["multipleOf"]?.double, step > 0 {
            let ratio = number / step
            // 0.3 is a multiple of 0.1, whatever binary fractions say.
            if abs(ratio - ratio.rounded()) > 1e-9 * max(1, abs(ratio)) {
                refuse(path, "not_multiple_of", "Expected a multiple of \(step.short).")
            }
        }
    }

    private mutating func checkText(_ text: String, _ schema: JSONObject, _ path: [String]) {
        if let least = schema["minLength"]?.int, text.unicodeScalars.count < least {
            refuse(path, "too_small", "Expected at least \(least) characters.")
        }
        if let most = schema["maxLength"]?.int, text.unicodeScalars.count > most {
            refuse(path, "too_big", "Expected at most \(most) characters.")
        }
        if let pattern = schema["pattern"]?.string, !patterns.matches(text, pattern) {
            let format = schema["format"]?.string.map { "the format \"\($0)\"" } ?? "a text that matches \(pattern)"
            refuse(path, "invalid_format", "Expected \(format).")
        }
    }

    private mutating func checkArray(_ values: [JSONValue], _ schema: JSONObject, _ path: [String]) {
        if let least = schema["minItems"]?.int, values.count < least {
            refuse(path, "too_small", "Expected at least \(least) elements.")
        }
        if let most = schema["maxItems"]?.int, values.count > most {
            refuse(path, "too_big", "Expected at most \(most) elements.")
        }
        if schema["uniqueItems"]?.bool == true, Set(values).count < values.count {
            refuse(path, "invalid_value", "Expected elements that differ from each other.")
        }
        let first = schema["prefixItems"]?.array ?? []
        for (index, value) in values.enumerated() {
            if index < first.count {
                visit(value, first[index], path + [String(index)])
            } else if let items = schema["items"] {
                visit(value, items, path + [String(index)])
            }
            guard issues.count < JSONSchema.maxIssues else { return }
        }
    }

    private mutating func checkObject(_ object: JSONObject, _ schema: JSONObject, _ path: [String]) {
        let properties = schema["properties"]?.object ?? [:]
        for name in (schema["required"]?.array ?? []).compactMap(\.string) where object[name] == nil {
            refuse(path + [name], "invalid_type", "Required.")
        }
        for (name, value) in object.members {
            guard issues.count < JSONSchema.maxIssues else { return }
            let place = path + [name]
            if let names = schema["propertyNames"] { visit(.string(name), names, place) }
            if let property = properties[name] {
                visit(value, property, place)
                continue
            }
            let matching = (schema["patternProperties"]?.object?.members ?? [])
                .filter { patterns.matches(name, $0.name) }
            for property in matching { visit(value, property.value, place) }
            guard matching.isEmpty, let additional = schema["additionalProperties"] else { continue }
            if additional == .bool(false) {
                if allowsMoreMembers { continue }
                refuse(place, "unrecognized_keys", "Unknown field.")
            } else {
                visit(value, additional, place)
            }
        }
    }

    // MARK: Schemas of schemas

    private mutating func combine(_ value: JSONValue, _ schema: JSONObject, _ path: [String]) {
        for part in schema["allOf"]?.array ?? [] { visit(value, part, path) }
        if let options = schema["anyOf"]?.array { choose(value, options, path, mayBeSeveral: true) }
        if let options = schema["oneOf"]?.array { choose(value, options, path, mayBeSeveral: false) }
        if let unwanted = schema["not"], issues(with: value, unwanted, path).isEmpty {
            refuse(path, "invalid_value", "This value is not allowed.")
        }
    }

    private mutating func choose(
        _ value: JSONValue, _ options: [JSONValue], _ path: [String], mayBeSeveral: Bool
    ) {
        let found = options.map { issues(with: value, $0, path) }
        let valid = found.filter(\.isEmpty).count
        if valid == 1 || (valid > 1 && mayBeSeveral) { return }
        guard valid == 0 else {
            return refuse(path, "invalid_union", "Expected one of \(options.count) forms and not several at once.")
        }
        // What is meant is mostly the form of which only something inside is wrong.
        let inside = found.filter { issues in issues.allSatisfy { $0.path.count > path.count } }
        let meant = inside.isEmpty ? found.filter { $0.first?.code != "invalid_type" } : inside
        if meant.count == 1, let meant = meant.first {
            issues += meant
            return
        }
        let kinds = options.compactMap { $0["type"]?.string }
        let text =
            kinds.count == options.count
            ? Set(kinds).sorted().map(Self.withArticle).joined(separator: " or ") : "one of \(options.count) forms"
        refuse(path, "invalid_union", "Expected \(text); this is none of them.")
    }

    private func issues(with value: JSONValue, _ schema: JSONValue, _ path: [String]) -> [TerapiError.Issue] {
        var check = Check(root: root, allowsMoreMembers: allowsMoreMembers, patterns: patterns, depth: depth)
        check.visit(value, schema, path)
        return check.issues
    }

    /// The schema that `#/$defs/Name` leads to.
    private func target(of reference: String) -> JSONValue? {
        guard reference.hasPrefix("#") else { return nil }
        return reference.dropFirst().split(separator: "/").reduce(root as JSONValue?) { schema, step in
            let name = (PercentEncoding.decode(step) ?? String(step)).replacing("~1", with: "/").replacing(
                "~0", with: "~")
            return switch schema {
            case .object(let object): object[name]
            case .array(let array): Int(name).flatMap { array.indices.contains($0) ? array[$0] : nil }
            default: nil
            }
        }
    }

    private mutating func refuse(_ path: [String], _ code: String, _ message: String) {
        issues.append(TerapiError.Issue(code: code, message: message, path: path))
    }

    private static func withArticle(_ type: String) -> String {
        switch type {
        case "null": "null"
        case "array", "object", "integer": "an \(type)"
        default: "a \(type)"
        }
    }
}

/// The patterns of one schema, made when they are first needed. One that this machine cannot read allows everything.
private final class Patterns: Sendable {
    private let known = Mutex<[String: Regex<AnyRegexOutput>?]>([:])

    func matches(_ text: String, _ pattern: String) -> Bool {
        guard text.utf8.count <= JSONSchema.maxPatternText else { return true }
        return known.withLock { known in
            if known[pattern] == nil {
                known[pattern] = .some(
                    (try? Regex(pattern))?.matchingSemantics(.unicodeScalar).asciiOnlyCharacterClasses()
                )
            }
            guard let regex = known[pattern] ?? nil else { return true }
            return ((try? regex.firstMatch(in: text)) ?? nil) != nil
        }
    }
}

extension JSONValue {
    fileprivate func isOf(type: String) -> Bool {
        guard type == "integer" else { return type == kind }
        guard case .number(let digits) = self else { return false }
        return Int64(digits) != nil || double.map { $0 == $0.rounded() && $0.isFinite } ?? false
    }

    /// Equality as JSON Schema understands it: `1` and `1.0` are one number.
    fileprivate func means(_ other: JSONValue) -> Bool {
        switch (self, other) {
        case (.number(let left), .number(let right)): left == right || double == other.double
        case (.array(let left), .array(let right)):
            left.count == right.count && zip(left, right).allSatisfy { $0.means($1) }
        case (.object(let left), .object(let right)):
            left.members.count == right.members.count
                && left.members.allSatisfy { member in right[member.name].map(member.value.means) ?? false }
        default: self == other
        }
    }
}

extension Double {
    /// Without the `.0` of a whole number.
    fileprivate var short: String {
        Int64(exactly: self).map(String.init) ?? String(self)
    }
}
