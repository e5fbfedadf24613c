public import TerapiCore

/// One place in which two documents differ.
public struct JSONDifference: Sendable, Equatable {
    /// `saved.Ticket[id=7].title`; empty for the whole document.
    public var path: String
    /// `nil` where nothing was expected.
    public var expected: JSONValue?
    /// `nil` where nothing was found.
    public var found: JSONValue?

    /// Every place in which the documents differ, in the order of the expected one.
    ///
    /// Objects with an id are compared with those of the same id, so that one that was added shifts no others.
    public static func between(_ expected: JSONValue, _ found: JSONValue) -> [JSONDifference] {
        between(expected, found, at: "")
    }

    private static func between(_ expected: JSONValue, _ found: JSONValue, at path: String) -> [JSONDifference] {
        guard expected != found else { return [] }
        switch (expected, found) {
        case (.object(let left), .object(let right)):
            return left.members.flatMap { name, value in
                let path = path.isEmpty ? name : "\(path).\(name)"
                guard let other = right[name] else { return [JSONDifference(path: path, expected: value, found: nil)] }
                return between(value, other, at: path)
            }
                + right.members.filter { left[$0.name] == nil }.map { name, value in
                    JSONDifference(path: path.isEmpty ? name : "\(path).\(name)", expected: nil, found: value)
                }
        case (.array(let left), .array(let right)):
            guard let leftIDs = ids(left), let rightIDs = ids(right) else {
                return (0..<max(left.count, right.count)).flatMap { index in
                    let (one, other) = (member(index, of: left), member(index, of: right))
                    return between(one, other, at: "\(path)[\(index)]")
                }
            }
            return byID(left, leftIDs, right, rightIDs, at: path)
        default:
            return [JSONDifference(path: path, expected: expected, found: found)]
        }
    }

    private static func byID(
        _ left: [JSONValue], _ leftIDs: [String], _ right: [JSONValue], _ rightIDs: [String], at path: String
    ) -> [JSONDifference] {
        let places = Dictionary(uniqueKeysWithValues: zip(rightIDs, right))
        let known = Set(leftIDs)
        var differences = zip(leftIDs, left).flatMap { id, value in
            between(value, places[id], at: "\(path)[id=\(id)]")
        }
        for (id, value) in zip(rightIDs, right) where !known.contains(id) {
            differences.append(JSONDifference(path: "\(path)[id=\(id)]", expected: nil, found: value))
        }
        guard differences.isEmpty else { return differences }
        return [
            JSONDifference(path: "\(path), the order of ids", expected: JSONValue(leftIDs), found: JSONValue(rightIDs))
        ]
    }

    private static func between(_ expected: JSONValue?, _ found: JSONValue?, at path: String) -> [JSONDifference] {
        guard let expected, let found else {
            return expected == found ? [] : [JSONDifference(path: path, expected: expected, found: found)]
        }
        return between(expected, found, at: path)
    }

    private static func member(_ index: Int, of values: [JSONValue]) -> JSONValue? {
        values.indices.contains(index) ? values[index] : nil
    }

    /// The ids of objects that all have one of their own.
    private static func ids(_ values: [JSONValue]) -> [String]? {
        let ids = values.compactMap { value in value["id"].map { $0.string ?? $0.text() } }
        return ids.count == values.count && Set(ids).count == ids.count && !ids.isEmpty ? ids : nil
    }
}

extension JSONDifference: CustomStringConvertible {
    private static let shownCharacters = 200

    public var description: String {
        var lines = [path.isEmpty ? "the result" : path]
        if let expected { lines.append("  - \(Self.cut(expected))") }
        if let found { lines.append("  + \(Self.cut(found))") }
        return lines.joined(separator: "\n")
    }

    private static func cut(_ value: JSONValue) -> String {
        let text = value.text()
        return text.count > shownCharacters ? text.prefix(shownCharacters) + "…" : text
    }
}
