import Logging
public import TerapiCore

/// Puts scripts in force in one environment, and back.
///
/// A deployment is one transaction. What follows from it, the catalog and the schedules, is made from it anew at every
/// start of the server.
public struct DeployController: DeployControl {
    /// How many deployments of an environment are kept.
    static let keptCount = 20
    /// How often a deployment is made anew because another was faster.
    private static let maxTries = 5

    let services: EngineServices
    let storage: any DeploymentStorage
    let workshop: any ScriptWorkshop

    // MARK: At the start

    /// Takes what was deployed before into the catalog, and brings the schedules in line. Before the server is ready.
    func load() async throws {
        for environment in try await services.settings.environments() {
            if let current = try await storage.currentDeployment(in: environment.scope) {
                do {
                    try enter(current, in: environment.scope)
                } catch let error as TerapiError {
                    // Its syncs stay as they are: nothing is known of what is defined.
                    services.logger.error(
                        "What was deployed to \(environment.name) cannot be loaded; its scripts do not run. \(error)"
                    )
                    continue
                }
            }
            try await settle(environment.scope)
        }
    }

    /// Takes what the server's folder of integrations defines now.
    public func replaceFolder(with definitions: ScriptDefinitions) async throws {
        let scopes = try await services.settings.environments().map(\.scope)
        let before = scopes.map { services.catalog.syncs(in: $0) }
        services.catalog.replace(with: definitions)
        for (scope, before) in zip(scopes, before) { try await settle(scope, since: before) }
    }

    // MARK: On request

    public func difference(of request: DeployRequest) async throws -> DeployDifference {
        let inspected = try await inspect(request)
        return try await plan(request, inspected).difference
    }

    public func deploy(_ request: DeployRequest) async throws -> DeployOutcome {
        let inspected = try await inspect(request)
        return try await commit(in: request.scope) { try await plan(request, inspected) }
    }

    public func rollback(to version: Int64?, in scope: EnvironmentScope) async throws -> DeployOutcome {
        try await commit(in: scope) {
            guard let current = try await storage.currentDeployment(in: scope) else {
                throw TerapiError(.notFound, "Nothing was deployed to this environment yet.")
            }
            let kept = try await storage.deployments(in: scope)
            let inForce = current.deployment.restoredVersion ?? current.deployment.version
            // The newest first. Rollbacks are no places to go back to: what they restored is.
            let before = kept.first { $0.version < inForce && $0.origin != .rollback }?.version
            guard let wanted = version ?? before, let target = try await storage.deployment(version: wanted, in: scope)
            else {
                let versions = kept.map { String($0.version) }.joined(separator: ", ")
                throw TerapiError(
                    .notFound,
                    version.map { "Version \($0) is not kept. Kept are: \(versions)." }
                        ?? "There is no deployment before the one in force. Kept are: \(versions)."
                )
            }
            var plan = DeployPlan(scope: scope, origin: .rollback, current: current)
            plan.restoredVersion = target.deployment.restoredVersion ?? wanted
            plan.modules = target.modules
            plan.set(target.scripts)
            return plan
        }
    }

    public func deployments(in scope: EnvironmentScope) async throws -> [Deployment] {
        try await storage.deployments(in: scope)
    }

    /// Removes one script that came alone.
    func remove(_ script: ScriptID, in scope: EnvironmentScope) async throws {
        _ = try await commit(in: scope) {
            let current = try await storage.currentDeployment(in: scope)
            guard let current, current.scripts.contains(where: { $0.id == script }) else {
                throw TerapiError(.notFound, "There is no such function.")
            }
            var plan = DeployPlan(scope: scope, origin: .removal, current: current)
            plan.modules = current.modules
            plan.set(current.scripts.filter { $0.id != script })
            return try await withRemovals(plan)
        }
    }

    /// Takes one script out of force and deletes nothing: a sync stops, and goes on at its place when it is back.
    func disable(_ script: ScriptID, in scope: EnvironmentScope) async throws {
        _ = try await commit(in: scope) { () async throws -> DeployPlan in
            let current = try await storage.currentDeployment(in: scope)
            var plan = DeployPlan(scope: scope, origin: .removal, current: current)
            plan.modules = current?.modules ?? [:]
            plan.set((current?.scripts ?? []).filter { $0.id != script })
            return plan
        }
    }

    // MARK: Plans

    private func inspect(_ request: DeployRequest) async throws -> [DeployedScript] {
        let now = services.clock.now
        return try await workshop.inspect(request.scripts, modules: request.modules, in: request.scope)
            .map { $0.kept(as: request.source, at: now) }
    }

    private func plan(_ request: DeployRequest, _ sent: [DeployedScript]) async throws -> DeployPlan {
        let current = try await storage.currentDeployment(in: request.scope)
        let version = current?.deployment.version
        if let expected = request.expectedVersion, expected != version ?? 0 {
            throw TerapiError(
                .conflict,
                "Version \(version ?? 0) was deployed meanwhile, and not \(expected). Look at the difference again."
            )
        }
        var plan = DeployPlan(scope: request.scope, origin: .deploy, current: current)
        let ids = Set(sent.map(\.id))
        let missing = (current?.scripts ?? []).filter { !ids.contains($0.id) }
        func isGone(_ script: DeployedScript) -> Bool { script.source == .repo && request.source == .repo }
        let staying = request.prunes ? missing.filter { !isGone($0) } : missing
        plan.modules = (current?.modules ?? [:]).merging(request.modules) { own, _ in own }
        plan.set(sent + staying)
        let integrations = Set(try await services.settings.integrations(in: request.scope).map(\.key))
        plan.difference.unknownIntegrations =
            Set(sent.map(\.id.integrationKey)).subtracting(integrations).sorted()
        if !request.prunes { plan.difference.kept = missing.filter(isGone).map { DeployDifference.Removal(id: $0.id) } }
        return try await withRemovals(plan)
    }

    /// The plan with what its removals delete: syncs that nothing defines any more, and records that nothing reads.
    private func withRemovals(_ plan: DeployPlan) async throws -> DeployPlan {
        var plan = plan
        guard !plan.difference.removed.isEmpty else { return plan }
        let after = services.catalog.syncs(with: try workshop.load(plan.scripts, modules: plan.modules))
        let defined = Set(after.map(\.id))
        let before = services.catalog.syncs(in: plan.scope)
        let removed = plan.difference.removed.map(\.id).filter { $0.kind == .sync && !defined.contains($0) }
        let read = Set(after.flatMap(\.modelIDs))
        plan.removedSyncs = removed
        plan.removedModels = Set(before.filter { removed.contains($0.id) }.flatMap(\.modelIDs)).subtracting(read)
            .sorted { ($0.integrationKey, $0.model) < ($1.integrationKey, $1.model) }

        let reach = try await storage.reach(of: removed, in: plan.scope)
        let counts = try await storage.recordCounts(of: plan.removedModels, in: plan.scope)
        for index in plan.difference.removed.indices {
            let id = plan.difference.removed[index].id
            let models = before.first { $0.id == id }?.modelIDs ?? []
            plan.difference.removed[index].connections = reach[id] ?? 0
            for model in models { plan.difference.removed[index].records[model.model] = counts[model] }
        }
        return plan
    }

    // MARK: Putting in force

    private func commit(
        in scope: EnvironmentScope,
        _ makePlan: () async throws -> DeployPlan
    ) async throws -> DeployOutcome {
        for _ in 0..<Self.maxTries {
            let plan = try await makePlan()
            guard !plan.difference.isEmpty else {
                return DeployOutcome(deployment: plan.current?.deployment, difference: plan.difference)
            }
            // Before anything is written: what cannot be loaded must not be kept.
            _ = try workshop.load(plan.scripts, modules: plan.modules)
            let before = services.catalog.syncs(in: scope)
            guard
                let deployment = try await storage.deploy(
                    plan.deployment(keeping: Self.keptCount),
                    over: plan.current?.deployment.version,
                    now: services.clock.now
                )
            else { continue }
            try enter(
                DeployedScripts(deployment: deployment, scripts: plan.scripts, modules: plan.modules),
                in: scope
            )
            try await settle(scope, since: before)
            note(plan, deployment)
            return DeployOutcome(deployment: deployment, difference: plan.difference)
        }
        throw TerapiError(.conflict, "Others deploy to this environment at the same time. Try again.")
    }

    private func enter(_ deployed: DeployedScripts, in scope: EnvironmentScope) throws {
        services.catalog.deploy(
            try workshop.load(deployed.scripts, modules: deployed.modules),
            facts: Dictionary(
                deployed.scripts.map { ($0.id, ScriptFacts(source: $0.source, deployedAt: $0.deployedAt)) },
                uniquingKeysWith: { first, _ in first }
            ),
            version: deployed.deployment.version,
            in: scope
        )
    }

    /// Brings the schedules in line with the catalog.
    /// - Parameter before: what was defined until now: a sync with another frequency takes it at once.
    private func settle(_ scope: EnvironmentScope, since before: [SyncDefinition] = []) async throws {
        var version: Int64?
        repeat {
            version = services.catalog.version(in: scope)
            let syncs = services.catalog.syncs(in: scope)
            try await services.syncs.settleSyncs(syncs, in: scope, now: services.clock.now)
            let known = Dictionary(before.map { ($0.id, $0.frequency.rhythm) }) { first, _ in first }
            let other = syncs.filter { sync in known[sync.id].map { $0 != sync.frequency.rhythm } ?? false }
            if !other.isEmpty {
                try await services.syncs.reschedule(other, in: scope, now: services.clock.now)
            }
            // A later deployment may have come in between, and these schedules over its own.
        } while version != services.catalog.version(in: scope)
        services.syncWakeUp.ring()
    }

    private func note(_ plan: DeployPlan, _ deployment: Deployment) {
        let log = OperationLog(
            LogOperation(
                scope: plan.scope,
                kind: .deploy,
                message: "version \(deployment.version)",
                createdAt: services.clock.now
            ),
            sink: services.log,
            clock: services.clock
        )
        let difference = plan.difference
        for id in difference.added { log.write(.info, "Added \(id.path).") }
        for change in difference.changed { log.write(.info, "Changed \(change.id.path).") }
        for removal in difference.removed { log.write(.info, "Removed \(removal.id.path).") }
        log.end(
            .success,
            deployment.restoredVersion.map { "The scripts of version \($0) are in force again." }
                ?? "\(deployment.scriptCount) scripts are in force."
        )
    }
}

/// What is to be in force next, and how it differs from what is now.
private struct DeployPlan: Sendable {
    let scope: EnvironmentScope
    let origin: Deployment.Origin
    let current: DeployedScripts?
    var restoredVersion: Int64?
    private(set) var scripts: [DeployedScript] = []
    /// May hold more than the scripts need.
    var modules: [String: String] = [:]
    var removedSyncs: [ScriptID] = []
    var removedModels: [ModelID] = []
    var difference: DeployDifference

    init(scope: EnvironmentScope, origin: Deployment.Origin, current: DeployedScripts?) {
        self.scope = scope
        self.origin = origin
        self.current = current
        difference = DeployDifference(version: current?.deployment.version)
    }

    /// Takes the scripts that are to be in force; one that is as before keeps the time at which it came.
    mutating func set(_ next: [DeployedScript]) {
        let before = Dictionary((current?.scripts ?? []).map { ($0.id, $0) }) { first, _ in first }
        for var script in next.sorted(by: { $0.id < $1.id }) {
            if let known = before[script.id] {
                let parts = script.parts(otherThan: known)
                if parts.isEmpty {
                    script.deployedAt = known.deployedAt
                    difference.unchangedCount += 1
                } else {
                    difference.changed.append(DeployDifference.Change(id: script.id, parts: parts))
                }
            } else {
                difference.added.append(script.id)
            }
            scripts.append(script)
        }
        let ids = Set(next.map(\.id))
        difference.removed = before.keys.filter { !ids.contains($0) }.sorted()
            .map { DeployDifference.Removal(id: $0) }
        let used = Set(scripts.flatMap(\.modules.values))
        modules = modules.filter { used.contains($0.key) }
    }

    func deployment(keeping keptCount: Int) -> NewDeployment {
        NewDeployment(
            scope: scope,
            origin: origin,
            restoredVersion: restoredVersion,
            scripts: scripts,
            modules: modules,
            removedSyncs: removedSyncs,
            removedModels: removedModels,
            keptCount: keptCount
        )
    }
}

extension DeployedScript {
    /// What is different from another state of the same script.
    fileprivate func parts(otherThan other: DeployedScript) -> [String] {
        let names = Set(declared.names + other.declared.names).sorted()
        let declarations = names.filter { declared[$0] != other.declared[$0] }
        let isOtherCode = code != other.code || modules != other.modules
        return (isOtherCode ? ["code"] : hasOtherLines(than: other) ? ["lines"] : []) + declarations
            + (source == other.source ? [] : ["source"])
    }

    /// Whether the same code stands on other lines of what its author wrote: messages would name the wrong ones.
    private func hasOtherLines(than other: DeployedScript) -> Bool {
        guard sourceMap != other.sourceMap else { return false }
        // The sources' names may be another machine's paths.
        let lines = [sourceMap, other.sourceMap].map { map in
            map.flatMap { try? JSONReader.read(Array($0.utf8)) }?["mappings"]
        }
        return lines[0] != lines[1]
    }
}

extension SyncDefinition {
    var id: ScriptID { ScriptID(integrationKey: integrationKey, kind: .sync, name: name) }
    fileprivate var modelIDs: [ModelID] { models.map { ModelID(integrationKey: integrationKey, model: $0) } }
}
