import TerapiCore
import Yams

/// What a place in a provider file may hold.
indirect enum Shape: Sendable {
    case text
    case flag
    case integer
    /// Text, number or boolean.
    case scalar
    case any
    case oneOf([String])
    case list(Shape)
    /// Names that the author chooses.
    case map(Shape)
    /// Names that are known; any other is a mistake.
    case record([String: Shape])
    case either(Shape, Shape)
    /// Where a value of a provider webhook stands.
    case place
    /// What must hold of one; the parameter is what a text without a prefix points into.
    case condition(in: String?)

    /// In the words of an error message.
    var description: String {
        switch self {
        case .text: "text"
        case .flag: "true or false"
        case .integer: "a whole number"
        case .scalar: "text, a number, or true or false"
        case .any: "anything"
        case .oneOf(let words): "one of \(words.joined(separator: ", "))"
        case .list(let item): "a list of \(item.description)"
        case .map, .record: "a map"
        case .place: "a place such as header:x-event or body:id"
        case .condition: "a condition such as body:type==ping"
        case .either(let first, let second): "\(first.description), or \(second.description)"
        }
    }

    /// Everything that is wrong with a node, each with its place.
    func problems(with node: Node, at path: String, file: String) -> [CatalogProblem] {
        switch self {
        case .any: return []
        case .text where node.isText, .flag where node.isFlag, .integer where node.isInteger: return []
        case .scalar where node.scalar != nil && !node.isNull: return []
        case .oneOf(let words) where node.scalar.map { words.contains($0.string) } ?? false: return []
        case .place, .condition:
            guard let text = node.scalar?.string, !node.isNull else { break }
            do throws(WebhookExpression.Mistake) {
                if case .condition(let source) = self {
                    _ = try WebhookCondition(text, in: source)
                } else {
                    _ = try WebhookExpression(text)
                }
                return []
            } catch {
                return [CatalogProblem(file: file, node: node, message: "\"\(path)\": \(error).")]
            }
        case .list(let item):
            guard let items = node.sequence else { break }
            return items.enumerated().flatMap { item.problems(with: $1, at: "\(path)[\($0)]", file: file) }
        case .map(let value):
            guard let mapping = node.mapping else { break }
            return mapping.flatMap { value.problems(with: $0.value, at: "\(path).\($0.key.string ?? "?")", file: file) }
        case .record(let fields):
            guard let mapping = node.mapping else { break }
            return mapping.flatMap { key, value -> [CatalogProblem] in
                let name = key.string ?? "?"
                let place = path.isEmpty ? name : "\(path).\(name)"
                guard let shape = fields[name] else {
                    let hint = Self.closest(to: name, in: fields.keys).map { " Did you mean \"\($0)\"?" } ?? ""
                    return [CatalogProblem(file: file, node: key, message: "Unknown key \"\(place)\".\(hint)")]
                }
                return shape.problems(with: value, at: place, file: file)
            }
        case .either(let first, let second):
            if first.problems(with: node, at: path, file: file).isEmpty { return [] }
            if second.problems(with: node, at: path, file: file).isEmpty { return [] }
        default: break
        }
        let found = node.mapping != nil ? "a map" : node.sequence != nil ? "a list" : "\"\(node.scalar?.string ?? "")\""
        return [
            CatalogProblem(file: file, node: node, message: "\"\(path)\": expected \(description), found \(found).")
        ]
    }

    /// The name that a person may have meant: at most two slips away.
    static func closest(to name: String, in names: some Sequence<String>) -> String? {
        names.map { ($0, distance(Array(name.lowercased()), Array($0))) }
            .filter { $0.1 <= 2 }
            .min { ($0.1, $0.0) < ($1.1, $1.0) }?.0
    }

    private static func distance(_ left: [Character], _ right: [Character]) -> Int {
        var row = Array(0...right.count)
        for (i, character) in left.enumerated() {
            var previous = row[0]
            row[0] = i + 1
            for (j, other) in right.enumerated() {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, previous + (character == other ? 0 : 1))
                previous = above
            }
        }
        return row[right.count]
    }
}

extension Node {
    var isText: Bool { tag == Tag(.str) && scalar != nil }
    var isFlag: Bool { tag == Tag(.bool) }
    var isInteger: Bool { tag == Tag(.int) && int != nil }
    var isNull: Bool { tag == Tag(.null) }
}
