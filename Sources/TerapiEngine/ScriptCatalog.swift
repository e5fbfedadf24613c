import Synchronization
public import TerapiCore

/// The scripts that are defined now, by integration.
///
/// The server's folder defines them for every environment; what was deployed to an environment comes before it there.
/// Both are replaced as a whole.
public final class ScriptCatalog: Sendable {
    /// An action with its schemas ready to check with.
    struct Action: Sendable {
        var definition: ActionDefinition
        var input: JSONSchema?
        var output: JSONSchema?
    }

    private struct Scripts {
        var syncs: [String: [SyncDefinition]] = [:]
        var actions: [String: [Action]] = [:]
        var onEvents: [String: [OnEventDefinition]] = [:]

        /// These, and of the others what these do not define.
        func merging(_ others: Scripts) -> Scripts {
            Scripts(
                syncs: Self.merged(syncs, others.syncs, name: \.name),
                actions: Self.merged(actions, others.actions, name: \.definition.name),
                onEvents: Self.merged(onEvents, others.onEvents, name: \.name)
            )
        }

        private static func merged<Script>(
            _ scripts: [String: [Script]],
            _ others: [String: [Script]],
            name: KeyPath<Script, String>
        ) -> [String: [Script]] {
            scripts.merging(others) { own, other in
                let names = Set(own.map { $0[keyPath: name] })
                return (own + other.filter { !names.contains($0[keyPath: name]) })
                    .sorted { $0[keyPath: name] < $1[keyPath: name] }
            }
        }
    }

    private struct Deployed {
        var version: Int64
        var scripts: Scripts
        var facts: [ScriptID: ScriptFacts]
        /// With what the folder adds.
        var all: Scripts
    }

    private struct State {
        var folder: Scripts
        /// By environment.
        var deployed: [Int64: Deployed] = [:]
    }

    private let state: Mutex<State>

    /// - Parameter definitions: those of the folder.
    public init(_ definitions: ScriptDefinitions) {
        state = Mutex(State(folder: Self.grouped(definitions)))
    }

    /// Takes what the folder defines now.
    public func replace(with definitions: ScriptDefinitions) {
        let grouped = Self.grouped(definitions)
        state.withLock { state in
            state.folder = grouped
            for (id, deployed) in state.deployed { state.deployed[id]?.all = deployed.scripts.merging(grouped) }
        }
    }

    /// Puts what was deployed to an environment in force, unless a later version is already.
    func deploy(
        _ definitions: ScriptDefinitions,
        facts: [ScriptID: ScriptFacts],
        version: Int64,
        in scope: EnvironmentScope
    ) {
        let grouped = Self.grouped(definitions)
        state.withLock { state in
            guard state.deployed[scope.environmentID].map({ $0.version < version }) ?? true else { return }
            state.deployed[scope.environmentID] = Deployed(
                version: version,
                scripts: grouped,
                facts: facts,
                all: grouped.merging(state.folder)
            )
        }
    }

    /// The version in force; `nil` when nothing was deployed.
    func version(in scope: EnvironmentScope) -> Int64? {
        state.withLock { $0.deployed[scope.environmentID]?.version }
    }

    /// Of a script that was deployed; `nil` for one of the folder.
    func facts(of script: ScriptID, in scope: EnvironmentScope) -> ScriptFacts? {
        state.withLock { $0.deployed[scope.environmentID]?.facts[script] }
    }

    /// Every sync of an environment.
    public func syncs(in scope: EnvironmentScope) -> [SyncDefinition] {
        scripts(in: scope) { $0.syncs.values.flatMap(\.self) }
    }

    /// Every sync that an environment would have with these deployed.
    func syncs(with definitions: ScriptDefinitions) -> [SyncDefinition] {
        let grouped = Self.grouped(definitions)
        return state.withLock { grouped.merging($0.folder) }.syncs.values.flatMap(\.self)
    }

    func syncs(integrationKey: String, in scope: EnvironmentScope) -> [SyncDefinition] {
        scripts(in: scope) { $0.syncs[integrationKey] ?? [] }
    }

    func sync(named name: String, integrationKey: String, in scope: EnvironmentScope) -> SyncDefinition? {
        syncs(integrationKey: integrationKey, in: scope).first { $0.name == name }
    }

    func actions(integrationKey: String, in scope: EnvironmentScope) -> [Action] {
        scripts(in: scope) { $0.actions[integrationKey] ?? [] }
    }

    func action(named name: String, integrationKey: String, in scope: EnvironmentScope) -> Action? {
        actions(integrationKey: integrationKey, in: scope).first { $0.definition.name == name }
    }

    func onEvents(integrationKey: String, in scope: EnvironmentScope) -> [OnEventDefinition] {
        scripts(in: scope) { $0.onEvents[integrationKey] ?? [] }
    }

    /// The scripts of one event in the order of their names.
    func onEvents(
        _ event: OnEventDefinition.Event,
        integrationKey: String,
        in scope: EnvironmentScope
    ) -> [OnEventDefinition] {
        onEvents(integrationKey: integrationKey, in: scope).filter { $0.event == event }
    }

    /// The frequency in force: the connection's own, or else the definition's.
    func frequency(of sync: Sync) -> Frequency {
        let override = sync.frequencyOverride.flatMap { try? Frequency($0) }
        return override ?? definition(of: sync)?.frequency ?? .daily
    }

    func definition(of sync: Sync) -> SyncDefinition? {
        self.sync(named: sync.name, integrationKey: sync.integrationKey, in: sync.scope)
    }

    private func scripts<Value: Sendable>(in scope: EnvironmentScope, _ body: (Scripts) -> Value) -> Value {
        state.withLock { body($0.deployed[scope.environmentID]?.all ?? $0.folder) }
    }

    private static func grouped(_ definitions: ScriptDefinitions) -> Scripts {
        let actions = definitions.actions.map {
            Action(
                definition: $0,
                input: $0.input.map { JSONSchema($0) },
                output: $0.output.map { JSONSchema($0, allowsMoreMembers: true) }
            )
        }
        return Scripts(
            syncs: grouped(definitions.syncs, by: \.integrationKey, name: \.name),
            actions: grouped(actions, by: \.definition.integrationKey, name: \.definition.name),
            onEvents: grouped(definitions.onEvents, by: \.integrationKey, name: \.name)
        )
    }

    private static func grouped<Script>(
        _ scripts: [Script],
        by integrationKey: KeyPath<Script, String>,
        name: KeyPath<Script, String>
    ) -> [String: [Script]] {
        Dictionary(grouping: scripts) { $0[keyPath: integrationKey] }
            .mapValues { $0.sorted { $0[keyPath: name] < $1[keyPath: name] } }
    }
}
