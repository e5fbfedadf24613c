import TerapiCore

/// A workshop for scripts whose code is what they declare, as JSON.
struct FakeWorkshop: ScriptWorkshop {
    func inspect(
        _ scripts: [SentScript],
        modules: [String: String],
        in scope: EnvironmentScope
    ) async throws -> [InspectedScript] {
        try scripts.map { script in
            guard let declared = try? JSONReader.read(Array(script.code.utf8)).object else {
                throw TerapiError(
                    .invalidDefinition,
                    "A definition has a mistake.",
                    issues: [.init(code: "invalid_definition", message: "\(script.id.path): not JSON", path: [])]
                )
            }
            return InspectedScript(script: script, declared: declared)
        }
    }

    func load(_ scripts: [DeployedScript], modules: [String: String]) throws -> ScriptDefinitions {
        var definitions = ScriptDefinitions()
        for script in scripts {
            let (key, name) = (script.id.integrationKey, script.id.name)
            switch script.id.kind {
            case .action:
                definitions.actions.append(ActionDefinition(integrationKey: key, name: name, code: script.code))
            case .onEvent:
                definitions.onEvents.append(
                    OnEventDefinition(
                        integrationKey: key, name: name, event: .postConnectionCreation, code: script.code
                    )
                )
            case .sync, .describe:
                definitions.syncs.append(
                    SyncDefinition(
                        integrationKey: key,
                        name: name,
                        models: script.declared["models"]?.array?.compactMap(\.string) ?? [],
                        frequency: try Frequency(script.declared["frequency"]?.string ?? "every hour"),
                        startsAutomatically: script.declared["autoStart"]?.bool ?? true,
                        code: script.code
                    )
                )
            }
        }
        return definitions
    }

    func compile(_ script: SentScript) async throws -> (script: SentScript, modules: [String: String]) {
        guard script.code != "broken" else {
            throw TerapiError(.invalidDefinition, "\(script.id.path) does not compile.")
        }
        return (script, [:])
    }

    func shownCode(_ code: String) -> String { code }
}
