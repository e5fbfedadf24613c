import TerapiCore
import TerapiStorage
import Testing

@Suite(.timeLimit(.minutes(2)))
struct ActionStorageConformance {
    private func run(
        _ fixture: StorageFixture,
        id: String = randomUUID(),
        kind: ActionRun.Kind = .queued,
        input: String? = #"{"card":"input-canary"}"#,
        in connection: Connection? = nil
    ) -> ActionRun {
        let connection = connection ?? fixture.connection
        return ActionRun(
            id: id,
            scope: connection.scope,
            connectionID: connection.id,
            kind: kind,
            name: "create",
            state: kind == .awaited ? .running : .waiting,
            input: input.map { Array($0.utf8) },
            maxRetries: 2,
            createdAt: fixture.clock.now
        )
    }

    private func begin(
        _ run: ActionRun, _ fixture: StorageFixture, key: String? = nil, request: String = "r", owner: String = "boot"
    ) async throws -> ActionBeginning {
        try await fixture.storage.beginAction(
            run,
            key: key.map { IdempotencyKey(text: $0, request: Array(request.utf8)) },
            owner: owner,
            now: fixture.clock.now
        )
    }

    private func claim(_ fixture: StorageFixture, limit: Int = 10, busy: [Int64: Int] = [:]) async throws -> [ActionRun]
    {
        try await fixture.storage.claimActions(limit: limit, busy: busy, owner: "boot", now: fixture.clock.now)
    }

    private func end(_ id: String, _ fixture: StorageFixture, answer: String = #""answer-canary""#) async throws {
        try await fixture.storage.endAction(
            id, .success, answer: Array(answer.utf8), event: nil, now: fixture.clock.now
        )
    }

    private func find(_ id: String, _ fixture: StorageFixture) async throws -> ActionRun? {
        try await fixture.storage.action(id, in: fixture.scope, now: fixture.clock.now)
    }

    @Test(arguments: Engine.allCases)
    func `takes a run through the queue to its answer`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let new = run(fixture)
        #expect(try await begin(new, fixture) == .begun)
        #expect(try await find(new.id, fixture) == new)
        #expect(try await fixture.storage.nextActionAt() == fixture.clock.now)

        let claimed = try #require(try await claim(fixture).first)
        #expect(claimed.input == new.input && claimed.attempts == 1 && claimed.state == .running)
        #expect(try await claim(fixture).isEmpty)
        #expect(try await fixture.storage.nextActionAt() == nil)
        try await end(new.id, fixture)

        let ended = try #require(try await find(new.id, fixture))
        #expect(ended.state == .success && ended.answer == Array(#""answer-canary""#.utf8) && ended.input == nil)
        // The end comes once.
        try await fixture.storage.endAction(new.id, .failed, answer: nil, event: nil, now: fixture.clock.now)
        #expect(try await find(new.id, fixture) == ended)
    }

    @Test(arguments: Engine.allCases)
    func `keeps inputs and answers sealed`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let waiting = run(fixture)
        let done = run(fixture)
        _ = try await begin(done, fixture, key: "key-canary", request: "request-canary")
        _ = try await claim(fixture)
        try await end(done.id, fixture)
        _ = try await begin(waiting, fixture)

        let stored = try await fixture.database.read { snapshot in
            try snapshot.query("select input, answer, idempotency_key, request_hash from action_run") { row in
                (0...3).flatMap { row.bytesIfPresent($0) ?? [] }
            }
        }
        #expect(stored.flatMap(\.self).count > 40)
        for bytes in stored { #expect(!String(decoding: bytes, as: UTF8.self).contains("canary")) }
    }

    @Test(arguments: Engine.allCases)
    func `knows a key with its request, in its environment, until a day after the end`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let first = run(fixture, kind: .awaited, input: nil)
        #expect(try await begin(first, fixture, key: "k") == .begun)

        let again = run(fixture, kind: .awaited, input: nil)
        #expect(try await begin(again, fixture, key: "k") == .known(first))
        #expect(try await begin(again, fixture, key: "k", request: "other") == .otherRequest)
        #expect(try await begin(run(fixture, kind: .awaited), fixture, key: "other") == .begun)
        let prod = try await other(fixture)
        #expect(try await begin(run(fixture, kind: .awaited, in: prod), fixture, key: "k") == .begun)

        // A run that is still at work is never forgotten.
        fixture.clock.advance(by: .seconds(48 * 3600))
        #expect(try await begin(again, fixture, key: "k") == .known(first))
        try await end(first.id, fixture)
        fixture.clock.advance(by: .seconds(24 * 3600 - 1))
        guard case .known(let ended) = try await begin(again, fixture, key: "k") else {
            Issue.record("The key was forgotten too early.")
            return
        }
        #expect(ended.id == first.id && ended.state == .success)
        fixture.clock.advance(by: .seconds(1))
        #expect(try await find(first.id, fixture) == nil)
        #expect(try await begin(again, fixture, key: "k") == .begun)
    }

    @Test(arguments: Engine.allCases)
    func `begins one of many that come with the same key at once`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let begun = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<50 {
                group.addTask { try await begin(run(fixture, kind: .awaited), fixture, key: "k") == .begun }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }

        #expect(begun == 1)
    }

    @Test(arguments: Engine.allCases)
    func `takes everyone's first run before anyone's second`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let prod = try await other(fixture)
        for id in ["a1", "a2", "a3"] { _ = try await begin(run(fixture, id: id), fixture) }
        for id in ["b1", "b2"] { _ = try await begin(run(fixture, id: id, in: prod), fixture) }

        let first = try await claim(fixture, limit: 3)
        let next = try await claim(fixture, limit: 1, busy: [fixture.scope.environmentID: 2])

        #expect(first.map(\.id) == ["a1", "b1", "a2"])
        #expect(next.map(\.id) == ["b2"])
    }

    @Test(arguments: Engine.allCases)
    func `tells which runs of a dead process had sent something`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let sent = run(fixture, id: "sent", kind: .awaited)
        let quiet = run(fixture, id: "quiet", kind: .awaited)
        _ = try await begin(sent, fixture, key: "s", owner: "dead")
        _ = try await begin(quiet, fixture, key: "q", owner: "dead")
        _ = try await begin(run(fixture, id: "alive", kind: .awaited), fixture, owner: "boot")
        try await fixture.storage.noteActionSends("sent")

        let interrupted = try await fixture.storage.interruptedActions(notOwnedBy: "boot")

        #expect(interrupted.map(\.id).sorted() == ["quiet", "sent"])
        #expect(interrupted.first { $0.id == "sent" }?.hasSent == true)
        #expect(interrupted.first { $0.id == "quiet" }?.hasSent == false)
        // What has sent something is not forgotten; what has not may come again.
        try await fixture.storage.removeAction("sent")
        try await fixture.storage.removeAction("quiet")
        #expect(try await find("sent", fixture) != nil)
        #expect(try await begin(run(fixture, kind: .awaited), fixture, key: "q") == .begun)
    }

    @Test(arguments: Engine.allCases)
    func `keeps a run from when it sends something until its caller has the answer`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let storage = fixture.storage
        let sent = run(fixture, id: "sent", kind: .awaited, input: nil)
        let done = run(fixture, id: "done", kind: .awaited, input: nil)

        // Two requests may be about to leave at once.
        for run in [sent, sent, done] { try await storage.keepSendingAction(run, owner: "dead") }
        try await storage.forgetAction("done")

        let interrupted = try await storage.interruptedActions(notOwnedBy: "boot")
        #expect(interrupted.map(\.id) == ["sent"])
        #expect(interrupted.first?.hasSent == true)
        _ = try await storage.deleteConnection("alice", integrationKey: "desk", in: fixture.scope)
        await #expect {
            try await storage.keepSendingAction(run(fixture, kind: .awaited), owner: "boot")
        } throws: {
            ($0 as? TerapiError)?.code == .staleRun
        }
    }

    @Test(arguments: Engine.allCases)
    func `lets a run that has ended send nothing`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let new = run(fixture, kind: .awaited)
        _ = try await begin(new, fixture)
        try await fixture.storage.noteActionSends(new.id)
        try await end(new.id, fixture)

        await #expect { try await fixture.storage.noteActionSends(new.id) } throws: {
            ($0 as? TerapiError)?.code == .staleRun
        }
        await #expect(throws: TerapiError.self) { try await fixture.storage.noteActionSends("unknown") }
    }

    @Test(arguments: Engine.allCases)
    func `puts a run back, as one that has sent nothing yet`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let new = run(fixture)
        _ = try await begin(new, fixture)
        _ = try await claim(fixture)
        try await fixture.storage.noteActionSends(new.id)

        try await fixture.storage.postponeAction(new.id, until: fixture.clock.now + .seconds(5))

        #expect(try await claim(fixture).isEmpty)
        #expect(try await fixture.storage.nextActionAt() == fixture.clock.now + .seconds(5))
        fixture.clock.advance(by: .seconds(5))
        let again = try #require(try await claim(fixture).first)
        #expect(again.attempts == 2 && !again.hasSent && again.input == new.input)
    }

    @Test(arguments: Engine.allCases)
    func `writes the webhook with the end, and shows runs to their environment only`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let new = run(fixture)
        _ = try await begin(new, fixture)
        _ = try await claim(fixture)
        let event = WebhookEvent(
            scope: fixture.scope, connectionID: fixture.connection.id, kind: .asyncAction, body: Array("{}".utf8),
            urls: ["https://a.example"], createdAt: fixture.clock.now
        )
        try await fixture.storage.endAction(new.id, .success, answer: nil, event: event, now: fixture.clock.now)

        #expect(try await fixture.storage.event(event.id, in: fixture.scope)?.event.kind == .asyncAction)
        let prod = try await other(fixture)
        #expect(try await fixture.storage.action(new.id, in: prod.scope, now: fixture.clock.now) == nil)
        // The scripts of an event and a provider's webhook are nobody's to ask for.
        for kind in [ActionRun.Kind.event, .webhook] {
            let scripts = run(fixture, kind: kind)
            _ = try await begin(scripts, fixture)
            #expect(try await find(scripts.id, fixture) == nil)
        }
    }

    @Test(arguments: Engine.allCases)
    func `removes what is a day old`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let old = run(fixture)
        let waiting = run(fixture, id: "waiting")
        _ = try await begin(old, fixture)
        _ = try await claim(fixture)
        try await end(old.id, fixture)
        _ = try await begin(waiting, fixture)
        fixture.clock.advance(by: .seconds(24 * 3600))

        try await fixture.storage.removeExpiredActions(now: fixture.clock.now)

        let left = try await fixture.database.read { try $0.query("select id from action_run") { $0.text(0) } }
        #expect(left == ["waiting"])
    }

    @Test(arguments: Engine.allCases)
    func `lets no run overwrite a checkpoint that it has not seen`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let place = ScriptPlace(connectionID: fixture.connection.id, kind: .action, name: "create")
        let event = ScriptPlace(connectionID: fixture.connection.id, kind: .onEvent, name: "create")
        let storage = fixture.storage

        #expect(try await storage.scriptCheckpoint(place).version == 0)
        #expect(try await storage.setScriptCheckpoint(["a": 1], of: place, over: 0) == 1)
        #expect(try await storage.setScriptCheckpoint(["a": 2], of: place, over: 0) == nil)
        #expect(try await storage.scriptCheckpoint(place).value == ["a": 1])
        #expect(try await storage.scriptCheckpoint(event).value == nil)
        #expect(try await storage.setScriptCheckpoint(nil, of: place, over: 1) == 2)
        #expect(try await storage.scriptCheckpoint(place).value == nil)
        #expect(try await storage.setScriptCheckpoint(["a": 1], of: place, over: 0) == nil)
    }

    @Test(arguments: Engine.allCases)
    func `adds the syncs that a connection lacks`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let bare = try await StorageFixture.connect(
            "bare", through: fixture.integration, storage: fixture.storage, now: fixture.clock.now, syncs: []
        )
        #expect(try await fixture.storage.syncs(connectionID: bare.id).isEmpty)

        for _ in 1...2 {
            try await fixture.storage.addSyncs([StorageFixture.definition], to: bare.id, now: fixture.clock.now)
        }
        try await fixture.storage.addSyncs([StorageFixture.definition], to: 9_999, now: fixture.clock.now)

        let syncs = try await fixture.storage.syncs(connectionID: bare.id)
        #expect(syncs.map(\.name) == ["tickets"])
        #expect(syncs.first?.nextRunAt == fixture.clock.now)
    }

    /// A connection in another environment.
    private func other(_ fixture: StorageFixture) async throws -> Connection {
        let environment = try await fixture.storage.createEnvironment(
            name: "prod", signingKey: WebhookSignature.newSecret(), now: fixture.clock.now
        )
        let integration = try await fixture.storage.createIntegration(
            Integration(
                scope: environment.scope, key: "desk", provider: "zendesk", displayName: "Desk",
                createdAt: fixture.clock.now, updatedAt: fixture.clock.now
            )
        )
        return try await StorageFixture.connect(
            "bob", through: integration, storage: fixture.storage, now: fixture.clock.now
        )
    }
}
