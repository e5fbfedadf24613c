public import TerapiCore

/// The providers that this installation knows.
public struct ProviderCatalog: Sendable {
    /// Sorted by name.
    public let providers: [Provider]
    /// What the files say and what has no effect; for the log.
    public let warnings: [CatalogProblem]
    private let byName: [String: Int]

    public func provider(_ name: String) -> Provider? {
        byName[name].map { providers[$0] }
    }

    /// A provider file: its path for messages, the name of its provider if it holds one alone, and its text.
    public struct File: Sendable {
        public var path: String
        public var name: String
        public var text: String
        public var isBuiltIn: Bool

        public init(path: String, name: String, text: String, isBuiltIn: Bool = false) {
            self.path = path
            self.name = name
            self.text = text
            self.isBuiltIn = isBuiltIn
        }
    }

    /// What came of reading files: whatever is in order, and everything that is not.
    public struct Reading: Sendable {
        /// Sorted by name.
        public var providers: [Provider] = []
        public var errors: [CatalogProblem] = []
        public var warnings: [CatalogProblem] = []
        /// The names that do not come from built-in files.
        var added: Set<String> = []
    }

    /// Reads files; a provider in a later one replaces that of the same name in an earlier one.
    /// - Throws: `TerapiError` with `.invalidDefinition` and one line per mistake: `file:line:column: what is wrong`.
    public init(files: [File]) throws {
        let reading = Self.read(files)
        guard reading.errors.isEmpty else {
            throw TerapiError(
                .invalidDefinition,
                "The provider files hold mistakes.",
                issues: reading.errors.map { .init(code: "invalid_provider", message: $0.description, path: []) }
            )
        }
        providers = reading.providers
        warnings = reading.warnings
        byName = Dictionary(uniqueKeysWithValues: providers.enumerated().map { ($1.name, $0) })
    }

    /// Reads files as ``init(files:)`` does, and tells of mistakes instead of throwing them.
    public static func read(_ files: [File]) -> Reading {
        var reading = Reading()
        var sources: [String: ProviderSource] = [:]
        for file in files {
            for var source in ProviderSource.read(file, problems: &reading.errors) {
                source.isBuiltIn = file.isBuiltIn
                if let other = sources[source.name], !other.isBuiltIn, !source.isBuiltIn {
                    let message = "This \"\(source.name)\" replaces the one in \(other.file)."
                    reading.warnings.append(CatalogProblem(file: source.file, place: source.place, message: message))
                }
                sources[source.name] = source
            }
        }
        reading.added = Set(sources.values.filter { !$0.isBuiltIn }.map(\.name))
        var aliases = AliasResolver(sources)
        for source in sources.values.sorted(by: { $0.name < $1.name }) {
            do throws(CatalogProblem) {
                let entry = ProviderReading(source: source, resolved: try aliases.members(of: source))
                reading.errors += entry.errors
                reading.warnings += entry.warnings
                if let provider = entry.provider { reading.providers.append(provider) }
            } catch {
                // Whoever names a broken alias is broken by the same mistake.
                if !reading.errors.contains(error) { reading.errors.append(error) }
            }
        }
        return reading
    }
}
