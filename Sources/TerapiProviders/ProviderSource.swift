/// One provider as a file writes it down, before its alias is followed.
struct ProviderSource: Sendable {
    /// One key of an entry, and the file that it stands in.
    struct Member: Sendable {
        var key: YAMLNode.Member
        var file: String

        var name: String { key.name }
    }

    var name: String
    var file: String
    /// Where the entry begins; `nil` when it is the whole file.
    var place: YAMLNode.Place?
    var members: [Member]
    var isBuiltIn = false

    init(name: String, file: String, place: YAMLNode.Place?, members: [YAMLNode.Member]) {
        self.name = name
        self.file = file
        self.place = place
        self.members = members.map { Member(key: $0, file: file) }
    }

    subscript(name: String) -> Member? { members.first { $0.name == name } }

    /// The providers of a file: the one that it is named after, or a map of names to entries.
    static func read(
        _ file: ProviderCatalog.File,
        problems: inout [CatalogProblem]
    ) -> [ProviderSource] {
        let root: YAMLNode?
        do {
            root = try YAMLDocument.read(file.text, file: file.path)
        } catch {
            problems.append(error)
            return []
        }
        guard let members = root?.members else {
            let message = "Expected a map of keys such as auth_mode, or of provider names to such maps."
            problems.append(CatalogProblem(file: file.path, place: root?.place, message: message))
            return []
        }
        guard isMapOfEntries(members) else {
            return [ProviderSource(name: file.name, file: file.path, place: nil, members: members)]
        }
        return members.compactMap { member in
            guard let entry = member.value.members else {
                let message = "\"\(member.name)\": expected the map of a provider, found \(member.value.found)."
                problems.append(CatalogProblem(file: file.path, place: member.value.place, message: message))
                return nil
            }
            guard isName(member.name) else {
                let message = "\"\(member.name)\": a provider's name has letters, digits, hyphens and underscores only."
                problems.append(CatalogProblem(file: file.path, place: member.place, message: message))
                return nil
            }
            return ProviderSource(name: member.name, file: file.path, place: member.place, members: entry)
        }
    }

    /// Every entry says one of these, and none of them can be the name of a provider with an entry below it.
    private static let telling: Set = ["alias", "auth_mode", "categories", "display_name", "docs"]

    private static func isMapOfEntries(_ members: [YAMLNode.Member]) -> Bool {
        guard !members.contains(where: { telling.contains($0.name) && $0.value.members == nil }) else { return false }
        return members.contains { member in
            member.value.members?.contains { telling.contains($0.name) } ?? false
        }
    }

    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 255
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}
