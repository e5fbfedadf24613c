import TerapiCore

/// What a place in a provider file may hold.
indirect enum Shape: Sendable {
    case text
    case flag
    case integer
    /// Text, number or boolean.
    case scalar
    case any
    /// No value at all: how an entry switches off what it takes over from its alias.
    case nothing
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
        case .nothing: "nothing"
        case .oneOf(let words): "one of \(words.joined(separator: ", "))"
        case .list(let item): "a list of \(item.description)"
        case .map, .record: "a map"
        case .place: "a place such as header:x-event or body:id"
        case .condition: "a condition such as body:type==ping"
        case .either(let first, let second): "\(first.description), or \(second.description)"
        }
    }

    func fits(_ node: YAMLNode) -> Bool {
        switch self {
        case .any: return true
        case .text: return node.kind == .text
        case .integer: return node.kind == .integer
        case .nothing: return node.kind == .nothing
        case .flag: return node.flag != nil
        case .scalar: return node.scalar != nil && node.kind != .nothing
        case .oneOf(let words): return node.scalar.map { words.contains($0) } ?? false
        case .list(let item): return node.items?.allSatisfy { item.fits($0) } ?? false
        case .map(let value): return node.members?.allSatisfy { value.fits($0.value) } ?? false
        case .place, .condition: return node.scalar != nil && !node.isNothing && mistake(in: node) == nil
        case .record(let fields):
            return node.members?.allSatisfy { fields[$0.name]?.fits($0.value) ?? false } ?? false
        case .either(let first, let second): return first.fits(node) || second.fits(node)
        }
    }

    /// Everything that is wrong with a node, each with its place.
    func problems(with node: YAMLNode, at path: String, file: String) -> [CatalogProblem] {
        guard !fits(node) else { return [] }
        if let mistake = mistake(in: node) {
            return [CatalogProblem(file: file, place: node.place, message: "\"\(path)\": \(mistake).")]
        }
        switch (self, node.content) {
        case (.list(let item), .list(let items)):
            return items.enumerated().flatMap { item.problems(with: $1, at: "\(path)[\($0)]", file: file) }
        case (.map(let value), .map(let members)):
            return members.flatMap { value.problems(with: $0.value, at: "\(path).\($0.name)", file: file) }
        case (.record, .map(let members)):
            return members.flatMap { problems(with: $0, at: path, file: file) }
        case (.either(let first, .record), .map) where !first.canBeMap:
            // Whoever wrote a map meant the one with these keys.
            guard case .either(_, let record) = self else { return [] }
            return record.problems(with: node, at: path, file: file)
        default:
            return [
                CatalogProblem(
                    file: file,
                    place: node.place,
                    message: "\"\(path)\": expected \(description), found \(node.found)."
                )
            ]
        }
    }

    /// What is wrong with an expression over a provider webhook.
    private func mistake(in node: YAMLNode) -> WebhookExpression.Mistake? {
        guard let text = node.scalar, !node.isNothing else { return nil }
        do throws(WebhookExpression.Mistake) {
            switch self {
            case .place: _ = try WebhookExpression(text)
            case .condition(let source): _ = try WebhookCondition(text, in: source)
            default: break
            }
            return nil
        } catch {
            return error
        }
    }

    private var canBeMap: Bool {
        switch self {
        case .any, .map, .record: true
        case .either(let first, let second): first.canBeMap || second.canBeMap
        default: false
        }
    }

    /// What is wrong with one member of a record.
    func problems(with member: YAMLNode.Member, at path: String, file: String) -> [CatalogProblem] {
        guard case .record(let fields) = self else { return [] }
        let place = path.isEmpty ? member.name : "\(path).\(member.name)"
        guard let shape = fields[member.name] else {
            let hint = Self.closest(to: member.name, in: fields.keys).map { " Did you mean \"\($0)\"?" } ?? ""
            return [CatalogProblem(file: file, place: member.place, message: "Unknown key \"\(place)\".\(hint)")]
        }
        return shape.problems(with: member.value, at: place, file: file)
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
