import TerapiCore

extension YAMLNode {
    /// The node as JSON: only plain scalars are numbers and flags, quoted ones stay text.
    var json: JSONValue {
        switch content {
        case .map(let members): .object(JSONObject(members.map { ($0.name, $0.value.json) }))
        case .list(let items): .array(items.map(\.json))
        case .scalar(let text, let isPlain):
            switch isPlain ? YAMLScalar(plain: text) : .text {
            case .text: .string(text)
            case .flag(let flag): .bool(flag)
            case .integer, .decimal: .number(text)
            case .nothing: .null
            }
        }
    }
}
