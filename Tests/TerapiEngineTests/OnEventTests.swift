import Synchronization
import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

@Suite(.timeLimit(.minutes(1)))
struct OnEventTests {
    private func fixture(_ event: OnEventDefinition.Event) async throws -> EngineFixture {
        try await EngineFixture(onEvents: [
            OnEventDefinition(integrationKey: "desk", name: "hook", event: event, code: "")
        ])
    }

    private func connect(_ fixture: EngineFixture, _ id: String = "bob", token: String = "access-9") async throws
        -> Connection
    {
        try await fixture.engine.connector.importConnection(
            Connection(
                scope: fixture.scope,
                integrationID: fixture.integration.id,
                connectionID: id,
                integrationKey: "desk",
                provider: "desk",
                createdAt: fixture.clock.now,
                updatedAt: fixture.clock.now
            ),
            credentials: .oauth2(OAuth2Credentials(accessToken: Secret(token)))
        )
    }

    private func stored(_ fixture: EngineFixture, _ id: String = "bob") async throws -> Connection? {
        try await fixture.storage.connection(id, integrationKey: "desk", in: fixture.scope)
    }

    // MARK: post-connection-creation

    @Test
    func `runs a script after a connection was made, and the first sync after it`() async throws {
        let fixture = try await fixture(.postConnectionCreation)
        fixture.scripts.set("desk/hook") { run in
            #expect(run.invocation.kind == .onEvent)
            #expect(run.invocation.timeout == .seconds(300))
            #expect(try await run.call("getToken") == "access-9")
            try await run.call("updateMetadata", ["account": "a-1"])
        }
        let connection = try await connect(fixture)
        #expect(fixture.scripts.begun.count == 0)
        #expect(try await fixture.storage.syncs(connectionID: connection.id).isEmpty)

        #expect(try await fixture.engine.actionWorker.runOnce() == 1)

        #expect(try await stored(fixture)?.metadata == ["account": "a-1"])
        let sync = try #require(try await fixture.storage.syncs(connectionID: connection.id).first)
        #expect(sync.state == .started && sync.nextRunAt == fixture.clock.now)
        let operation = try #require(fixture.log.operations(.postConnectionCreation).first)
        #expect(operation.state == .success && operation.connectionID == "bob")
        // Nobody asked for an action.
        #expect(try await fixture.events().allSatisfy { $0["type"] == "auth" })
    }

    @Test
    func `keeps a connection and starts its syncs when the script fails`() async throws {
        let fixture = try await fixture(.postConnectionCreation)
        fixture.scripts.set("desk/hook") { _ in throw ScriptRun.actionError(["message": "no"]) }

        let connection = try await connect(fixture)
        try await fixture.engine.actionWorker.runOnce()

        #expect(try await fixture.storage.syncs(connectionID: connection.id).count == 1)
        #expect(fixture.log.operations(.postConnectionCreation).map(\.state) == [.failed])
    }

    @Test
    func `makes the syncs at once where no script is to run first`() async throws {
        let fixture = try await EngineFixture()

        let connection = try await connect(fixture)

        #expect(try await fixture.storage.syncs(connectionID: connection.id).count == 1)
        #expect(try await fixture.engine.actionWorker.runOnce() == 0)
    }

    @Test
    func `runs the script after a restart, unless it has sent something`() async throws {
        let fixture = try await fixture(.postConnectionCreation)
        fixture.providers.answer { _, _ in ScriptResponse(status: 201, headers: [], body: []) }
        let begun = Counter()
        fixture.scripts.set("desk/hook") { run in
            if run.invocation.properties["connectionId"] == "sender" { try await run.post("/hooks") }
            begun.increment()
            if begun.count <= 2 { try await fixture.clock.sleep(until: fixture.clock.now + .seconds(1_000_000)) }
        }
        _ = try await connect(fixture, "sender")
        _ = try await connect(fixture, "reader")
        let crash = Task { _ = try? await fixture.engine.actionWorker.runOnce() }
        try await begun.reached(2)
        crash.cancel()
        await crash.value

        let next = try fixture.restarted()
        try await next.prepare()

        #expect(try await next.actionWorker.runOnce() == 1)
        #expect(begun.count == 3)
    }

    /// The process ends as soon as the connection is stored: nothing after that may be needed.
    @Test
    func `loses no script of a connection whose process ends right after it was stored`() async throws {
        let fixture = try await fixture(.postConnectionCreation)
        fixture.scripts.set("desk/hook") { try await $0.call("updateMetadata", ["account": "a-1"]) }

        let connection = try await fixture.connectAndCrash {
            try await connect(fixture)
        }
        let next = try fixture.restarted()
        try await next.prepare()
        // As at every start: what a definition asks for that connections lack.
        try await fixture.storage.settleSyncs(
            [try EngineFixture.definition()], in: fixture.scope, now: fixture.clock.now
        )
        // The first sync waits for what the script finds out.
        #expect(try await fixture.storage.syncs(connectionID: connection.id).isEmpty)
        #expect(try await next.actionWorker.runOnce() == 1)

        #expect(try await stored(fixture)?.metadata == ["account": "a-1"])
        #expect(try await fixture.storage.syncs(connectionID: connection.id).count == 1)
        // The control: what is queued by a write of its own is lost in such a crash.
        let run = ActionRun(
            scope: fixture.scope, connectionID: connection.id, kind: .event, name: "post-connection-creation",
            state: .waiting, createdAt: fixture.clock.now
        )
        _ = try await fixture.connectAndCrash {
            let carol = try await connect(fixture, "carol")
            _ = try? await fixture.storage.beginAction(run, key: nil, owner: "boot", now: fixture.clock.now)
            return carol
        }
        let waiting = try await fixture.storage.claimActions(
            limit: 9, busy: [:], owner: "boot", now: fixture.clock.now)
        #expect(waiting.count == 1 && waiting.first?.id != run.id)
    }

    // MARK: validate-connection

    @Test
    func `makes no connection that a script refuses`() async throws {
        let fixture = try await fixture(.validateConnection)
        fixture.scripts.set("desk/hook") { run in
            let token = try await run.call("getToken").string ?? ""
            if token == "access-bad" { throw ScriptRun.actionError(["message": "This is a trial account."]) }
            try await run.call("setMetadata", ["plan": "team"])
        }

        do {
            _ = try await connect(fixture, token: "access-bad")
            Issue.record("The connection was made.")
        } catch let error as TerapiError {
            #expect(error.code == .connectionValidationFailed)
            #expect(error.message == "This is a trial account.")
        }
        #expect(try await stored(fixture) == nil)
        #expect(try await fixture.events().isEmpty)
        #expect(fixture.log.operations(.validateConnection).map(\.state) == [.failed])
        #expect(!fixture.log.text.contains("access-bad"))

        // The control, which also sees what the script has found out.
        let connection = try await connect(fixture)
        #expect(connection.metadata == ["plan": "team"])
        #expect(try await stored(fixture)?.metadata == ["plan": "team"])
    }

    @Test
    func `leaves a connection as it was when a script refuses its new credentials`() async throws {
        let fixture = try await fixture(.validateConnection)
        try await fixture.storage.setMetadata(
            ["old": true], merge: false, connectionIDs: ["alice"], integrationKey: "desk", in: fixture.scope,
            now: fixture.clock.now
        )
        fixture.scripts.set("desk/hook") { run in
            #expect(try await run.call("getMetadata") == ["old": true])
            try await run.call("updateMetadata", ["new": true])
            try await run.call("saveCheckpoint", ["seen": 1])
            throw ScriptRun.actionError(["message": "no"])
        }

        await #expect(throws: TerapiError.self) { try await connect(fixture, "alice") }

        #expect(try await stored(fixture, "alice")?.metadata == ["old": true])
        #expect(try await fixture.token().token == "access-1")
    }

    // MARK: pre-connection-deletion

    @Test
    func `runs a script before a connection goes, which goes whatever the script says`() async throws {
        let fixture = try await fixture(.preConnectionDeletion)
        fixture.scripts.set("desk/hook") { run in
            #expect(try await stored(fixture, "alice") != nil)
            #expect(try await run.call("getToken") == "access-1")
            throw ScriptRun.actionError(["message": "no"])
        }
        let connector = fixture.engine.connector

        #expect(try await connector.deleteConnection("nobody", integrationKey: "desk", in: fixture.scope) == false)
        #expect(fixture.scripts.begun.count == 0)
        #expect(try await connector.deleteConnection("alice", integrationKey: "desk", in: fixture.scope))

        #expect(fixture.scripts.begun.count == 1)
        #expect(try await stored(fixture, "alice") == nil)
        #expect(fixture.log.operations(.preConnectionDeletion).map(\.state) == [.failed])
    }

    @Test
    func `runs the script for every connection of an integration that goes`() async throws {
        let fixture = try await fixture(.preConnectionDeletion)
        let count = Connector.deletedAtOnce * 2 + 1
        for number in 1...count { _ = try await connect(fixture, "c-\(number)") }
        let seen = Mutex<Set<String>>([])
        fixture.scripts.set("desk/hook") { run in
            let id = run.invocation.properties["connectionId"]?.string ?? ""
            #expect(try await stored(fixture, id) != nil)
            seen.withLock { _ = $0.insert(id) }
            if id == "c-1" { throw ScriptRun.actionError(["message": "no"]) }
        }

        try await fixture.engine.connector.deleteIntegration("desk", in: fixture.scope)

        #expect(seen.withLock { $0 } == Set((1...count).map { "c-\($0)" } + ["alice"]))
        #expect(fixture.scripts.begun.count == count + 1)
        #expect(try await fixture.storage.integration(key: "desk", in: fixture.scope) == nil)
    }

    @Test
    func `goes on with the deletion of an integration where it was cut off`() async throws {
        let fixture = try await fixture(.preConnectionDeletion)
        _ = try await connect(fixture, "bob")
        let begun = Counter()
        fixture.scripts.set("desk/hook") { run in
            begun.increment()
            let isFirst = run.invocation.properties["connectionId"] == "bob" && begun.count <= 2
            if isFirst { try await fixture.clock.sleep(until: fixture.clock.now + .seconds(1_000_000)) }
        }
        let connector = fixture.engine.connector
        let first = Task { try await connector.deleteIntegration("desk", in: fixture.scope) }
        try await begun.reached(2)
        first.cancel()
        await #expect(throws: (any Error).self) { try await first.value }
        #expect(try await fixture.storage.integration(key: "desk", in: fixture.scope) != nil)
        #expect(try await stored(fixture) != nil)

        try await connector.deleteIntegration("desk", in: fixture.scope)
        #expect(try await fixture.storage.integration(key: "desk", in: fixture.scope) == nil)
    }
}

extension EngineFixture {
    /// The database is gone after the first write that brings a connection.
    fileprivate func connectAndCrash(_ connect: () async throws -> Connection) async throws -> Connection {
        database.failAfterNextWrite()
        defer { database.isDown = false }
        return try await connect()
    }
}
