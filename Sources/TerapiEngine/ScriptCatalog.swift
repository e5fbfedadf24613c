import Synchronization
public import TerapiCore

/// The syncs that are defined now, by integration. Replaced as a whole when the folder changes.
public final class SyncCatalog: Sendable {
    private let definitions: Mutex<[String: [SyncDefinition]]>

    public init(_ definitions: [SyncDefinition]) {
        self.definitions = Mutex(Self.grouped(definitions))
    }

    public func replace(with definitions: [SyncDefinition]) {
        self.definitions.withLock { $0 = Self.grouped(definitions) }
    }

    public var all: [SyncDefinition] {
        definitions.withLock { $0.values.flatMap(\.self) }
    }

    public func definitions(integrationKey: String) -> [SyncDefinition] {
        definitions.withLock { $0[integrationKey] ?? [] }
    }

    public func definition(named name: String, integrationKey: String) -> SyncDefinition? {
        definitions(integrationKey: integrationKey).first { $0.name == name }
    }

    /// The frequency in force: the connection's own, or else the definition's.
    func frequency(of sync: Sync) -> Frequency {
        let override = sync.frequencyOverride.flatMap { try? Frequency($0) }
        return override ?? definition(named: sync.name, integrationKey: sync.integrationKey)?.frequency ?? .daily
    }

    private static func grouped(_ definitions: [SyncDefinition]) -> [String: [SyncDefinition]] {
        Dictionary(grouping: definitions, by: \.integrationKey).mapValues { $0.sorted { $0.name < $1.name } }
    }
}
