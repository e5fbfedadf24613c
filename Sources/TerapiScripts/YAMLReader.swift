import TerapiCore
import Yams

/// One mistake in a file that a person wrote.
public struct DefinitionMistake: Sendable, Equatable, CustomStringConvertible {
    public var file: String
    /// Both counted from 1.
    public var line: Int
    public var column: Int
    public var message: String

    public var description: String { "\(file):\(line):\(column): \(message)" }
}

/// Walks a YAML document and collects every mistake with its place, instead of stopping at the first.
struct YAMLReader {
    let file: String
    private(set) var mistakes: [DefinitionMistake] = []

    init(file: String) {
        self.file = file
    }

    /// The document's top, or `nil` when the text is not YAML.
    mutating func compose(_ text: String) -> Node? {
        do {
            if let node = try Yams.compose(yaml: text) { return node }
            add("expected a mapping, found an empty file", line: 1, column: 1)
        } catch let error as YamlError {
            add(error)
        } catch {
            add("expected YAML: \(error)", line: 1, column: 1)
        }
        return nil
    }

    mutating func add(_ message: String, at node: Node) {
        add(message, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
    }

    private mutating func add(_ message: String, line: Int, column: Int) {
        mistakes.append(DefinitionMistake(file: file, line: line, column: column, message: message))
    }

    private mutating func add(_ error: YamlError) {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            add("expected YAML, found a mistake: \(problem)", line: mark.line, column: mark.column)
        case .duplicatedKeysInMapping(let duplicates, let context):
            add(
                "expected each key once, found again: \(duplicates.joined(separator: ", "))",
                line: context.mark.line,
                column: context.mark.column
            )
        default:
            add("expected YAML: \(error)", line: 1, column: 1)
        }
    }

    /// The members of a mapping. Keys that are not among `allowed` are mistakes; `nil` allows any.
    mutating func members(_ node: Node, of name: String, allowed: [String]?) -> [(key: Node, value: Node)] {
        guard let mapping = node.mapping else {
            add("expected \(name) to be a mapping, found \(kind(node))", at: node)
            return []
        }
        return mapping.filter { key, _ in
            guard let text = key.string else {
                add("expected a name as key, found \(kind(key))", at: key)
                return false
            }
            guard let allowed, !allowed.contains(text) else { return true }
            add("expected one of \(allowed.joined(separator: ", ")), found \"\(text)\"", at: key)
            return false
        }
        .map { ($0.key, $0.value) }
    }

    mutating func text(_ node: Node, of name: String) -> String? {
        guard let text = node.scalar?.string, !isNull(node) else {
            add("expected \(name) to be text, found \(kind(node))", at: node)
            return nil
        }
        return text
    }

    mutating func bool(_ node: Node, of name: String) -> Bool? {
        guard tag(node) == "bool", let bool = node.bool else {
            add("expected \(name) to be true or false, found \(kind(node))", at: node)
            return nil
        }
        return bool
    }

    mutating func integer(_ node: Node, of name: String, in range: ClosedRange<Int>) -> Int? {
        guard tag(node) == "int", let integer = node.int, range.contains(integer) else {
            add(
                "expected \(name) to be a whole number from \(range.lowerBound) to \(range.upperBound), found \(kind(node))",
                at: node
            )
            return nil
        }
        return integer
    }

    /// The value as JSON; what YAML has besides becomes text.
    func json(_ node: Node) -> JSONValue {
        switch node {
        case .mapping(let mapping):
            .object(JSONObject(mapping.map { ($0.key.string ?? "", json($0.value)) }))
        case .sequence(let sequence): .array(sequence.map(json))
        default: plain(node) ?? .string(node.scalar?.string ?? "")
        }
    }

    /// A scalar that is no text; `nil` for text and everything else.
    func plain(_ node: Node) -> JSONValue? {
        switch tag(node) {
        case "null": .null
        case "bool": node.bool.map(JSONValue.bool)
        case "int": node.int.map { JSONValue($0) }
        case "float": node.float.flatMap { $0.isFinite ? .number("\($0)") : nil }
        default: nil
        }
    }

    mutating func choice(_ node: Node, of name: String, among choices: [String]) -> String? {
        guard let text = node.scalar?.string, choices.contains(text) else {
            add("expected \(name) to be one of \(choices.joined(separator: ", ")), found \(kind(node))", at: node)
            return nil
        }
        return text
    }

    mutating func texts(_ node: Node, of name: String) -> [String]? {
        guard let sequence = node.sequence else { return text(node, of: name).map { [$0] } }
        return sequence.compactMap { text($0, of: "each of \(name)") }
    }

    func isNull(_ node: Node) -> Bool { tag(node) == "null" }

    /// How the value reads: `int`, `bool`, `null`, `str` …
    func tag(_ node: Node) -> String {
        String(node.tag.description.split(separator: ":").last ?? "")
    }

    func kind(_ node: Node) -> String {
        switch node {
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .scalar(let scalar): isNull(node) ? "nothing" : "\"\(scalar.string)\""
        case .alias: "an alias"
        }
    }
}
