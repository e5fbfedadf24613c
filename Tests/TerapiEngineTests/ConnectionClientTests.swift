import Synchronization
import TerapiCore
import Testing

@testable import TerapiEngine

@Suite(.timeLimit(.minutes(1)))
struct ConnectionClientTests {
    @Test
    func `refreshes once when the provider refuses the token, and sends again`() async throws {
        let fixture = try await EngineFixture()
        let requests = Counter()
        fixture.providers.answer { _, access in
            requests.increment()
            guard case .oauth2(let oauth) = access.credentials else { return response(500) }
            return response(oauth.accessToken.reveal() == "access-2" ? 200 : 401)
        }
        #expect(try await client(fixture).send(request, metadata: nil).status == 200)
        #expect(requests.count == 2)
        #expect(fixture.providers.tokens.calls == 1)
    }

    @Test
    func `hands a second refusal to the script`() async throws {
        let fixture = try await EngineFixture()
        let requests = Counter()
        fixture.providers.answer { _, _ in
            requests.increment()
            return response(401)
        }
        #expect(try await client(fixture).send(request, metadata: nil).status == 401)
        #expect(requests.count == 2)
        #expect(fixture.providers.tokens.calls == 1)
    }

    @Test
    func `refreshes once for many requests that are refused at the same time`() async throws {
        let fixture = try await EngineFixture()
        fixture.providers.answer { _, access in
            guard case .oauth2(let oauth) = access.credentials else { return response(500) }
            return response(oauth.accessToken.reveal() == "access-1" ? 401 : 200)
        }
        let client = client(fixture)
        let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<50 { group.addTask { try await client.send(request, metadata: nil).status } }
            return try await group.reduce(into: [Int]()) { $0.append($1) }
        }
        #expect(statuses == Array(repeating: 200, count: 50))
        #expect(fixture.providers.tokens.calls == 1)
        #expect(!fixture.providers.tokens.isRevoked("alice"))
    }

    @Test(arguments: [("30", 30), (nil, 3)] as [(String?, Int64)])
    func `a limit pauses every request of the connection and no other's`(retryAfter: String?, seconds: Int64)
        async throws
    {
        let fixture = try await EngineFixture()
        let other = try await EngineFixture.connect(
            "bob",
            integration: fixture.integration,
            storage: fixture.storage,
            syncs: [],
            now: fixture.clock.now
        )
        let arrived = Counter()
        let isLimited = Mutex(true)
        fixture.providers.answer { _, access in
            arrived.increment()
            guard access.connectionID == "alice", isLimited.withLock({ $0 }) else { return response(200) }
            return response(429, retryAfter.map { [("retry-after", $0)] } ?? [])
        }
        let gate = ConnectionGate(clock: fixture.clock)
        let first = Task { try await client(fixture, gate: gate).send(request, metadata: nil).status }
        await fixture.clock.untilSomeoneSleeps(for: .seconds(seconds))
        // Another run of the same connection, with a client of its own.
        let second = Task { try await client(fixture, gate: gate).send(request, metadata: nil).status }
        await fixture.clock.untilSleepers { $0.count == 2 }
        #expect(arrived.count == 1)
        #expect(try await client(fixture, of: other, gate: gate).send(request, metadata: nil).status == 200)
        #expect(arrived.count == 2)

        isLimited.withLock { $0 = false }
        fixture.clock.advance(by: .seconds(seconds) - .microseconds(1))
        for _ in 0..<100 { await Task.yield() }
        #expect(arrived.count == 2)
        fixture.clock.advance(by: .microseconds(1))
        #expect(try await first.value == 200)
        #expect(try await second.value == 200)
        #expect(arrived.count == 4)
    }

    @Test
    func `does not wait longer than a quarter of an hour`() async throws {
        let fixture = try await EngineFixture()
        fixture.providers.answer { _, _ in response(429, [("retry-after", "901")]) }
        #expect(try await client(fixture).send(request, metadata: nil).status == 429)
    }

    @Test
    func `gives up after eight waits more than the script allows`() async throws {
        let fixture = try await EngineFixture()
        let arrived = Counter()
        fixture.providers.answer { _, _ in
            arrived.increment()
            return response(429, [("retry-after", "1")])
        }
        let sending = Task { try await client(fixture).send(request, metadata: nil).status }
        for attempt in 1...8 {
            try await arrived.reached(attempt)
            await fixture.clock.untilSomeoneSleeps(for: .seconds(1))
            fixture.clock.advance(by: .seconds(1))
        }
        #expect(try await sending.value == 429)
        #expect(arrived.count == 9)
    }

    @Test
    func `sends again only what cannot have had an effect, and names the request`() async throws {
        let fixture = try await EngineFixture()
        let arrived = Counter()
        fixture.providers.answer { _, _ in
            arrived.increment()
            throw TerapiError(.providerUnreachable, "The connection was reset.")
        }
        var posting = request
        posting.method = "POST"
        posting.retries = 5
        let refused = posting
        let error = await expect(.providerUnreachable) { try await client(fixture).send(refused, metadata: nil) }
        #expect(error?.message == "POST /tickets: The connection was reset.")
        #expect(arrived.count == 1)
        let getting = Task { try await client(fixture).send(request, metadata: nil) }
        for attempt in 1...2 {
            await fixture.clock.untilSomeoneSleeps(for: .seconds(1 << attempt))
            fixture.clock.advance(by: .seconds(1 << attempt))
        }
        await expect(.providerUnreachable) { try await getting.value }
        #expect(arrived.count == 4)
    }

    @Test
    func `gives a wait up when the run is cancelled`() async throws {
        let fixture = try await EngineFixture()
        fixture.providers.answer { _, _ in response(429, [("retry-after", "30")]) }
        let sending = Task { try await client(fixture).send(request, metadata: nil) }
        await fixture.clock.untilSomeoneSleeps(for: .seconds(30))
        sending.cancel()
        await #expect(throws: CancellationError.self) { try await sending.value }
    }

    @Test
    func `a limit in a run does not fail it`() async throws {
        let fixture = try await EngineFixture()
        let isLimited = Mutex(true)
        fixture.providers.answer { _, _ in
            isLimited.withLock { isLimited in
                defer { isLimited = false }
                return isLimited ? response(429, [("retry-after", "5")]) : response(200)
            }
        }
        fixture.scripts.set { run in
            #expect(try await run.get("/tickets").status == 200)
            try await run.save([1])
        }
        let run = Task { try await fixture.engine.syncWorker.runOnce() }
        await fixture.clock.untilSomeoneSleeps(for: .seconds(5))
        fixture.clock.advance(by: .seconds(5))
        _ = try await run.value
        #expect(try await fixture.latestRun()?.status == .success)
        #expect(fixture.log.text.contains("GET /tickets: status 429; attempt 1, trying again in 5 s."))
    }

    private var request: ScriptRequest { ScriptRequest(method: "GET", endpoint: "/tickets") }

    private func client(
        _ fixture: EngineFixture,
        of connection: Connection? = nil,
        gate: ConnectionGate? = nil
    ) -> ConnectionClient {
        ConnectionClient(
            connection: connection ?? fixture.connection,
            integration: fixture.integration,
            providers: fixture.providers,
            credentials: fixture.engine.credentials,
            gate: gate ?? ConnectionGate(clock: fixture.clock),
            clock: fixture.clock,
            log: OperationLog(
                LogOperation(scope: fixture.scope, kind: .syncRun, message: "run", createdAt: fixture.clock.now),
                sink: fixture.log,
                clock: fixture.clock
            )
        )
    }
}

private func response(_ status: Int, _ headers: [(name: String, value: String)] = []) -> ScriptResponse {
    ScriptResponse(status: status, headers: headers, body: [])
}
