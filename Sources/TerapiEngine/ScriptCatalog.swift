import Synchronization
public import TerapiCore

/// The scripts that are defined now, by integration. Replaced as a whole when the folder changes.
public final class ScriptCatalog: Sendable {
    /// An action with its schemas ready to check with.
    struct Action: Sendable {
        var definition: ActionDefinition
        var input: JSONSchema?
        var output: JSONSchema?
    }

    private struct Scripts {
        var syncs: [String: [SyncDefinition]]
        var actions: [String: [Action]]
        var onEvents: [String: [OnEventDefinition]]
    }

    private let scripts: Mutex<Scripts>

    public init(_ definitions: ScriptDefinitions) {
        scripts = Mutex(Self.grouped(definitions))
    }

    public func replace(with definitions: ScriptDefinitions) {
        let grouped = Self.grouped(definitions)
        scripts.withLock { $0 = grouped }
    }

    public var allSyncs: [SyncDefinition] {
        scripts.withLock { $0.syncs.values.flatMap(\.self) }
    }

    public func syncs(integrationKey: String) -> [SyncDefinition] {
        scripts.withLock { $0.syncs[integrationKey] ?? [] }
    }

    public func sync(named name: String, integrationKey: String) -> SyncDefinition? {
        syncs(integrationKey: integrationKey).first { $0.name == name }
    }

    func actions(integrationKey: String) -> [Action] {
        scripts.withLock { $0.actions[integrationKey] ?? [] }
    }

    func action(named name: String, integrationKey: String) -> Action? {
        actions(integrationKey: integrationKey).first { $0.definition.name == name }
    }

    func onEvents(integrationKey: String) -> [OnEventDefinition] {
        scripts.withLock { $0.onEvents[integrationKey] ?? [] }
    }

    /// The scripts of one event in the order of their names.
    func onEvents(_ event: OnEventDefinition.Event, integrationKey: String) -> [OnEventDefinition] {
        onEvents(integrationKey: integrationKey).filter { $0.event == event }
    }

    /// The frequency in force: the connection's own, or else the definition's.
    func frequency(of sync: Sync) -> Frequency {
        let override = sync.frequencyOverride.flatMap { try? Frequency($0) }
        return override ?? self.sync(named: sync.name, integrationKey: sync.integrationKey)?.frequency ?? .daily
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
