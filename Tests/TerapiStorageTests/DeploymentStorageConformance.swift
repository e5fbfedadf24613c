import TerapiCore
import TerapiStorage
import Testing

@Suite(.timeLimit(.minutes(2)))
struct DeploymentStorageConformance {
    private static let zod = "module.exports = 'zod';"
    private static let zodHash = hex(sha256(Array(zod.utf8)))

    private static func script(
        _ name: String,
        kind: ScriptInvocation.Kind = .sync,
        code: String = "code",
        map: String? = nil
    ) -> DeployedScript {
        DeployedScript(
            id: ScriptID(integrationKey: "desk", kind: kind, name: name),
            language: .typeScript,
            source: .repo,
            declared: ["type": .string(kind.rawValue), "models": ["Ticket": ["type": "object"]]],
            code: code,
            sourceMap: map,
            modules: ["zod": zodHash],
            deployedAt: Timestamp(microseconds: 1_700_000_000_000_000)
        )
    }

    private func deploy(
        _ scripts: [DeployedScript],
        _ fixture: StorageFixture,
        in scope: EnvironmentScope? = nil,
        over base: Int64?,
        keeping keptCount: Int = 3,
        modules: [String: String] = [zodHash: zod],
        change: (inout NewDeployment) -> Void = { _ in }
    ) async throws -> Deployment? {
        var deployment = NewDeployment(
            scope: scope ?? fixture.scope,
            origin: .deploy,
            scripts: scripts,
            modules: modules,
            keptCount: keptCount
        )
        change(&deployment)
        return try await fixture.storage.deploy(deployment, over: base, now: fixture.clock.now)
    }

    private func count(_ sql: SQL, _ fixture: StorageFixture) async throws -> Int64? {
        try await fixture.database.read { try $0.first(sql) { $0.integer(0) } }
    }

    @Test(arguments: Engine.allCases)
    func `keeps a deployment with everything that it needs`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let scripts = [
            Self.script("open", kind: .action, code: "open", map: #"{"version":3}"#), Self.script("tickets"),
        ]
        #expect(try await fixture.storage.currentDeployment(in: fixture.scope) == nil)

        let made = try #require(try await deploy(scripts.reversed(), fixture, over: nil))

        #expect(
            made
                == Deployment(
                    version: 1, origin: .deploy, restoredVersion: nil, scriptCount: 2, createdAt: fixture.clock.now
                ))
        let expected = DeployedScripts(deployment: made, scripts: scripts, modules: [Self.zodHash: Self.zod])
        #expect(try await fixture.storage.currentDeployment(in: fixture.scope) == expected)
        #expect(try await fixture.storage.deployment(version: 1, in: fixture.scope) == expected)
        #expect(try await fixture.storage.deployment(version: 2, in: fixture.scope) == nil)
    }

    @Test(arguments: Engine.allCases)
    func `counts versions in each environment and shows none of another`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let other = try await fixture.storage.createEnvironment(
            name: "prod", signingKey: WebhookSignature.newSecret(), now: fixture.clock.now
        )
        _ = try await deploy([Self.script("tickets")], fixture, over: nil)
        _ = try await deploy([Self.script("tickets", code: "new")], fixture, over: 1)

        #expect(try await fixture.storage.currentDeployment(in: other.scope) == nil)
        #expect(try await fixture.storage.deployment(version: 2, in: other.scope) == nil)
        let theirs = try await deploy([Self.script("users")], fixture, in: other.scope, over: nil)

        #expect(theirs?.version == 1)
        #expect(try await fixture.storage.deployments(in: fixture.scope).map(\.version) == [2, 1])
        #expect(try await fixture.storage.currentDeployment(in: fixture.scope)?.scripts.map(\.code) == ["new"])
    }

    @Test(arguments: Engine.allCases)
    func `writes nothing over a version that is not in force any more`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        _ = try await deploy([Self.script("tickets")], fixture, over: nil)

        #expect(try await deploy([Self.script("late")], fixture, over: nil) == nil)
        #expect(try await deploy([Self.script("early")], fixture, over: 2) == nil)

        #expect(try await fixture.storage.currentDeployment(in: fixture.scope)?.scripts.map(\.id.name) == ["tickets"])
        #expect(try await deploy([Self.script("next")], fixture, over: 1)?.version == 2)
    }

    @Test(arguments: Engine.allCases)
    func `leaves nothing of a deployment that cannot be stored`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        _ = try await deploy([Self.script("tickets")], fixture, over: nil)
        let twice = [Self.script("users", code: "one"), Self.script("users", code: "two")]

        await #expect(throws: (any Error).self) {
            _ = try await deploy(twice, fixture, over: 1) { deployment in
                deployment.removedSyncs = [Self.script("tickets").id]
            }
        }

        #expect(try await fixture.storage.deployments(in: fixture.scope).map(\.version) == [1])
        #expect(try await count("select count(*) from script_text", fixture) == 2)
        #expect(try await fixture.storage.syncs(connectionID: fixture.connection.id).count == 1)
    }

    @Test(arguments: Engine.allCases)
    func `keeps so many deployments, and each text once and as long as one has it`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        for version in Int64(1)...5 {
            let scripts = [Self.script("same"), Self.script("tickets", code: "code of \(version)")]
            _ = try await deploy(scripts, fixture, over: version == 1 ? nil : version - 1)
        }

        #expect(try await fixture.storage.deployments(in: fixture.scope).map(\.version) == [5, 4, 3])
        #expect(try await fixture.storage.deployment(version: 2, in: fixture.scope) == nil)
        // The module, the code of `same`, and three of `tickets`.
        #expect(try await count("select count(*) from script_text", fixture) == 5)
        #expect(try await fixture.storage.deployment(version: 3, in: fixture.scope)?.scripts.count == 2)
    }

    @Test(arguments: Engine.allCases)
    func `deletes the syncs and the records that a removal names, and no others`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let storage = fixture.storage
        let variant = RecordStream(connectionID: fixture.connection.id, model: "Ticket", variant: "eu")
        let users = RecordStream(connectionID: fixture.connection.id, model: "TicketUser")
        let run = try await fixture.claim()
        try await fixture.save(tickets(1...3), run: run)
        try await fixture.save(tickets(1...2), run: run, stream: variant)
        try await fixture.save(tickets(1...4), run: run, stream: users)
        let other = try await storage.createEnvironment(
            name: "prod", signingKey: WebhookSignature.newSecret(), now: fixture.clock.now
        )
        let id = Self.script("tickets").id
        let model = ModelID(integrationKey: "desk", model: "Ticket")
        #expect(try await storage.reach(of: [id], in: fixture.scope) == [id: 1])
        #expect(try await storage.reach(of: [id], in: other.scope) == [id: 0])
        #expect(try await storage.recordCounts(of: [model], in: fixture.scope) == [model: 5])
        #expect(try await storage.recordCounts(of: [model], in: other.scope) == [model: 0])

        // The same names in another environment touch nothing here.
        _ = try await deploy([], fixture, in: other.scope, over: nil) { deployment in
            deployment.removedSyncs = [id]
            deployment.removedModels = [model]
        }
        #expect(try await storage.counts(connectionID: fixture.connection.id)["Ticket"] == 3)
        #expect(try await storage.syncs(connectionID: fixture.connection.id).count == 1)

        _ = try await deploy([], fixture, over: nil) { deployment in
            deployment.removedSyncs = [id]
            deployment.removedModels = [model]
        }

        let counts = try await storage.counts(connectionID: fixture.connection.id)
        #expect(counts["Ticket"] ?? 0 == 0 && counts["Ticket::eu"] ?? 0 == 0 && counts["TicketUser"] == 4)
        #expect(try await storage.syncs(connectionID: fixture.connection.id).isEmpty)
        let error = await #expect(throws: TerapiError.self) { try await fixture.save(tickets([9]), run: run) }
        #expect(error?.code == .staleRun)
    }
}
