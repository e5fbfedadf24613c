import Logging
import ServiceLifecycle
import TerapiCore

/// Does the work on single functions, a few at a time.
struct FunctionWorker: Service {
    static let maxRuns = 4
    /// As long as an action may take: somebody waits for the answer.
    static let timeout = Duration.seconds(15 * 60)

    let services: EngineServices
    let deployments: DeployController
    let workshop: any ScriptWorkshop
    let jobs: FunctionJobs

    func run() async throws {
        await cancelWhenGracefulShutdown {
            let slots = Slots(Self.maxRuns)
            await withDiscardingTaskGroup { group in
                while !Task.isCancelled {
                    while slots.hasFree, let (job, work) = jobs.take() {
                        slots.take()
                        group.addTask {
                            await perform(job, work)
                            slots.free()
                            jobs.wakeUp.ring()
                        }
                    }
                    await jobs.wakeUp.wait(until: nil, clock: services.clock)
                }
                group.cancelAll()
            }
        }
    }

    /// Does what waits now, one after the other.
    func runOnce() async {
        while let (job, work) = jobs.take() { await perform(job, work) }
    }

    private func perform(_ job: FunctionJob, _ work: FunctionJobs.Work) async {
        do {
            switch work {
            case .deployment(let script): jobs.end(job.id, try await deploy(script, in: job.scope), nil)
            case .dryrun(let request):
                let (result, error) = try await dryrun(request, id: job.id)
                jobs.end(job.id, result, error)
            }
        } catch let error as TerapiError {
            jobs.end(job.id, nil, error)
        } catch is CancellationError {
            jobs.end(job.id, nil, TerapiError(.serverError, "The server is stopping."))
        } catch {
            services.logger.error("Work on a function failed.", metadata: ["error": "\(error)", "job": "\(job.id)"])
            jobs.end(job.id, nil, TerapiError(.serverError, "It failed for a reason inside the server.", cause: error))
        }
    }

    // MARK: Deployments

    private func deploy(_ script: SentScript, in scope: EnvironmentScope) async throws -> JSONValue {
        let (compiled, modules) = try await workshop.compile(script)
        let request = DeployRequest(scope: scope, scripts: [compiled], modules: modules, source: .standalone)
        let outcome = try await deployments.deploy(request)
        return ["version": outcome.deployment.map { JSONValue($0.version) } ?? .null]
    }

    // MARK: Dryruns

    private func dryrun(_ request: DryrunRequest, id: String) async throws -> (JSONValue, TerapiError?) {
        let script = request.script
        var (connection, integration) = try await services.connected(
            request.connectionID,
            integrationKey: script.id.integrationKey,
            in: request.scope
        )
        if let metadata = request.metadata { connection.metadata = metadata }
        let (code, models) = try await prepare(script, in: request.scope)
        let log = OperationLog(
            LogOperation(
                id: id,
                scope: request.scope,
                kind: .dryrun,
                message: script.id.name,
                integrationKey: integration.key,
                connectionID: connection.connectionID,
                subject: script.id.name,
                createdAt: services.clock.now
            ),
            sink: services.log,
            clock: services.clock
        )
        let common = ConnectionFunctions(
            ConnectionFunctions.Run(
                connection: connection,
                integration: integration,
                credentials: services.credentials,
                isStored: false,
                log: log
            ),
            services: services
        )
        let functions = RehearsalFunctions(
            common,
            kind: script.id.kind,
            models: models,
            checkpoint: request.checkpoint,
            log: log
        )
        var output: JSONValue = .null
        var failure: TerapiError?
        do {
            let properties = ConnectionFunctions.properties(of: connection, providers: services.providers)
            let ofSync: JSONObject = ["lastSyncDate": .null, "variant": "base", "models": JSONValue(models)]
            let printed = try await services.scripts.run(
                ScriptInvocation(
                    environmentID: request.scope.environmentID,
                    kind: script.id.kind,
                    name: "\(script.id.integrationKey)/\(script.id.name)",
                    code: code,
                    properties: script.id.kind == .sync ? properties.merging(ofSync) : properties,
                    input: request.input,
                    timeout: Self.timeout
                ),
                functions: functions
            )
            output = (try? JSONReader.read(printed)) ?? .null
            log.end(.success)
        } catch let error as TerapiError {
            failure = log.redacted(error)
            log.end(.failed, failure?.message)
        }
        let metadata = common.changedMetadata ?? connection.metadata ?? [:]
        return (functions.result(output: output, metadata: metadata), failure)
    }

    /// The code ready to run, and the models that it declares.
    private func prepare(_ script: SentScript, in scope: EnvironmentScope) async throws -> (String, [String]) {
        let (compiled, modules) = try await workshop.compile(script)
        let inspected = try await workshop.inspect([compiled], modules: modules, in: scope)
        let kept = inspected.map { $0.kept(as: .standalone, at: services.clock.now) }
        let definitions = try workshop.load(kept, modules: modules)
        if let sync = definitions.syncs.first { return (sync.code, sync.models) }
        let code = definitions.actions.first?.code ?? definitions.onEvents.first?.code
        guard let code else { throw TerapiError(.serverError, "A script was inspected and defines nothing.") }
        return (code, [])
    }
}
