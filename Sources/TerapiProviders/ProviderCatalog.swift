public import TerapiCore
import Yams

/// The providers that this installation knows.
public struct ProviderCatalog: Sendable {
    /// Sorted by name.
    public let providers: [Provider]
    /// What the files say and what has no effect yet; for the log.
    public let warnings: [CatalogProblem]
    private let byName: [String: Provider]

    public func provider(_ name: String) -> Provider? {
        byName[name]
    }

    /// A provider file: its path for messages, the provider's name, and its text.
    public struct File: Sendable {
        public var path: String
        public var name: String
        public var text: String

        public init(path: String, name: String, text: String) {
            self.path = path
            self.name = name
            self.text = text
        }
    }

    /// Reads files; a later one replaces an earlier one of the same name.
    /// - Throws: `TerapiError` with `.invalidDefinition` and one line per mistake: `file:line:column: what is wrong`.
    public init(files: [File]) throws {
        var problems: [CatalogProblem] = []
        var sources: [String: Source] = [:]
        for file in files {
            do {
                sources[file.name] = try Source(file)
            } catch {
                sources[file.name] = nil
                problems.append(error)
            }
        }
        var providers: [Provider] = []
        var warnings: [CatalogProblem] = []
        for (name, source) in sources.sorted(by: { $0.key < $1.key }) {
            do {
                let resolved = try Self.resolved(name, sources: sources, seen: [])
                let reading = Reading(name: name, source: source, resolved: resolved)
                warnings += reading.warnings
                problems += reading.problems
                if let provider = reading.provider { providers.append(provider) }
            } catch {
                problems.append(error)
            }
        }
        guard problems.isEmpty else {
            throw TerapiError(
                .invalidDefinition,
                "The provider files hold mistakes.",
                issues: problems.map { .init(code: "invalid_provider", message: $0.description, path: []) }
            )
        }
        self.providers = providers
        self.warnings = warnings
        byName = Dictionary(uniqueKeysWithValues: providers.map { ($0.name, $0) })
    }

    /// One key of an entry, and the file that it comes from.
    fileprivate struct Member {
        var key: Node
        var value: Node
        var file: String
    }

    fileprivate struct Source {
        var path: String
        var root: Node
        var members: [Member]

        init(_ file: File) throws(CatalogProblem) {
            let root: Node?
            do {
                root = try Yams.compose(yaml: file.text)
            } catch let error as YamlError {
                throw CatalogProblem(file: file.path, error)
            } catch {
                throw CatalogProblem(file: file.path, message: "It cannot be read: \(error).")
            }
            guard let root, let mapping = root.mapping else {
                throw CatalogProblem(
                    file: file.path,
                    message: "Expected a map of keys such as display_name and auth_mode."
                )
            }
            path = file.path
            self.root = root
            members = mapping.map { Member(key: $0.key, value: $0.value, file: file.path) }
        }
    }

    /// The members of an entry over those of the entries that it names as `alias`; nested maps are replaced whole.
    private static func resolved(
        _ name: String,
        sources: [String: Source],
        seen: Set<String>
    ) throws(CatalogProblem) -> [Member] {
        guard let source = sources[name] else { return [] }
        guard let alias = source.members.first(where: { $0.key.string == "alias" }) else { return source.members }
        guard let target = alias.value.string, sources[target] != nil else {
            let hint = Shape.closest(to: alias.value.string ?? "", in: sources.keys).map { " Did you mean \"\($0)\"?" }
            throw CatalogProblem(
                file: source.path,
                node: alias.value,
                message: "The alias \"\(alias.value.string ?? "")\" names no provider.\(hint ?? "")"
            )
        }
        guard !seen.contains(name) else {
            throw CatalogProblem(file: source.path, node: alias.value, message: "The alias leads back to itself.")
        }
        let own = Set(source.members.compactMap { $0.key.string })
        let inherited = try resolved(target, sources: sources, seen: seen.union([name]))
        return inherited.filter { !own.contains($0.key.string ?? "") } + source.members
    }
}

/// One entry read: the provider, or what is wrong with it.
private struct Reading {
    var provider: Provider?
    var problems: [CatalogProblem] = []
    var warnings: [CatalogProblem] = []

    init(name: String, source: ProviderCatalog.Source, resolved: [ProviderCatalog.Member]) {
        // Inherited members are judged where they are written.
        problems = ProviderSchema.entry.problems(with: source.root, at: "", file: source.path)
        guard problems.isEmpty else { return }
        let json = JSONObject(resolved.compactMap { member in member.key.string.map { ($0, member.value.json) } })
        func missing(_ key: String, _ why: String) {
            problems.append(CatalogProblem(file: source.path, message: "\"\(key)\" is missing: \(why)."))
        }
        for key in ["display_name", "categories", "docs"] where json[key] == nil {
            missing(key, "every provider has one")
        }
        guard let mode = json["auth_mode"]?.string.flatMap(AuthMode.init) else {
            missing("auth_mode", "it says how a connection is authorised")
            return
        }
        if mode == .oauth2 {
            for key in ["authorization_url", "token_url"] where json[key]?.string == nil {
                missing(key, "OAUTH2 needs it")
            }
        }
        guard problems.isEmpty else { return }
        provider = ProviderEntry(name: name, json: json).provider(authMode: mode)
        warn(mode: mode, json: json, source: source)
    }

    private mutating func warn(mode: AuthMode, json: JSONObject, source: ProviderCatalog.Source) {
        func warning(_ node: Node, _ message: String) {
            warnings.append(CatalogProblem(file: source.path, node: node, message: message))
        }
        for member in source.members {
            let key = member.key.string ?? ""
            if key == "auth_mode", !mode.isSupported {
                warning(member.value, "Connections of the auth mode \(mode.rawValue) cannot be made yet.")
            } else if ProviderSchema.withoutEffect.contains(key) {
                warning(member.key, "\"\(key)\" is read and has no effect yet.")
            }
            let isUnknownChoice =
                key == "body_format" && ["xml", "query"].contains(member.value.string)
                || key == "token_request_auth_method" && member.value.string != "basic"
            if isUnknownChoice { warning(member.value, "\"\(key)\": this value has no effect yet.") }
            for name in Template.unknownFunctions(in: member.value.json.text()) {
                warning(member.key, "\"\(key)\": the function \(name)() does not exist yet.")
            }
        }
    }
}

extension CatalogProblem {
    fileprivate init(file: String, _ error: YamlError) {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            self.init(file: file, line: mark.line, column: mark.column, message: "This is not YAML: \(problem).")
        default:
            self.init(file: file, message: "This is not YAML: \(error).")
        }
    }
}

extension Node {
    /// The node as JSON: only plain scalars are numbers and booleans, quoted ones stay text.
    var json: JSONValue {
        switch self {
        case .mapping(let mapping):
            .object(JSONObject(mapping.compactMap { key, value in key.string.map { ($0, value.json) } }))
        case .sequence(let items): .array(items.map(\.json))
        default:
            if isNull {
                .null
            } else if isFlag {
                .bool(bool ?? false)
            } else if isInteger {
                .number(String(int ?? 0))
            } else {
                .string(scalar?.string ?? "")
            }
        }
    }
}
