import TerapiCore

/// Single answers, each checked where it stands.
extension PartnerAnswersReader {
    mutating func check(_ json: JSONValue, _ path: [String], _ allowed: [String]) {
        guard let object = json.object else { return add(path, "Expected a mapping, found \(json.kind).") }
        for name in object.names where !allowed.contains(name) {
            add(path + [name], "There is no such answer. Allowed here: \(allowed.joined(separator: ", ")).")
        }
    }

    private func value(_ json: JSONValue, _ path: [String]) -> JSONValue? {
        path.reduce(json as JSONValue?) { $0?[$1] }
    }

    mutating func text(_ json: JSONValue, _ path: [String], _ what: String) -> String? {
        if let text = value(json, path)?.string, !text.isEmpty { return text }
        add(path, "Expected \(what).")
        return nil
    }

    mutating func optional(_ json: JSONValue, _ path: [String]) -> String? {
        guard let value = value(json, path), !value.isNull else { return nil }
        if let text = value.string, !text.isEmpty { return text }
        add(path, "Expected text, found \(value.kind).")
        return nil
    }

    mutating func whole(_ json: JSONValue, _ path: [String], in range: ClosedRange<Int>, or standard: Int) -> Int {
        guard let value = value(json, path), !value.isNull else { return standard }
        if let number = value.int ?? value.string.flatMap(Int.init), range.contains(number) { return number }
        add(path, "Expected a whole number from \(range.lowerBound) to \(range.upperBound).")
        return standard
    }

    mutating func url(_ json: JSONValue, _ path: [String], _ what: String) -> String? {
        guard let text = text(json, path, what) else { return nil }
        guard text.wholeMatch(of: #/https?://[^\s/?#"'$\\]+([/?][^\s"'\\]*)?/#) != nil else {
            add(path, "\"\(text)\" is no address: it begins with https://, and has a host and no spaces.")
            return nil
        }
        return text
    }

    mutating func checkedPath(_ text: String, _ path: [String]) -> String? {
        guard text.wholeMatch(of: #/[A-Za-z0-9_@$-]+(\.[A-Za-z0-9_@$-]+)*/#) != nil else {
            add(path, "\"\(text)\" is no place in an answer: names with dots between them, such as data.id.")
            return nil
        }
        return text
    }
}
