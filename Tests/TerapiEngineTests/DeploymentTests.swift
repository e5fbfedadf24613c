import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

@Suite(.timeLimit(.minutes(1)))
struct DeploymentTests {
    private static func sync(
        _ name: String,
        model: String = "Ticket",
        frequency: String = "every hour",
        autoStart: Bool = true
    ) -> SentScript {
        let declared: JSONValue = [
            "type": "sync", "frequency": .string(frequency), "models": [.string(model)], "autoStart": .bool(autoStart),
        ]
        return script(name, .sync, code: declared.text())
    }

    private static func script(_ name: String, _ kind: ScriptInvocation.Kind, code: String = "{}") -> SentScript {
        SentScript(
            id: ScriptID(integrationKey: "desk", kind: kind, name: name), language: .javaScript, code: code
        )
    }

    private func fixture(folder: [SyncDefinition] = []) async throws -> EngineFixture {
        try await EngineFixture(syncs: folder)
    }

    @discardableResult
    private func deploy(
        _ scripts: [SentScript],
        _ fixture: EngineFixture,
        prunes: Bool = false,
        source: DeployedScript.Source = .repo,
        expecting version: Int64? = nil
    ) async throws -> DeployOutcome {
        try await fixture.engine.deployments.deploy(
            DeployRequest(
                scope: fixture.scope, scripts: scripts, source: source, prunes: prunes, expectedVersion: version
            )
        )
    }

    private func names(_ fixture: EngineFixture) -> [String] {
        fixture.engine.syncs.definitions(integrationKey: "desk", in: fixture.scope).map(\.name)
    }

    @Test
    func `starts a new sync on the connections that exist, without a restart`() async throws {
        let fixture = try await fixture()
        fixture.scripts.set("desk/users") { try await $0.save([1, 2]) }
        fixture.scripts.set("desk/groups") { try await $0.save([3]) }
        #expect(try await fixture.engine.syncWorker.runOnce() == 0)

        let outcome = try await deploy([Self.sync("users"), Self.sync("groups", autoStart: false)], fixture)

        #expect(outcome.deployment?.version == 1)
        #expect(outcome.difference.added.map(\.path) == ["desk/syncs/groups", "desk/syncs/users"])
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        #expect(try await fixture.recordList() == ["1 ADDED first", "2 ADDED first"])
        #expect(try await fixture.sync("groups").state == .paused)
    }

    @Test
    func `keeps the place of a sync that changed, and takes its new frequency at once`() async throws {
        let fixture = try await fixture()
        fixture.scripts.set("desk/users") { run in
            try await run.save([1])
            try await run.call("saveCheckpoint", ["page": 1])
        }
        try await deploy([Self.sync("users", frequency: "every day")], fixture)
        try await fixture.engine.syncWorker.runOnce()
        let before = try await fixture.sync("users")

        let outcome = try await deploy([Self.sync("users", frequency: "every minute")], fixture)

        #expect(outcome.difference.changed.map(\.parts) == [["code", "frequency"]])
        let after = try await fixture.sync("users")
        #expect(after.id == before.id && after.checkpoint == ["page": 1])
        #expect(try await fixture.engine.syncWorker.runOnce() == 0)
        fixture.clock.advance(by: .seconds(60))
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
    }

    @Test
    func `removes only when it prunes, and then what nothing else saves`() async throws {
        let fixture = try await fixture()
        fixture.scripts.set("desk/users") { run in
            try await run.save([1, 2], model: "User")
            try await run.save([7])
        }
        fixture.scripts.set("desk/tickets") { try await $0.save([8]) }
        let users = Self.script(
            "users", .sync, code: #"{"models":["User","Ticket"],"frequency":"every hour"}"#
        )
        try await deploy([users, Self.sync("tickets")], fixture)
        try await fixture.engine.syncWorker.runOnce()

        let kept = try await deploy([Self.sync("tickets")], fixture)
        #expect(kept.deployment?.version == 1 && kept.difference.isEmpty)
        #expect(kept.difference.kept.map(\.id.path) == ["desk/syncs/users"])
        #expect(names(fixture) == ["tickets", "users"])

        let request = DeployRequest(scope: fixture.scope, scripts: [Self.sync("tickets")], prunes: true)
        let shown = try await fixture.engine.deployments.difference(of: request)
        let expected = DeployDifference.Removal(id: users.id, connections: 1, records: ["User": 2])
        #expect(shown.removed == [expected])
        // To show it has changed nothing.
        #expect(names(fixture) == ["tickets", "users"])

        let outcome = try await deploy([Self.sync("tickets")], fixture, prunes: true)
        #expect(outcome.difference == shown)
        #expect(names(fixture) == ["tickets"])
        #expect(try await fixture.recordList(model: "User").isEmpty)
        #expect(try await fixture.recordList().count == 2)
        #expect(try await fixture.storage.syncs(connectionID: fixture.connection.id).map(\.name) == ["tickets"])
    }

    @Test
    func `shows what came alone in no folder's difference, and removes it alone`() async throws {
        let fixture = try await fixture()
        let alone = Self.script("open", .action)
        try await deploy([alone], fixture, source: .standalone)
        try await deploy([Self.sync("tickets")], fixture, prunes: true)

        let functions = fixture.engine.functions
        #expect(functions.facts(of: alone.id, in: fixture.scope).source == .standalone)
        #expect(functions.code(of: alone.id, in: fixture.scope) == "{}")
        await expect(.functionManagedByDeploy) {
            try await functions.remove(Self.sync("tickets").id, in: fixture.scope)
        }
        await expect(.notFound) { try await functions.remove(Self.script("gone", .action).id, in: fixture.scope) }
        try await functions.remove(alone.id, in: fixture.scope)

        #expect(functions.code(of: alone.id, in: fixture.scope) == nil)
        #expect(names(fixture) == ["tickets"])
    }

    @Test
    func `goes back step by step, and a sync that was stopped goes on at its place`() async throws {
        let fixture = try await fixture()
        fixture.scripts.set("desk/users") { run in
            try await run.save([1])
            try await run.call("saveCheckpoint", ["page": 1])
        }
        fixture.scripts.set("desk/tickets") { _ in }
        let tickets = Self.sync("tickets")
        try await deploy([tickets], fixture)
        try await deploy([tickets, Self.sync("users")], fixture)
        try await deploy([tickets, Self.sync("users", frequency: "every day")], fixture)
        try await fixture.engine.syncWorker.runOnce()
        let deployments = fixture.engine.deployments

        let first = try await deployments.rollback(to: nil, in: fixture.scope)
        #expect(first.deployment?.version == 4 && first.deployment?.restoredVersion == 2)
        #expect(first.difference.changed.map(\.id.path) == ["desk/syncs/users"])
        let second = try await deployments.rollback(to: nil, in: fixture.scope)
        #expect(second.deployment?.restoredVersion == 1)
        #expect(names(fixture) == ["tickets"])
        #expect(try await fixture.recordList() == ["1 ADDED first"])
        #expect(try await fixture.sync("users").nextRunAt == nil)
        let status = try await fixture.engine.syncs.status(fixture.selection)
        #expect(status.map(\.status) == ["SUCCESS", "STOPPED"])
        await expect(.notFound) { try await deployments.rollback(to: nil, in: fixture.scope) }
        await expect(.notFound) { try await deployments.rollback(to: 99, in: fixture.scope) }

        let forth = try await deployments.rollback(to: 3, in: fixture.scope)
        #expect(forth.deployment?.version == 6)
        #expect(try await fixture.sync("users").checkpoint == ["page": 1])
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        #expect(try await deployments.deployments(in: fixture.scope).map(\.version) == [6, 5, 4, 3, 2, 1])
    }

    @Test
    func `changes nothing when one script is wrong, or another version is in force than was seen`() async throws {
        let fixture = try await fixture()
        try await deploy([Self.sync("tickets")], fixture)

        let error = await expect(.invalidDefinition) {
            try await deploy([Self.sync("users"), Self.script("open", .action, code: "no")], fixture)
        }
        #expect(error?.issues.map(\.message) == ["desk/actions/open: not JSON"])
        await expect(.conflict) { try await deploy([Self.sync("users")], fixture, expecting: 0) }
        await expect(.invalidBody) { try await deploy([Self.sync("users", frequency: "never")], fixture) }

        #expect(names(fixture) == ["tickets"])
        #expect(try await fixture.engine.deployments.deployments(in: fixture.scope).map(\.version) == [1])
        #expect(try await deploy([Self.sync("users")], fixture, expecting: 1).deployment?.version == 2)
    }

    @Test
    func `is what it was after a restart, and another environment has nothing of it`() async throws {
        let fixture = try await fixture()
        let other = try await fixture.storage.createEnvironment(
            name: "prod", signingKey: WebhookSignature.newSecret(), now: fixture.clock.now
        )
        try await deploy([Self.sync("users")], fixture)
        #expect(fixture.engine.syncs.definitions(integrationKey: "desk", in: other.scope).isEmpty)

        let restarted = try fixture.restarted(catalog: ScriptCatalog(ScriptDefinitions()))
        #expect(restarted.syncs.definitions(integrationKey: "desk", in: fixture.scope).isEmpty)
        try await restarted.prepare()

        #expect(restarted.syncs.definitions(integrationKey: "desk", in: fixture.scope).map(\.name) == ["users"])
        #expect(restarted.syncs.definitions(integrationKey: "desk", in: other.scope).isEmpty)
    }

    @Test
    func `what cannot be loaded at a start is told and hinders nothing else`() async throws {
        let fixture = try await fixture()
        let other = try await fixture.storage.createEnvironment(
            name: "prod", signingKey: WebhookSignature.newSecret(), now: fixture.clock.now
        )
        try await deploy([Self.sync("users")], fixture)
        let strange = InspectedScript(script: Self.sync("strange"), declared: ["frequency": "now and then"])
        let scripts = [strange.kept(as: .repo, at: fixture.clock.now)]
        _ = try await fixture.storage.deploy(
            NewDeployment(scope: other.scope, origin: .deploy, scripts: scripts, modules: [:], keptCount: 9),
            over: nil,
            now: fixture.clock.now
        )

        let restarted = try fixture.restarted(catalog: ScriptCatalog(ScriptDefinitions()))
        try await restarted.prepare()

        #expect(restarted.syncs.definitions(integrationKey: "desk", in: fixture.scope).map(\.name) == ["users"])
        #expect(fixture.serverLog.text.contains("deployed to prod cannot be loaded"))
    }

    @Test
    func `comes before the folder's script of the same name, which is there again without it`() async throws {
        let own = try EngineFixture.definition("tickets", models: ["Own"])
        let fixture = try await fixture(folder: [own, try EngineFixture.definition("users", models: ["User"])])
        fixture.scripts.set("desk/tickets") { try await $0.save([1], model: "Own") }
        fixture.scripts.set("desk/users") { _ in }
        try await fixture.engine.syncWorker.runOnce()
        try await deploy([Self.sync("tickets"), Self.sync("more")], fixture)
        func models() -> [[String]] {
            fixture.engine.syncs.definitions(integrationKey: "desk", in: fixture.scope).map(\.models)
        }
        #expect(names(fixture) == ["more", "tickets", "users"])
        #expect(models() == [["Ticket"], ["Ticket"], ["User"]])

        try await deploy([], fixture, prunes: true)

        #expect(names(fixture) == ["tickets", "users"] && models() == [["Own"], ["User"]])
        // The folder's sync goes on: nothing of it was deleted.
        #expect(try await fixture.recordList(model: "Own").count == 1)
        #expect(try await fixture.sync("tickets").nextRunAt != nil)
        try await fixture.engine.deployments.replaceFolder(with: ScriptDefinitions(syncs: [own]))
        #expect(names(fixture) == ["tickets"])
        #expect(try await fixture.sync("users").nextRunAt == nil)
    }

    @Test
    func `two that deploy at once both come into force`() async throws {
        let fixture = try await fixture()

        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<4 {
                group.addTask { try await deploy([Self.sync("sync-\(number)")], fixture) }
            }
            try await group.waitForAll()
        }

        #expect(names(fixture) == ["sync-0", "sync-1", "sync-2", "sync-3"])
        #expect(try await fixture.engine.deployments.deployments(in: fixture.scope).map(\.version) == [4, 3, 2, 1])
        let syncs = try await fixture.storage.syncs(connectionID: fixture.connection.id)
        #expect(syncs.count == 4 && syncs.allSatisfy { $0.nextRunAt != nil })
    }

    @Test
    func `a run that ends after its sync was taken away tells what it has changed`() async throws {
        let fixture = try await fixture()
        fixture.scripts.set("desk/users") { run in
            try await run.save([1])
            _ = try await fixture.engine.deployments.rollback(to: 1, in: fixture.scope)
            try await run.save([2])
        }
        try await deploy([Self.sync("tickets", autoStart: false)], fixture)
        try await deploy([Self.sync("users")], fixture)

        #expect(try await fixture.engine.syncWorker.runOnce() == 1)

        #expect(try await fixture.latestRun("users")?.status == .success)
        let told = try await fixture.events().filter { $0["syncName"] == "users" }
        #expect(told.map { $0["responseResults"]?["added"] } == [2])
        #expect(try await fixture.sync("users").nextRunAt == nil)
        fixture.clock.advance(by: .seconds(86_400))
        #expect(try await fixture.engine.syncWorker.runOnce() == 0)
    }

    // MARK: Functions

    @Test
    func `a dryrun tells what a sync would do and keeps nothing`() async throws {
        let fixture = try await fixture()
        fixture.scripts.answer("desk/trial") { run in
            #expect(run.invocation.environmentID == fixture.scope.environmentID)
            try await run.save([1, 2])
            try await run.call("saveCheckpoint", ["page": 2])
            try await run.call("updateMetadata", ["seen": true])
            try await run.call("log", "read access-1", .null, ["level": "warn"])
            try await run.call("triggerSync", "desk", "alice", "tickets")
            try await run.call("getToken")
            try await run.call("log", "the token is access-1")
            return .null
        }
        let script = Self.sync("trial")

        let job = try fixture.engine.functions.begin(
            DryrunRequest(scope: fixture.scope, connectionID: "alice", script: script, checkpoint: ["page": 1])
        )
        #expect(job.status == .waiting)
        await fixture.engine.functions.worker.runOnce()

        let done = try #require(fixture.engine.functions.job(job.id, .dryrun, in: fixture.scope))
        #expect(done.status == .success, "\(String(describing: done.error))")
        #expect(done.result?["saved"]?["Ticket"]?.array?.compactMap { $0["id"]?.string } == ["1", "2"])
        #expect(done.result?["checkpoint"] == ["page": 2])
        #expect(done.result?["metadata"] == ["seen": true])
        let logs = done.result?["logs"]?.text() ?? ""
        #expect(logs.contains("triggerSync") && logs.contains("is not done in a dryrun"))
        #expect(logs.contains("the token is ***"))
        #expect(try await fixture.recordList().isEmpty)
        let stored = try await fixture.storage.connection("alice", integrationKey: "desk", in: fixture.scope)
        #expect(stored?.metadata?.isEmpty ?? true)
        #expect(names(fixture).isEmpty)
        let other = EnvironmentScope(environmentID: 99)
        #expect(fixture.engine.functions.job(job.id, .dryrun, in: other) == nil)
        #expect(fixture.engine.functions.job(job.id, .deployment, in: fixture.scope) == nil)
    }

    @Test
    func `a dryrun that fails says why`() async throws {
        let fixture = try await fixture()
        fixture.scripts.answer("desk/trial") { run in
            try await run.save([1], model: "User")
            return .null
        }
        let functions = fixture.engine.functions
        func end(_ script: SentScript, connection: String = "alice") async throws -> FunctionJob? {
            let job = try functions.begin(
                DryrunRequest(scope: fixture.scope, connectionID: connection, script: script)
            )
            await functions.worker.runOnce()
            return functions.job(job.id, .dryrun, in: fixture.scope)
        }

        let undeclared = try await end(Self.sync("trial"))
        #expect(undeclared?.status == .failed && undeclared?.error?.message.contains("declares only Ticket") == true)
        #expect(try await end(Self.script("trial", .sync, code: "broken"))?.error?.code == .invalidDefinition)
        #expect(try await end(Self.sync("trial"), connection: "bob")?.error?.code == .unknownConnection)
        #expect(try await end(Self.script("trial", .action))?.error?.message.contains("Only a sync") == true)
    }

    @Test
    func `a function is deployed alone and beside the others`() async throws {
        let fixture = try await fixture()
        try await deploy([Self.sync("tickets")], fixture)
        let functions = fixture.engine.functions

        let job = try functions.beginDeployment(of: Self.script("open", .action), in: fixture.scope)
        await functions.worker.runOnce()

        let done = functions.job(job.id, .deployment, in: fixture.scope)
        #expect(done?.status == .success && done?.result == ["version": 2])
        #expect(functions.facts(of: Self.script("open", .action).id, in: fixture.scope).source == .standalone)
        #expect(names(fixture) == ["tickets"])
        fixture.clock.advance(by: FunctionJobs.lifetime)
        #expect(functions.job(job.id, .deployment, in: fixture.scope) == nil)
    }

    @Test
    func `takes only so many jobs of one environment at a time`() async throws {
        let fixture = try await fixture()
        let functions = fixture.engine.functions
        func begin(in scope: EnvironmentScope) throws -> FunctionJob {
            try functions.beginDeployment(of: Self.script("open", .action), in: scope)
        }
        for _ in 0..<FunctionJobs.maxOpen { _ = try begin(in: fixture.scope) }

        await expect(.tooManyRequests) { try begin(in: fixture.scope) }
        _ = try begin(in: EnvironmentScope(environmentID: 99))
        await functions.worker.runOnce()
        _ = try begin(in: fixture.scope)
    }
}
