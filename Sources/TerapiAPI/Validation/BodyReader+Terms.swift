import TerapiCore

// The fields that several bodies share.
extension BodyReader {
    /// At most ten tags; their names in lower case.
    mutating func tags(_ field: String = "tags") -> [String: String]? {
        guard let object = object(field) else { return nil }
        if object.members.count > 10 { refuse(field, code: "too_big", "Expected at most 10 tags.") }
        var tags: [String: String] = [:]
        for (name, value) in object.members {
            if !Self.isTagName(name) {
                refuse(
                    field, name, code: "invalid_format",
                    "A tag's name begins with a letter and has at most 64 letters, digits and _ - . /"
                )
            }
            guard let text = value.string, (1...255).contains(text.utf8.count) else {
                refuse(field, name, code: "invalid_type", "Expected a text of 1 to 255 characters.")
                continue
            }
            let key = name.lowercased()
            if key == "end_user_email", !EmailAddress.isPlausible(text) {
                refuse(field, name, code: "invalid_format", "Expected an e-mail address.")
            }
            if tags.updateValue(text, forKey: key) != nil {
                refuse(field, name, code: "repeated_key", "Two tags have this name once both are in lower case.")
            }
        }
        return tags
    }

    private static func isTagName(_ name: String) -> Bool {
        guard let first = name.utf8.first, (1...64).contains(name.utf8.count) else { return false }
        let isLetter = TextRule.isLetter(first)
        return isLetter && name.utf8.allSatisfy { TextRule.isLetterOrDigit($0) || "_-./".utf8.contains($0) }
    }

    mutating func endUser(_ field: String = "end_user") -> EndUser? {
        nested(field) { reader in
            var user = EndUser(id: reader.requiredText("id"))
            user.email = reader.text("email")
            if let email = user.email, !EmailAddress.isPlausible(email) {
                reader.refuse("email", code: "invalid_format", "Expected an e-mail address.")
            }
            user.displayName = reader.text("display_name")
            user.tags = reader.tags() ?? [:]
            if let organization = reader.nested("organization", Self.organization) {
                user.organizationID = organization.id
                user.organizationDisplayName = organization.name
            }
            return user
        }
    }

    static func organization(_ reader: inout BodyReader) -> (id: String, name: String?) {
        (reader.requiredText("id"), reader.text("display_name"))
    }

    mutating func url(_ field: String) -> String? {
        guard let text = text(field, .text(1...2048)) else { return nil }
        if WebOrigin(url: text) == nil {
            refuse(field, code: "invalid_format", "Expected an address that begins with https:// or http://.")
        }
        return text
    }

    mutating func origins(_ field: String) -> [String]? {
        guard let texts = texts(field, .text(1...255), maxCount: 50) else { return nil }
        return texts.enumerated().compactMap { index, text in
            guard let origin = WebOrigin(url: text), text == origin.text || text == origin.text + "/" else {
                refuse(
                    field, String(index), code: "invalid_format",
                    "Expected an origin in lower case and nothing more, such as https://app.example.com."
                )
                return nil
            }
            return origin.text
        }
    }

    /// A sync's names: `name`, `name::variant` or `{name, variant}`.
    mutating func syncNames(_ field: String) -> [String] {
        guard let value = any(field) else {
            refuse(field, code: "invalid_type", "Required.")
            return []
        }
        guard let values = value.array, values.count <= 256 else {
            refuse(field, code: "invalid_type", "Expected an array of at most 256 syncs.")
            return []
        }
        return values.enumerated().compactMap { index, value in
            let parts: [String?] =
                switch value {
                case .string(let text): text.split(separator: "::", omittingEmptySubsequences: false).map(String.init)
                case .object(let object) where object.names.allSatisfy { $0 == "name" || $0 == "variant" }:
                    [object["name"]?.string] + (object["variant"].map { [$0.string] } ?? [])
                default: [nil]
                }
            let names = parts.compactMap { $0 }.filter { TextRule.syncName.problem(with: $0) == nil }
            guard names.count == parts.count, (1...2).contains(names.count) else {
                refuse(
                    field, String(index), code: "invalid_value",
                    "Expected a sync's name, \"name::variant\" or {\"name\", \"variant\"}."
                )
                return nil
            }
            return names.joined(separator: "::")
        }
    }
}

/// A coarse look at an e-mail address: enough to notice that something else was put in its place.
enum EmailAddress {
    static func isPlausible(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        return parts.count == 2 && !parts[0].isEmpty && parts[1].contains(".") && !text.contains(" ")
            && !parts[1].hasPrefix(".") && !parts[1].hasSuffix(".")
    }
}
