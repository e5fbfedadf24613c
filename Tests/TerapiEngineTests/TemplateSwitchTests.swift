import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

@Suite(.timeLimit(.minutes(1)))
struct TemplateSwitchTests {
    private static let people = ScriptID(integrationKey: "desk", kind: .sync, name: "people")
    private static let invite = ScriptID(integrationKey: "desk", kind: .action, name: "invite")

    private func set(_ isEnabled: Bool, _ id: ScriptID, _ fixture: EngineFixture) async throws {
        try await fixture.engine.functions.setEnabled(isEnabled, id, provider: "desk", in: fixture.scope)
    }

    private func names(_ fixture: EngineFixture) -> [String] {
        fixture.engine.syncs.definitions(integrationKey: "desk", in: fixture.scope).map(\.name)
    }

    @Test func `what ships is off, and runs on the connections that exist once it is on`() async throws {
        let fixture = try await EngineFixture(syncs: [])
        fixture.scripts.set("desk/people") { try await $0.save([1], model: "Person") }
        let functions = fixture.engine.functions
        let listed = try await functions.templates(of: "desk", for: "desk", in: fixture.scope)
        #expect(listed.syncs.map(\.name) == ["people"] && listed.actions.map(\.name) == ["invite"])
        #expect(try await fixture.engine.syncWorker.runOnce() == 0)

        try await set(true, Self.people, fixture)

        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
        #expect(try await fixture.recordList(model: "Person") == ["1 ADDED first"])
        #expect(functions.facts(of: Self.people, in: fixture.scope).source == .catalog)
        #expect(fixture.engine.actions.actions(integrationKey: "desk", in: fixture.scope).isEmpty)
    }

    @Test func `what is switched off stops, keeps its records, and goes on at its place`() async throws {
        let fixture = try await EngineFixture(syncs: [])
        fixture.scripts.set("desk/people") { run in
            try await run.save([1], model: "Person")
            try await run.call("saveCheckpoint", ["page": 2])
        }
        try await set(true, Self.people, fixture)
        try await fixture.engine.syncWorker.runOnce()

        try await set(false, Self.people, fixture)

        fixture.clock.advance(by: .seconds(7200))
        #expect(names(fixture).isEmpty)
        #expect(try await fixture.engine.syncWorker.runOnce() == 0)
        #expect(try await fixture.recordList(model: "Person") == ["1 ADDED first"])

        try await set(true, Self.people, fixture)
        fixture.scripts.set("desk/people") { run in
            let checkpoint = try await run.call("getCheckpoint")
            #expect(checkpoint == ["page": 2])
        }
        #expect(try await fixture.engine.syncWorker.runOnce() == 1)
    }

    @Test func `is still on after a restart, and in its environment alone`() async throws {
        let fixture = try await EngineFixture(syncs: [])
        let other = try await fixture.storage.createEnvironment(
            name: "prod", signingKey: WebhookSignature.newSecret(), now: fixture.clock.now
        )
        try await set(true, Self.invite, fixture)

        let restarted = try fixture.restarted(catalog: ScriptCatalog(ScriptDefinitions()))
        try await restarted.prepare()

        #expect(restarted.actions.actions(integrationKey: "desk", in: fixture.scope).map(\.name) == ["invite"])
        #expect(restarted.actions.actions(integrationKey: "desk", in: other.scope).isEmpty)
    }

    @Test func `stays on when a folder is deployed with pruning`() async throws {
        let fixture = try await EngineFixture(syncs: [])
        try await set(true, Self.people, fixture)

        let request = DeployRequest(scope: fixture.scope, scripts: [], prunes: true)
        _ = try await fixture.engine.deployments.deploy(request)

        #expect(names(fixture) == ["people"])
    }

    @Test func `switching twice is switching once`() async throws {
        let fixture = try await EngineFixture(syncs: [])
        for _ in 0..<2 { try await set(true, Self.people, fixture) }
        #expect(try await fixture.engine.deployments.deployments(in: fixture.scope).count == 1)
        for _ in 0..<2 { try await set(false, Self.people, fixture) }
        #expect(try await fixture.engine.deployments.deployments(in: fixture.scope).count == 2)
    }

    @Test func `what somebody wrote is not switched off, and comes before what ships`() async throws {
        let own = try EngineFixture.definition("people", models: ["Own"])
        let fixture = try await EngineFixture(syncs: [own])

        try await set(true, Self.people, fixture)
        #expect(fixture.engine.syncs.definitions(integrationKey: "desk", in: fixture.scope).map(\.models) == [["Own"]])
        await #expect(throws: TerapiError.self) { try await set(false, Self.people, fixture) }
        #expect(names(fixture) == ["people"])
    }

    @Test func `what ships for another provider cannot be switched on`() async throws {
        let fixture = try await EngineFixture(syncs: [])
        let elsewhere = ScriptID(integrationKey: "desk", kind: .action, name: "elsewhere")
        for isEnabled in [true, false] {
            let error = await #expect(throws: TerapiError.self) { try await set(isEnabled, elsewhere, fixture) }
            #expect(error?.code == .notFound)
        }
        #expect(fixture.engine.functions.templateText(of: elsewhere, provider: "desk") == nil)
        #expect(fixture.engine.functions.templateText(of: elsewhere, provider: "other") == "{}", "the control")
    }

    @Test(arguments: ["desk-cloud", "desk-cloud-eu"])
    func `what ships for a provider ships for its aliases`(provider: String) async throws {
        let fixture = try await EngineFixture(syncs: [])
        let functions = fixture.engine.functions

        let listed = try await functions.templates(of: provider, for: "desk", in: fixture.scope)
        try await functions.setEnabled(true, Self.people, provider: provider, in: fixture.scope)

        #expect(listed.syncs.map(\.name) == ["people"] && listed.actions.map(\.name) == ["invite"])
        #expect(functions.templateText(of: Self.people, provider: provider) != nil)
        #expect(names(fixture) == ["people"])
    }

    @Test func `an alias with templates of its own has those alone`() async throws {
        let fixture = try await EngineFixture(syncs: [])
        let listed = try await fixture.engine.functions.templates(of: "other", for: "desk", in: fixture.scope)

        #expect(listed.syncs.isEmpty && listed.actions.map(\.name) == ["elsewhere"])
        #expect(fixture.engine.functions.templateText(of: Self.people, provider: "other") == nil)
    }
}
