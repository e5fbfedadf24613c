public import TerapiCore

extension JSONValue {
    /// What fits stands on one line.
    private static let lineWidth = 110

    /// The document for people: indented by four spaces, with what is short on one line.
    public var layout: String {
        layout(indent: 0, used: 0)
    }

    /// - Parameter used: characters that stand on the line already.
    private func layout(indent: Int, used: Int) -> String {
        let line = spaced
        let isLong = indent * 4 + used + line.count > Self.lineWidth
        guard !isLeaf, isLong || (indent == 0 && hasPlaces) else { return line }
        let space = String(repeating: "    ", count: indent + 1)
        let end = "\n" + String(repeating: "    ", count: indent)
        switch self {
        case .array(let values):
            let lines = values.map { space + $0.layout(indent: indent + 1, used: 1) }
            return "[\n" + lines.joined(separator: ",\n") + end + "]"
        case .object(let object):
            let lines = object.members.map { name, value in
                let head = JSONValue.string(name).text() + ": "
                return space + head + value.layout(indent: indent + 1, used: head.count + 1)
            }
            return "{\n" + lines.joined(separator: ",\n") + end + "}"
        default: return line
        }
    }

    private var isLeaf: Bool {
        switch self {
        case .array(let values): values.isEmpty
        case .object(let object): object.isEmpty
        default: true
        }
    }

    /// Whether anything in it has members of its own.
    private var hasPlaces: Bool {
        switch self {
        case .array(let values): values.contains { !$0.isLeaf }
        case .object: true
        default: false
        }
    }

    /// On one line, with spaces where people put them.
    private var spaced: String {
        switch self {
        case .array(let values): "[" + values.map(\.spaced).joined(separator: ", ") + "]"
        case .object(let object) where object.isEmpty: "{}"
        case .object(let object):
            "{ "
                + object.members.map { "\(JSONValue.string($0.name).text()): \($0.value.spaced)" }
                .joined(separator: ", ") + " }"
        default: text()
        }
    }
}
