import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

@Suite(.timeLimit(.minutes(1)))
struct ActionTests {
    static let create = ActionDefinition(integrationKey: "desk", name: "create", code: "")

    static let checked = ActionDefinition(
        integrationKey: "desk",
        name: "create",
        input: [
            "type": "object", "properties": ["title": ["type": "string"]], "required": ["title"],
            "additionalProperties": false,
        ],
        output: ["type": "object", "properties": ["id": ["type": "integer"]], "required": ["id"]],
        code: ""
    )

    private func fixture(_ action: ActionDefinition = create) async throws -> EngineFixture {
        try await EngineFixture(actions: [action])
    }

    private func request(
        _ fixture: EngineFixture,
        name: String = "create",
        input: JSONValue? = ["title": "a"],
        key: String? = nil
    ) -> ActionRequest {
        ActionRequest(
            scope: fixture.scope,
            integrationKey: "desk",
            connectionID: "alice",
            name: name,
            input: input,
            idempotencyKey: key
        )
    }

    /// The error that an action ends with.
    private func failure(_ body: () async throws -> Void) async throws -> TerapiError {
        do {
            try await body()
        } catch let error as TerapiError {
            return error
        }
        Issue.record("Nothing was thrown.")
        return TerapiError(.serverError, "")
    }

    private func result(_ id: String, _ fixture: EngineFixture, _ engine: Engine? = nil) async throws -> String {
        switch try await (engine ?? fixture.engine).actions.result(of: id, in: fixture.scope) {
        case .pending: "pending"
        case .success(let output): String(decoding: output, as: UTF8.self)
        case .failure(let error): error.code.rawValue
        case nil: "unknown"
        }
    }

    // MARK: The caller waits

    @Test
    func `gives the input to the script and its answer to the caller`() async throws {
        let fixture = try await fixture()
        fixture.scripts.answer("desk/create") { run in
            #expect(run.invocation.kind == .action)
            #expect(run.invocation.properties["connectionId"] == "alice")
            #expect(run.invocation.timeout == .seconds(900))
            return ["got": run.invocation.input ?? .null]
        }

        let output = try await fixture.engine.actions.run(request(fixture))

        #expect(String(decoding: output, as: UTF8.self) == #"{"got":{"title":"a"}}"#)
        let operation = try #require(fixture.log.operations(.actionRun).first)
        #expect(operation.state == .success && operation.subject == "create" && operation.connectionID == "alice")
    }

    @Test
    func `writes nothing to the database for a caller who waits without a key`() async throws {
        let fixture = try await fixture()
        fixture.scripts.answer("desk/create") { _ in 1 }
        fixture.database.isDown = true

        #expect(try await fixture.engine.actions.run(request(fixture)) == Array("1".utf8))
        #expect(fixture.database.refused.count == 0)
        // The control: with a key something has to be written.
        let error = try await failure { _ = try await fixture.engine.actions.run(request(fixture, key: "k")) }
        #expect(error.code == .storageUnavailable)
    }

    @Test
    func `tells what is unknown`() async throws {
        let fixture = try await fixture()
        var other = request(fixture)
        other.integrationKey = "nothing"
        var nobody = request(fixture)
        nobody.connectionID = "nobody"
        for (request, code) in [
            (other, TerapiError.Code.unknownProvider), (nobody, .unknownConnection),
            (request(fixture, name: "nothing"), .notFound),
        ] {
            #expect(try await failure { _ = try await fixture.engine.actions.run(request) }.code == code)
            #expect(
                try await failure { _ = try await fixture.engine.actions.enqueue(request, maxRetries: 0) }.code == code)
        }
        #expect(fixture.scripts.begun.count == 0)
    }

    @Test
    func `runs no script with an input that is not valid`() async throws {
        let fixture = try await fixture(Self.checked)
        fixture.scripts.answer("desk/create") { _ in ["id": 7] }

        let error = try await failure {
            _ = try await fixture.engine.actions.run(request(fixture, input: ["title": 1, "x": 2]))
        }

        #expect(error.code == .invalidActionInput)
        #expect(Set(error.issues.map(\.path)) == [["title"], ["x"]])
        #expect(fixture.scripts.begun.count == 0)
        // The control.
        #expect(try await fixture.engine.actions.run(request(fixture)) == Array(#"{"id":7}"#.utf8))
    }

    @Test(arguments: [
        (#"{"type":"object","properties":{"a":{"type":"string"}}}"#, "{}"), (#"{"type":"null"}"#, "null"),
        (#"{"type":"object","required":["a"]}"#, nil),
    ])
    func `takes no input where none is needed`(schema: String, given: String?) async throws {
        let action = ActionDefinition(
            integrationKey: "desk", name: "create", input: try JSONReader.read(schema), code: ""
        )
        let fixture = try await fixture(action)
        fixture.scripts.answer("desk/create") { $0.invocation.input ?? .null }

        let output = try? await fixture.engine.actions.run(request(fixture, input: nil))

        #expect(output.map { String(decoding: $0, as: UTF8.self) } == given)
    }

    @Test
    func `refuses an output that is not valid or too large`() async throws {
        let fixture = try await fixture(Self.checked)
        fixture.scripts.answer("desk/create") { _ in ["id": "seven"] }
        let invalid = try await failure { _ = try await fixture.engine.actions.run(request(fixture)) }
        fixture.scripts.answer("desk/create") { _ in
            ["id": 7, "rest": .string(String(repeating: "x", count: ActionRunner.maxOutputBytes))]
        }
        let large = try await failure { _ = try await fixture.engine.actions.run(request(fixture)) }

        #expect(invalid.code == .invalidActionOutput)
        #expect(invalid.issues.map(\.path) == [["id"]])
        #expect(large.code == .scriptOutputTooLarge)
    }

    @Test
    func `brings an ActionError to the caller, without secrets`() async throws {
        let fixture = try await fixture()
        fixture.scripts.answer("desk/create") { run in
            let token = try await run.call("getToken").string ?? ""
            throw ScriptRun.actionError(["reason": "full", "hint": .string("sent \(token)")])
        }

        let error = try await failure { _ = try await fixture.engine.actions.run(request(fixture)) }

        #expect(error.code == .actionScriptFailure)
        #expect(error.payload == ["reason": "full", "hint": "sent ***"])
        #expect(fixture.log.operations(.actionRun).first?.state == .failed)
    }

    @Test
    func `brings the provider's refusal to the caller with status, headers and body`() async throws {
        let fixture = try await fixture()
        fixture.providers.answer { request, _ in
            ScriptResponse(
                status: request.endpoint == "/first" ? 404 : 422,
                headers: [
                    ("content-type", "application/json"), ("x-ratelimit-remaining", "3"), ("set-cookie", "a=b"),
                ],
                body: Array(#"{"why":"no title","token":"access-1"}"#.utf8)
            )
        }
        fixture.scripts.answer("desk/create") { run in
            _ = try await run.get("/first")
            try await run.post("/tickets")
            throw ScriptRun.requestError("POST /tickets", status: 422)
        }

        let error = try await failure { _ = try await fixture.engine.actions.run(request(fixture)) }

        fixture.scripts.answer("desk/create") { run in
            try await run.post("/tickets")
            throw ScriptRun.actionError(["request": "mine", "status": 422])
        }
        let own = try await failure { _ = try await fixture.engine.actions.run(request(fixture)) }

        // What an ActionError says is the script's own, whatever it looks like.
        #expect(own.code == .actionScriptFailure && own.upstream == nil)
        #expect(error.code == .scriptHTTPError)
        #expect(
            error.upstream == [
                "status": 422,
                "headers": ["content-type": "application/json", "x-ratelimit-remaining": "3"],
                "body": ["why": "no title", "token": "***"],
            ])
    }

    @Test
    func `saves no records`() async throws {
        let fixture = try await fixture()
        fixture.scripts.answer("desk/create") { run in
            try await run.save([1])
            return .null
        }

        let error = try await failure { _ = try await fixture.engine.actions.run(request(fixture)) }

        #expect(error.code == .scriptError)
        #expect(error.message.contains("batchSave"))
        #expect(try await fixture.recordList().isEmpty)
    }

    @Test
    func `reads the records that syncs have saved`() async throws {
        let fixture = try await fixture()
        fixture.scripts.set { try await $0.save(1...3) }
        try await fixture.engine.syncWorker.runOnce()
        fixture.scripts.answer("desk/create") { run in
            let some = try await run.call("getRecordsByIds", ["1", "9"], "Ticket")
            let page = try await run.call("listRecords", "Ticket", [:])
            return ["some": some, "all": JSONValue(page["records"]?.array?.count ?? 0)]
        }

        let output = try JSONReader.read(try await fixture.engine.actions.run(request(fixture)))

        #expect(output["some"] == ["1": ["id": "1", "title": "first"]])
        #expect(output["all"] == 3)
    }

    @Test
    func `keeps a checkpoint from run to run`() async throws {
        let fixture = try await fixture()
        fixture.scripts.answer("desk/create") { run in
            let before = try await run.call("getCheckpoint")
            try await run.call("saveCheckpoint", ["n": JSONValue((before["n"]?.int ?? 0) + 1)])
            return before
        }

        #expect(try await fixture.engine.actions.run(request(fixture)) == Array("null".utf8))
        #expect(try await fixture.engine.actions.run(request(fixture)) == Array(#"{"n":1}"#.utf8))
        // A sync of the same connection has its own.
        #expect(try await fixture.sync().checkpoint == nil)
    }

    @Test
    func `cannot call what is for syncs`() async throws {
        let fixture = try await fixture()
        fixture.scripts.answer("desk/create") { try await $0.call("trackDeletesStart", "Ticket") }

        let error = try await failure { _ = try await fixture.engine.actions.run(request(fixture)) }

        #expect(error.message.contains("trackDeletesStart is for syncs"))
    }

    // MARK: Scripts call each other

    @Test
    func `lets a sync and an action call an action`() async throws {
        let outer = ActionDefinition(integrationKey: "desk", name: "outer", code: "")
        let fixture = try await EngineFixture(actions: [Self.create, outer])
        fixture.scripts.answer("desk/create") { ["twice": .array([$0.invocation.input ?? .null])] }
        fixture.scripts.answer("desk/outer") { try await $0.call("triggerAction", "desk", "alice", "create", "x") }
        fixture.scripts.set { run in
            let answer = try await run.call("triggerAction", "desk", "alice", "outer")
            #expect(answer == ["twice": ["x"]])
        }

        try await fixture.engine.syncWorker.runOnce()

        #expect(try await fixture.latestRun()?.status == .success)
        #expect(fixture.log.operations(.actionRun).map(\.state) == [.success, .success])
    }

    @Test
    func `ends actions that call themselves`() async throws {
        let fixture = try await fixture()
        fixture.scripts.answer("desk/create") { try await $0.call("triggerAction", "desk", "alice", "create") }

        let error = try await failure { _ = try await fixture.engine.actions.run(request(fixture)) }

        #expect(error.message.contains("5 deep"))
        #expect(fixture.scripts.begun.count == 6)
    }

    @Test
    func `starts and triggers syncs`() async throws {
        let fixture = try await fixture()
        try await fixture.engine.syncs.pause(fixture.selection)
        fixture.scripts.answer("desk/create") { run in
            try await run.call("triggerSync", "desk", "alice", ["name": "tickets"], ["reset": true])
            try await run.call("startSync", "desk", ["tickets"], "alice")
            return .null
        }

        _ = try await fixture.engine.actions.run(request(fixture))

        let sync = try await fixture.sync()
        #expect(sync.state == .started && sync.isRunRequested)
    }

    @Test
    func `holds a lock for one run of the environment and lets go of it at the run's end`() async throws {
        let fixture = try await fixture()
        let inside = Counter()
        let release = Counter()
        fixture.scripts.answer("desk/create") { run in
            let isFirst = run.invocation.input == "first"
            let isHeld = try await run.call("tryAcquireLock", ["key": "k", "ttlMs": 60_000])
            let again = try await run.call("tryAcquireLock", ["key": "k", "ttlMs": 60_000])
            if isFirst {
                inside.increment()
                try await release.reached(1)
            }
            return ["held": isHeld, "again": again]
        }

        async let first = fixture.engine.actions.run(request(fixture, input: "first"))
        try await inside.reached(1)
        let second = try await fixture.engine.actions.run(request(fixture))
        release.increment()
        let firstOutput = try await first
        let third = try await fixture.engine.actions.run(request(fixture))

        #expect(firstOutput == Array(#"{"held":true,"again":true}"#.utf8))
        #expect(second == Array(#"{"held":false,"again":false}"#.utf8))
        #expect(third == Array(#"{"held":true,"again":true}"#.utf8))
    }

    @Test
    func `lets go of a lock after its time, and only for who holds it`() {
        let clock = TestClock()
        let locks = ScriptLocks(clock: clock)
        let dev = EnvironmentScope(environmentID: 1)

        #expect(locks.acquire("k", in: dev, owner: "a", for: .seconds(5)))
        #expect(!locks.acquire("k", in: dev, owner: "b", for: .seconds(5)))
        #expect(locks.acquire("k", in: EnvironmentScope(environmentID: 2), owner: "b", for: .seconds(5)))
        #expect(!locks.release("k", in: dev, owner: "b"))
        clock.advance(by: .seconds(5))
        #expect(locks.acquire("k", in: dev, owner: "b", for: .seconds(5)))
        #expect(!locks.release("k", in: dev, owner: "a"))
        #expect(locks.release("k", in: dev, owner: "b"))
    }

    // MARK: The process of the script ends

    @Test
    func `begins a run anew that has sent nothing when its process ends`() async throws {
        let fixture = try await fixture()
        let tries = Counter()
        fixture.providers.answer { _, _ in ScriptResponse(status: 200, headers: [], body: []) }
        fixture.scripts.answer("desk/create") { run in
            tries.increment()
            _ = try await run.get("/tickets")
            if tries.count == 1 { throw ScriptRun.hostLost }
            return "done"
        }

        #expect(try await fixture.engine.actions.run(request(fixture)) == Array(#""done""#.utf8))
        #expect(tries.count == 2)
    }

    @Test(arguments: [ScriptRun.hostLost, ScriptRun.hostCrashed])
    func `does not repeat a run that has sent something when its process ends`(ending: TerapiError) async throws {
        let fixture = try await fixture()
        fixture.providers.answer { _, _ in ScriptResponse(status: 201, headers: [], body: []) }
        fixture.scripts.answer("desk/create") { run in
            try await run.post("/tickets")
            throw ending
        }

        let error = try await failure { _ = try await fixture.engine.actions.run(request(fixture)) }

        #expect(error.code == .outcomeUnknown)
        #expect(fixture.scripts.begun.count == 1)
    }

    @Test
    func `knows the end of a run that its own call has brought about`() async throws {
        let fixture = try await fixture()
        fixture.providers.answer { _, _ in ScriptResponse(status: 201, headers: [], body: []) }
        fixture.scripts.answer("desk/create") { run in
            try await run.post("/tickets")
            return try await run.call("saveCheckpoint", "no object")
        }

        let error = try await failure { _ = try await fixture.engine.actions.run(request(fixture)) }

        #expect(error.code == .scriptError)
    }

    @Test
    func `counts what a called action has sent as the caller's own`() async throws {
        let outer = ActionDefinition(integrationKey: "desk", name: "outer", code: "")
        let fixture = try await EngineFixture(actions: [Self.create, outer])
        fixture.providers.answer { _, _ in ScriptResponse(status: 201, headers: [], body: []) }
        fixture.scripts.answer("desk/create") { run in
            try await run.post("/tickets")
            return .null
        }
        fixture.scripts.answer("desk/outer") { run in
            try await run.call("triggerAction", "desk", "alice", "create")
            throw ScriptRun.hostLost
        }

        let error = try await failure { _ = try await fixture.engine.actions.run(request(fixture, name: "outer")) }

        #expect(error.code == .outcomeUnknown)
    }

    // MARK: Idempotency keys

    @Test
    func `answers the same to the same key without running again`() async throws {
        let fixture = try await fixture()
        let runs = Counter()
        fixture.scripts.answer("desk/create") { _ in
            runs.increment()
            return ["run": JSONValue(runs.count)]
        }

        let first = try await fixture.engine.actions.run(request(fixture, key: "k"))
        let again = try await fixture.engine.actions.run(request(fixture, key: "k"))
        let reused = try await failure {
            _ = try await fixture.engine.actions.run(request(fixture, input: "other", key: "k"))
        }
        let other = try await fixture.engine.actions.run(request(fixture, key: "k2"))

        #expect(first == Array(#"{"run":1}"#.utf8) && again == first)
        #expect(reused.code == .idempotencyKeyReused)
        #expect(other == Array(#"{"run":2}"#.utf8))
        fixture.clock.advance(by: .seconds(24 * 3600))
        #expect(try await fixture.engine.actions.run(request(fixture, key: "k")) == Array(#"{"run":3}"#.utf8))
    }

    @Test
    func `answers the same failure to the same key`() async throws {
        let fixture = try await fixture()
        fixture.scripts.answer("desk/create") { _ in throw ScriptRun.actionError(["reason": "full"]) }

        for _ in 1...2 {
            let error = try await failure { _ = try await fixture.engine.actions.run(request(fixture, key: "k")) }
            #expect(error.code == .actionScriptFailure && error.payload == ["reason": "full"])
        }
        #expect(fixture.scripts.begun.count == 1)
    }

    @Test
    func `sends one request to the provider for many callers with one key`() async throws {
        let fixture = try await fixture()
        let sent = Counter()
        fixture.providers.answer { _, _ in
            sent.increment()
            return ScriptResponse(status: 201, headers: [], body: [])
        }
        fixture.scripts.answer("desk/create") { run in
            try await run.post("/tickets")
            return "made"
        }
        let request = request(fixture, key: "k")

        let outcomes = await withTaskGroup(of: String.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    do {
                        return String(decoding: try await fixture.engine.actions.run(request), as: UTF8.self)
                    } catch {
                        return (error as? TerapiError)?.code.rawValue ?? "\(error)"
                    }
                }
            }
            return await group.reduce(into: Set<String>()) { $0.insert($1) }
        }

        #expect(sent.count == 1)
        #expect(outcomes.isSubset(of: [#""made""#, "idempotency_key_in_use"]))
        #expect(outcomes.contains(#""made""#))
    }

    @Test
    func `runs again after a crash what had sent nothing, and nothing else`() async throws {
        let fixture = try await fixture()
        fixture.providers.answer { _, _ in ScriptResponse(status: 201, headers: [], body: []) }
        let waiting = Counter()
        fixture.scripts.answer("desk/create") { run in
            if run.invocation.input == "send" { try await run.post("/tickets") }
            waiting.increment()
            guard waiting.count > 2 else {
                // It never comes to its end: the process dies here.
                try await fixture.clock.sleep(until: fixture.clock.now + .seconds(1_000_000))
                return .null
            }
            return "second"
        }
        let crash = Task {
            await withTaskGroup(of: Void.self) { group in
                for (input, key) in [("send", "sent"), ("read", "quiet")] {
                    group.addTask {
                        _ = try? await fixture.engine.actions.run(
                            request(fixture, input: .string(input), key: key))
                    }
                }
            }
        }
        try await waiting.reached(2)
        crash.cancel()
        await crash.value

        let next = try fixture.restarted()
        try await next.prepare()
        let sent = try await failure {
            _ = try await next.actions.run(request(fixture, input: "send", key: "sent"))
        }
        let quiet = try await next.actions.run(request(fixture, input: "read", key: "quiet"))

        #expect(sent.code == .outcomeUnknown)
        #expect(quiet == Array(#""second""#.utf8))
        #expect(waiting.count == 3)
    }

    @Test
    func `sends nothing that could not be noted before`() async throws {
        let fixture = try await fixture()
        let sent = Counter()
        fixture.providers.answer { _, _ in
            sent.increment()
            return ScriptResponse(status: 201, headers: [], body: [])
        }
        fixture.scripts.answer("desk/create") { run in
            fixture.database.isDown = true
            try await run.post("/tickets")
            return .null
        }

        let error = try await failure { _ = try await fixture.engine.actions.run(request(fixture, key: "k")) }

        #expect(error.code == .storageUnavailable)
        #expect(sent.count == 0)
    }

    // MARK: The queue

    @Test
    func `runs an action from the queue and tells of it by a webhook`() async throws {
        let fixture = try await fixture()
        fixture.scripts.answer("desk/create") { ["got": $0.invocation.input ?? .null] }

        let id = try await fixture.engine.actions.enqueue(request(fixture), maxRetries: 0)
        #expect(try await result(id, fixture) == "pending")
        #expect(try await fixture.engine.actionWorker.runOnce() == 1)

        #expect(try await result(id, fixture) == #"{"got":{"title":"a"}}"#)
        #expect(try await result("unknown", fixture) == "unknown")
        let event = try #require(try await fixture.events().first)
        #expect(
            event == [
                "from": "terapi", "type": "async_action", "connectionId": "alice", "providerConfigKey": "desk",
                "payload": ["id": .string(id), "statusUrl": .string("/action/\(id)")],
            ])
        #expect(fixture.log.operations(.actionRun).map(\.id) == [id])
    }

    @Test
    func `tells of no action by a webhook when nobody wants to know`() async throws {
        let fixture = try await EngineFixture(actions: [Self.create]) { $0.sendsActionCompletions = false }
        fixture.scripts.answer("desk/create") { _ in 1 }

        let id = try await fixture.engine.actions.enqueue(request(fixture), maxRetries: 0)
        try await fixture.engine.actionWorker.runOnce()

        #expect(try await result(id, fixture) == "1")
        #expect(try await fixture.events().isEmpty)
    }

    @Test
    func `runs many from the queue at the same time`() async throws {
        let fixture = try await fixture()
        let begun = Counter()
        fixture.scripts.answer("desk/create") { _ in
            begun.increment()
            // Each waits for all: one after the other would wait for ever.
            try await begun.reached(50)
            return .null
        }

        for _ in 1...50 { _ = try await fixture.engine.actions.enqueue(request(fixture), maxRetries: 0) }

        #expect(try await fixture.engine.actionWorker.runOnce() == 50)
    }

    @Test(arguments: [(0, 1), (2, 3)])
    func `tries again as often as the caller allows`(maxRetries: Int, tries: Int) async throws {
        let fixture = try await fixture()
        fixture.scripts.answer("desk/create") { _ in throw ScriptRun.actionError(["reason": "full"]) }

        let id = try await fixture.engine.actions.enqueue(request(fixture), maxRetries: maxRetries)
        for _ in 1...5 {
            try await fixture.engine.actionWorker.runOnce()
            fixture.clock.advance(by: .seconds(300))
        }

        #expect(fixture.scripts.begun.count == tries)
        #expect(try await result(id, fixture) == "action_script_failure")
        #expect(try await fixture.events().count == 1)
    }

    @Test
    func `picks up after a restart what waits, and repeats nothing that has sent something`() async throws {
        let fixture = try await fixture()
        fixture.providers.answer { _, _ in ScriptResponse(status: 201, headers: [], body: []) }
        let begun = Counter()
        let isSecondBoot = Counter()
        fixture.scripts.answer("desk/create") { run in
            if run.invocation.input == "send" { try await run.post("/tickets") }
            begun.increment()
            if isSecondBoot.count == 0 {
                try await fixture.clock.sleep(until: fixture.clock.now + .seconds(1_000_000))
            }
            return "done"
        }
        let sent = try await fixture.engine.actions.enqueue(request(fixture, input: "send"), maxRetries: 5)
        let quiet = try await fixture.engine.actions.enqueue(request(fixture, input: "read"), maxRetries: 0)
        let crash = Task { _ = try? await fixture.engine.actionWorker.runOnce() }
        try await begun.reached(2)
        let waiting = try await fixture.engine.actions.enqueue(request(fixture, input: "read"), maxRetries: 0)
        // Nothing more is claimed by a worker whose task is cancelled.
        crash.cancel()
        await crash.value
        isSecondBoot.increment()

        let next = try fixture.restarted()
        try await next.prepare()
        try await next.actionWorker.runOnce()

        #expect(try await result(sent, fixture, next) == "outcome_unknown")
        #expect(try await result(quiet, fixture, next) == #""done""#)
        #expect(try await result(waiting, fixture, next) == #""done""#)
        #expect(begun.count == 4)
        #expect(fixture.log.operations(.actionRun).first { $0.id == sent }?.state == .failed)
        #expect(try await fixture.events().count == 3)
    }

    @Test
    func `calls the end of an action without a key unknown when it was cut off after it sent something`() async throws {
        let fixture = try await fixture()
        fixture.providers.answer { _, _ in ScriptResponse(status: 201, headers: [], body: []) }
        let begun = Counter()
        fixture.scripts.answer("desk/create") { run in
            if run.invocation.input != "read" { try await run.post("/tickets") }
            if run.invocation.input == "fail" { throw ScriptRun.actionError(["reason": "full"]) }
            guard run.invocation.input != "end" else { return 1 }
            begun.increment()
            try await fixture.clock.sleep(until: fixture.clock.now + .seconds(1_000_000))
            return .null
        }
        // Those that come to their end leave nothing behind.
        _ = try await fixture.engine.actions.run(request(fixture, input: "end"))
        _ = try await failure { _ = try await fixture.engine.actions.run(request(fixture, input: "fail")) }
        #expect(try await fixture.storage.interruptedActions(notOwnedBy: "").isEmpty)
        let calls = ["send", "read"].map { input in
            Task { try await fixture.engine.actions.run(request(fixture, input: .string(input))) }
        }
        try await begun.reached(2)
        // As a crash leaves it: nobody has ended the run.
        let left = try await fixture.storage.interruptedActions(notOwnedBy: "")
        #expect(left.count == 1 && left.first?.hasSent == true)
        for call in calls {
            call.cancel()
            _ = try? await call.value
        }

        try await fixture.restarted().prepare()

        let operation = try #require(fixture.log.operations(.actionRun).first { $0.id == left.first?.id })
        #expect(operation.state == .failed)
        let reasons = fixture.log.messages.filter { $0.operationID == operation.id }.map(\.message)
        #expect(reasons.contains { $0.contains("after the script had sent a request") })
        #expect(try await fixture.storage.interruptedActions(notOwnedBy: "").isEmpty)
    }

    @Test
    func `gives the same id for the same key`() async throws {
        let fixture = try await fixture()
        fixture.scripts.answer("desk/create") { _ in 1 }

        let first = try await fixture.engine.actions.enqueue(request(fixture, key: "k"), maxRetries: 0)
        let again = try await fixture.engine.actions.enqueue(request(fixture, key: "k"), maxRetries: 0)
        let reused = try await failure { _ = try await fixture.engine.actions.run(request(fixture, key: "k")) }
        try await fixture.engine.actionWorker.runOnce()

        #expect(again == first)
        #expect(reused.code == .idempotencyKeyReused)
        #expect(fixture.scripts.begun.count == 1)
    }

    @Test
    func `works as a service from the ring to the end`() async throws {
        let fixture = try await fixture()
        let done = Counter()
        fixture.scripts.answer("desk/create") { _ in
            done.increment()
            return .null
        }
        let worker = Task { try await fixture.engine.actionWorker.run() }

        for count in 1...3 {
            _ = try await fixture.engine.actions.enqueue(request(fixture), maxRetries: 0)
            try await done.reached(count)
        }
        worker.cancel()
        try await worker.value
    }

    // MARK: Admission

    @Test
    func `lets so many in at once, the others in their turn, and nobody wait for ever`() async throws {
        let clock = TestClock()
        let admission = Admission(limit: 1, patience: .seconds(30), clock: clock)
        let inside = Counter()
        let release = Counter()
        let first = Task {
            try await admission.admit(1) {
                inside.increment()
                try await release.reached(1)
            }
        }
        try await inside.reached(1)
        try await admission.admit(2) { inside.increment() }
        let late = Task { try await admission.admit(1) { inside.increment() } }
        await clock.untilSomeoneSleeps(for: .seconds(30))
        clock.advance(by: .seconds(30))
        let error = try await failure { try await late.value }
        #expect(error.code == .tooManyRequests)

        let patient = Task { try await admission.admit(1) { inside.increment() } }
        await clock.untilSomeoneSleeps(for: .seconds(30))
        release.increment()
        try await first.value
        try await patient.value

        #expect(inside.count == 3)
        try await admission.admit(1) { inside.increment() }
    }
}
