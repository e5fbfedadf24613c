public import TerapiCore

/// Shows, tries, deploys and removes single functions on request.
public struct FunctionController: FunctionControl {
    let services: EngineServices
    let deployments: DeployController
    let workshop: any ScriptWorkshop
    let jobs: FunctionJobs
    let worker: FunctionWorker

    init(services: EngineServices, deployments: DeployController, workshop: any ScriptWorkshop) {
        self.services = services
        self.deployments = deployments
        self.workshop = workshop
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
        guard facts(of: script, in: scope).source == .standalone else {
            throw TerapiError(
                .functionManagedByDeploy,
                "\(script.path) came with a folder of integrations. Delete its file there and deploy with --prune."
            )
        }
        try await deployments.remove(script, in: scope)
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
