import TerapiCore

/// The schemas of an OpenAPI document, each once under a name of its own.
struct SchemaLibrary {
    private(set) var components: JSONObject = [:]
    /// Which schema has which name, as it came.
    private var names: [JSONValue: String] = [:]

    /// - Parameters:
    ///   - name: as it is wanted.
    ///   - owner: goes before the name where another schema has it.
    /// - Returns: a reference to the schema.
    mutating func add(_ schema: JSONValue, named name: String, of owner: String) -> JSONValue {
        if let known = names[schema] { return Self.reference(to: known) }
        let key = freeName(name, owner)
        names[schema] = key
        components[key] = .object([:])
        components[key] = hoisted(schema, under: key)
        return Self.reference(to: key)
    }

    /// A schema that only this document has.
    mutating func set(_ name: String, _ schema: JSONValue) -> JSONValue {
        components[name] = schema
        return Self.reference(to: name)
    }

    static func reference(to name: String) -> JSONValue {
        ["$ref": .string("#/components/schemas/\(name)")]
    }

    /// Without what zod prints for objects of which it drops members that it does not know: Terapi lets them pass.
    static func relaxed(_ schema: JSONValue) -> JSONValue {
        switch schema {
        case .array(let values): .array(values.map(relaxed))
        case .object(let object):
            .object(
                JSONObject(
                    object.members.filter { $0.name != "additionalProperties" || $0.value != .bool(false) }
                        .map { ($0.name, relaxed($0.value)) }
                )
            )
        default: schema
        }
    }

    /// The document's root is not the schema's: what the schema calls its own gets a place among the components.
    private mutating func hoisted(_ schema: JSONValue, under key: String) -> JSONValue {
        guard case .object(var object) = schema else { return schema }
        var places: [String: String] = [:]
        var inner: [(name: String, schema: JSONValue)] = []
        for part in ["$defs", "definitions"] {
            for (name, definition) in object[part]?.object?.members ?? [] {
                let place = freeName("\(key).\(name)", key)
                components[place] = .object([:])
                places["#/\(part)/\(name)"] = "#/components/schemas/\(place)"
                inner.append((place, definition))
            }
            object[part] = nil
        }
        object["$schema"] = nil
        object["$id"] = nil
        let root = "#/components/schemas/\(key)"
        for (name, definition) in inner { components[name] = Self.moved(definition, places, root: root) }
        return Self.moved(.object(object), places, root: root)
    }

    private static func moved(_ schema: JSONValue, _ places: [String: String], root: String) -> JSONValue {
        switch schema {
        case .array(let values): return .array(values.map { moved($0, places, root: root) })
        case .object(let object):
            return .object(
                JSONObject(
                    object.members.map { name, value in
                        guard name == "$ref", let reference = value.string, reference.hasPrefix("#") else {
                            return (name, moved(value, places, root: root))
                        }
                        let place = places.first { reference == $0.key || reference.hasPrefix($0.key + "/") }
                        let target = place.map { $0.value + reference.dropFirst($0.key.count) }
                        return (name, .string(target ?? root + reference.dropFirst()))
                    }
                )
            )
        default: return schema
        }
    }

    private func freeName(_ name: String, _ owner: String) -> String {
        let wanted = Self.allowed(name)
        guard components[wanted] != nil else { return wanted }
        let owned = Self.allowed("\(owner).\(name)")
        var candidate = owned
        var number = 2
        while components[candidate] != nil {
            candidate = "\(owned).\(number)"
            number += 1
        }
        return candidate
    }

    private static func allowed(_ name: String) -> String {
        String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) ? $0 : "_" })
    }
}
