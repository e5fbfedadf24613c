import TerapiCore

/// One entry read: the provider, or what is wrong with it.
struct ProviderReading {
    private(set) var provider: Provider?
    private(set) var errors: [CatalogProblem] = []
    private(set) var warnings: [CatalogProblem] = []

    private let source: ProviderSource

    /// - Parameter resolved: the entry's own members and those that it takes over by its alias.
    init(source: ProviderSource, resolved: [ProviderSource.Member]) {
        self.source = source
        // Inherited members are judged where they are written.
        for member in source.members {
            errors += ProviderSchema.entry.problems(with: member.key, at: "", file: member.file)
        }
        guard errors.isEmpty else { return }
        let json = JSONObject(resolved.map { ($0.name, $0.key.value.json) })
        for key in ["display_name", "categories", "docs"] where json[key] == nil {
            missing(key, "every provider has one")
        }
        guard let mode = json["auth_mode"]?.string.flatMap(AuthMode.init) else {
            missing("auth_mode", "it says how a connection is authorised")
            return
        }
        for key in ProviderSchema.required(by: mode, json) where json[key] == nil {
            missing(key, "\(mode.rawValue) needs it")
        }
        guard errors.isEmpty else { return }
        let provider = ProviderEntry(name: source.name, json: json).provider(authMode: mode)
        self.provider = provider
        check(TemplateCheck(provider: provider))
        warn(mode: mode)
    }

    private mutating func missing(_ key: String, _ why: String) {
        let message = "\(source.place == nil ? "" : "\(source.name): ")\"\(key)\" is missing: \(why)."
        errors.append(CatalogProblem(file: source.file, place: source.place, message: message))
    }

    private mutating func check(_ templates: TemplateCheck) {
        for member in source.members where ProviderSchema.withTemplates.contains(member.name) {
            for finding in templates.findings(in: member.key.value, key: member.name) {
                let problem = CatalogProblem(file: member.file, place: finding.place, message: finding.message)
                if finding.isMistake { errors.append(problem) } else { warnings.append(problem) }
            }
        }
        if !errors.isEmpty { provider = nil }
    }

    private mutating func warn(mode: AuthMode) {
        for member in source.members {
            let value = member.key.value
            if member.name == "auth_mode", !mode.isSupported {
                warn(member, value.place, "Connections of the auth mode \(mode.rawValue) cannot be made yet.")
            } else if let replacement = ProviderSchema.foreign[member.name] {
                // An empty name switches off what the alias would bring: nothing is lost by it.
                if value.scalar.map({ !$0.isEmpty && !value.isNothing }) ?? true {
                    warn(member, member.key.place, "\"\(member.name)\" is read and has no effect: \(replacement)")
                }
            } else if ProviderSchema.withoutEffect.contains(member.name) {
                warn(member, member.key.place, "\"\(member.name)\" is read and has no effect yet.")
            }
            if member.name == "assertion", value["type"]?.scalar == "saml" {
                warn(member, value.place, "\"assertion\": SAML assertions are not built yet.")
            }
            for inner in value.members ?? [] {
                let path = "\(member.name).\(inner.name)"
                if ProviderSchema.withoutEffect.contains(path) {
                    warn(member, inner.place, "\"\(path)\" is read and has no effect.")
                } else if let pattern = inner.value["pattern"], !PatternCheck.isReadable(pattern.scalar ?? "") {
                    warn(member, pattern.place, "\"\(path).pattern\" cannot be understood: any value is taken.")
                }
            }
        }
    }

    private mutating func warn(_ member: ProviderSource.Member, _ place: YAMLNode.Place, _ message: String) {
        warnings.append(CatalogProblem(file: member.file, place: place, message: message))
    }
}
