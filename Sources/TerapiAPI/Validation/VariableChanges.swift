import TerapiCore

/// What is to become of an environment's variables.
struct VariableChanges: Sendable {
    static let maxCount = 256
    static let maxValueBytes = 16_384

    var set: [EnvironmentVariable] = []
    var removed: [String] = []

    /// - Throws: `TerapiError(.invalidBody)` when there would be too many.
    func apply(to settings: any SettingsStorage, in scope: EnvironmentScope) async throws {
        let names = Set(try await settings.variables(in: scope).map(\.name)).subtracting(removed)
            .union(set.map(\.name))
        guard names.count <= Self.maxCount else {
            throw TerapiError(.invalidBody, "An environment has at most \(Self.maxCount) variables.")
        }
        try await settings.changeVariables(setting: set, removing: removed, in: scope)
    }
}

extension BodyReader {
    /// An object of names and values; `null` takes a variable away.
    mutating func variableChanges(_ field: String) -> VariableChanges? {
        guard let object = object(field) else { return nil }
        var changes = VariableChanges()
        for (name, value) in object.members {
            guard Self.isVariableName(name) else {
                refuse(
                    field, name, code: "invalid_string",
                    "A variable's name is made of up to 128 letters, digits and \"_\", and begins with no digit."
                )
                continue
            }
            if value.isNull {
                changes.removed.append(name)
            } else if let text = value.string, text.utf8.count <= VariableChanges.maxValueBytes {
                changes.set.append(EnvironmentVariable(name: name, value: Secret(text)))
            } else if value.string != nil {
                refuse(
                    field, name, code: "too_big", "Expected at most \(VariableChanges.maxValueBytes) bytes.")
            } else {
                refuse(field, name, code: "invalid_type", "Expected a string or null and not \(value.kind).")
            }
        }
        return changes
    }

    private static func isVariableName(_ name: String) -> Bool {
        let bytes = name.utf8
        let isMadeOf = bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        return isMadeOf && bytes.count <= 128 && bytes.first.map { $0 > UInt8(ascii: "9") } ?? false
    }
}
