/// Follows aliases: an entry's own keys stand over those of the entry that it names, and nested maps are replaced whole.
struct AliasResolver {
    private let sources: [String: ProviderSource]
    private var known: [String: [ProviderSource.Member]] = [:]

    init(_ sources: [String: ProviderSource]) {
        self.sources = sources
    }

    mutating func members(of source: ProviderSource) throws(CatalogProblem) -> [ProviderSource.Member] {
        let chain = try chain(from: source)
        var members: [ProviderSource.Member] = []
        for source in chain.reversed() {
            if let merged = known[source.name] {
                members = merged
                continue
            }
            let own = Set(source.members.map(\.name))
            members = members.filter { !own.contains($0.name) } + source.members
            if chain.count > 1 { known[source.name] = members }
        }
        return members
    }

    /// The entry, the one that it names, the one that this names, and so on.
    private func chain(from source: ProviderSource) throws(CatalogProblem) -> [ProviderSource] {
        var chain = [source]
        var last = source
        while let alias = last["alias"] {
            let name = alias.key.value.scalar ?? ""
            guard !chain.contains(where: { $0.name == name }) else {
                let circle = (chain.map(\.name) + [name]).joined(separator: " → ")
                throw CatalogProblem(
                    file: source.file,
                    place: source["alias"]?.key.value.place,
                    message: "The alias leads back to itself: \(circle)."
                )
            }
            guard let target = sources[name] else {
                let hint = Shape.closest(to: name, in: sources.keys).map { " Did you mean \"\($0)\"?" } ?? ""
                throw CatalogProblem(
                    file: last.file,
                    place: alias.key.value.place,
                    message: "The alias \"\(name)\" names no provider.\(hint)"
                )
            }
            chain.append(target)
            last = target
        }
        return chain
    }
}
