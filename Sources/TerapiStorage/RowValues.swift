import TerapiCore

// How the domain's values stand in columns.

extension Row {
    func timestamp(_ column: Int) -> Timestamp { Timestamp(microseconds: integer(column)) }

    func timestampIfPresent(_ column: Int) -> Timestamp? {
        integerIfPresent(column).map(Timestamp.init(microseconds:))
    }

    func intIfPresent(_ column: Int) -> Int? { integerIfPresent(column).map(Int.init) }

    /// A JSON document that this storage wrote.
    func json(_ column: Int) throws -> JSONValue {
        try withBytes(column) { try storedJSON($0) }
    }

    func jsonIfPresent(_ column: Int) throws -> JSONValue? {
        // Written out: a bare `nil` would be the JSON value `null`.
        isNull(column) ? Optional<JSONValue>.none : try json(column)
    }

    /// A text that stands for a case of an enumeration.
    func value<T: RawRepresentable>(_ column: Int, _ type: T.Type = T.self) throws -> T where T.RawValue == String {
        let text = text(column)
        guard let value = T(rawValue: text) else {
            throw TerapiError(.serverError, "The stored value \"\(text)\" is not one of \(T.self).")
        }
        return value
    }
}

/// Reads a JSON document that this storage wrote.
func storedJSON(_ bytes: some Collection<UInt8>) throws -> JSONValue {
    do {
        return try JSONReader.read(bytes)
    } catch {
        throw TerapiError(.serverError, "A stored document cannot be read.", cause: error)
    }
}

extension SQLValue {
    init(_ value: JSONValue?) { self = value.map { .text($0.text()) } ?? .null }
    init(_ value: JSONObject?) { self = value.map { .text(JSONValue.object($0).text()) } ?? .null }
    init(_ value: [String: String]) { self = .text(JSONValue(value).text()) }
    init(_ value: some RawRepresentable<String>) { self = .text(value.rawValue) }
    init(_ scope: EnvironmentScope) { self = .integer(scope.environmentID) }
}

extension JSONValue {
    /// The members of an object whose values are strings.
    var strings: [String: String] {
        Dictionary(
            (object?.members ?? []).compactMap { member in member.value.string.map { (member.name, $0) } },
            uniquingKeysWith: { $1 }
        )
    }

    /// The elements of an array that are strings.
    var stringArray: [String] { (array ?? []).compactMap(\.string) }

    init(_ value: Secret?) { self = value.map { .string($0.reveal()) } ?? .null }
    init(_ value: JSONObject?) { self = value.map(JSONValue.object) ?? .null }
}
