import Synchronization
import TerapiCore

/// The scripts that ship with Terapi, and what they declare.
final class TemplateCatalog: Sendable {
    private let scripts: [ShippedScript]
    private let workshop: any ScriptWorkshop
    private let clock: any WallClock
    /// By provider. Asked for when somebody looks at them: most servers use few.
    private let known = Mutex<[String: ScriptDefinitions]>([:])

    init(_ scripts: [ShippedScript], workshop: any ScriptWorkshop, clock: any WallClock) {
        self.scripts = scripts
        self.workshop = workshop
        self.clock = clock
    }

    func knows(_ provider: String) -> Bool {
        scripts.contains { $0.provider == provider }
    }

    func script(_ kind: ScriptInvocation.Kind, named name: String, provider: String) -> ShippedScript? {
        scripts.first { $0.provider == provider && $0.kind == kind && $0.name == name }
    }

    /// - Parameter scope: in whose script host scripts in JavaScript are asked what they declare.
    func definitions(of provider: String, in scope: EnvironmentScope) async throws -> ScriptDefinitions {
        if let definitions = known.withLock({ $0[provider] }) { return definitions }
        let now = clock.now
        let own = scripts.filter { $0.provider == provider }.map { $0.script(of: provider) }
        let inspected = own.isEmpty ? [] : try await workshop.inspect(own, modules: [:], in: scope)
        let definitions = try workshop.load(inspected.map { $0.kept(as: .catalog, at: now) }, modules: [:])
        known.withLock { $0[provider] = definitions }
        return definitions
    }
}
