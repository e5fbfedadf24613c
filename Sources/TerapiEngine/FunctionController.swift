public import TerapiCore

/// Shows, tries, deploys and removes single functions on request.
public struct FunctionController: FunctionControl {
    let services: EngineServices
    let deployments: DeployController
    let workshop: any ScriptWorkshop
    let shipped: TemplateCatalog
    let jobs: FunctionJobs
    let worker: FunctionWorker

    init(
        services: EngineServices,
        deployments: DeployController,
        workshop: any ScriptWorkshop,
        templates: [ShippedScript]
    ) {
        self.services = services
        self.deployments = deployments
        self.workshop = workshop
        shipped = TemplateCatalog(templates, workshop: workshop, clock: services.clock)
        jobs = FunctionJobs(clock: services.clock)
        worker = FunctionWorker(services: services, deployments: deployments, workshop: workshop, jobs: jobs)
    }

    public func facts(of script: ScriptID, in scope: EnvironmentScope) -> ScriptFacts {
        services.catalog.facts(of: script, in: scope) ?? ScriptFacts(source: .repo, deployedAt: nil)
    }

    public func code(of script: ScriptID, in scope: EnvironmentScope) -> String? {
        runnableCode(of: script, in: scope).map(workshop.shownCode)
    }

    public func remove(_ script: ScriptID, in scope: EnvironmentScope) async throws {
        guard runnableCode(of: script, in: scope) != nil else {
            throw TerapiError(.notFound, "There is no such function.")
        }
        guard facts(of: script, in: scope).source != .repo else {
            throw TerapiError(
                .functionManagedByDeploy,
                "\(script.path) came with a folder of integrations. Delete its file there and deploy with --prune."
            )
        }
        try await deployments.remove(script, in: scope)
    }

    public func templates(
        of provider: String,
        for integrationKey: String,
        in scope: EnvironmentScope
    ) async throws -> ScriptDefinitions {
        var definitions = try await shipped.definitions(of: shelf(of: provider), in: scope)
        for index in definitions.syncs.indices { definitions.syncs[index].integrationKey = integrationKey }
        for index in definitions.actions.indices { definitions.actions[index].integrationKey = integrationKey }
        for index in definitions.onEvents.indices { definitions.onEvents[index].integrationKey = integrationKey }
        return definitions
    }

    public func templateText(of script: ScriptID, provider: String) -> String? {
        shipped.script(script.kind, named: script.name, provider: shelf(of: provider))?.text
    }

    public func setEnabled(
        _ isEnabled: Bool,
        _ script: ScriptID,
        provider: String,
        in scope: EnvironmentScope
    ) async throws {
        let template = shipped.script(script.kind, named: script.name, provider: shelf(of: provider))
        let source = runnableCode(of: script, in: scope) == nil ? nil : facts(of: script, in: scope).source
        switch (isEnabled, source) {
        case (true, nil), (true, .catalog?):
            guard let template else { throw TerapiError(.notFound, "There is no such function.") }
            _ = try await deployments.deploy(
                DeployRequest(scope: scope, scripts: [template.script(of: script.integrationKey)], source: .catalog)
            )
        case (true, _): break
        case (false, .catalog?): try await deployments.disable(script, in: scope)
        case (false, nil):
            guard template != nil else { throw TerapiError(.notFound, "There is no such function.") }
        case (false, .repo?), (false, .standalone?):
            throw TerapiError(
                .functionManagedByDeploy,
                "\(script.path) was written for this environment and is on as long as it is there. Delete it instead."
            )
        }
    }

    public func compile(_ code: String) async throws -> String {
        let script = SentScript(
            id: ScriptID(integrationKey: "functions", kind: .action, name: "function"),
            language: .typeScript,
            code: code
        )
        return try await workshop.compile(script).script.code
    }

    public func begin(_ dryrun: DryrunRequest) throws -> FunctionJob {
        try jobs.add(.dryrun(dryrun), in: dryrun.scope)
    }

    public func beginDeployment(of script: SentScript, in scope: EnvironmentScope) throws -> FunctionJob {
        try jobs.add(.deployment(script), in: scope)
    }

    public func job(_ id: String, _ kind: FunctionJob.Kind, in scope: EnvironmentScope) -> FunctionJob? {
        jobs[id].flatMap { $0.scope == scope && $0.kind == kind ? $0 : nil }
    }

    /// The provider itself when something ships for it, or else the nearest one that its file is an alias of.
    private func shelf(of provider: String) -> String {
        if shipped.knows(provider) { return provider }
        return services.providers.provider(provider)?.alias.map(shelf) ?? provider
    }

    private func runnableCode(of script: ScriptID, in scope: EnvironmentScope) -> String? {
        let (key, name) = (script.integrationKey, script.name)
        return switch script.kind {
        case .action: services.catalog.action(named: name, integrationKey: key, in: scope)?.definition.code
        case .onEvent: services.catalog.onEvents(integrationKey: key, in: scope).first { $0.name == name }?.code
        case .sync: services.catalog.sync(named: name, integrationKey: key, in: scope)?.code
        case .describe: nil
        }
    }
}
