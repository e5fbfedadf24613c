import Synchronization
import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

/// What the engine does with credentials that are no OAuth 2 tokens.
@Suite(.timeLimit(.minutes(1)))
struct AuthModeTests {
    private func store(
        _ credentials: Credentials,
        in fixture: EngineFixture,
        provider: String = "keyed"
    ) async throws -> (Connection, Integration) {
        let integration = try await fixture.storage.createIntegration(
            Integration(
                scope: fixture.scope, key: provider, provider: provider, displayName: provider,
                createdAt: fixture.clock.now, updatedAt: fixture.clock.now
            )
        )
        let connection = try await fixture.storage.save(
            Connection(
                scope: fixture.scope, integrationID: integration.id, connectionID: "bob", integrationKey: provider,
                provider: provider, createdAt: fixture.clock.now, updatedAt: fixture.clock.now
            ),
            replacing: .any, credentials: credentials, syncs: [], now: fixture.clock.now, event: { _, _ in nil },
            scripts: { _ in nil }
        )
        return (connection, integration)
    }

    private func ask(
        _ fixture: EngineFixture,
        _ connection: Connection,
        _ integration: Integration,
        force: Bool = false,
        stale: Int64? = nil
    ) async throws -> (credentials: Credentials, generation: Int64) {
        try await fixture.engine.credentials.credentials(
            of: connection, integration: integration, forceRefresh: force, staleGeneration: stale
        )
    }

    private func refusal(_ body: () async throws -> Void) async -> TerapiError.Code? {
        await #expect(throws: TerapiError.self) { try await body() }?.code
    }

    private static let unauthorized = TerapiError(
        .connectionTestFailed, "It answered 401.", payload: ["status": 401]
    )

    // MARK: Keys

    @Test
    func `a key is not verified at every use, and once a day in the background`() async throws {
        let fixture = try await EngineFixture()
        let (connection, integration) = try await store(.apiKey(Secret("key-1")), in: fixture)
        let asked = Counter()

        fixture.providers.duringNextVerification { asked.increment() }
        _ = try await ask(fixture, connection, integration)
        try await fixture.engine.credentialRefresher.runOnce()
        #expect(asked.count == 0)

        fixture.clock.advance(by: .seconds(86_401))
        try await fixture.engine.credentialRefresher.runOnce()
        #expect(asked.count == 1)

        fixture.providers.duringNextVerification { asked.increment() }
        try await fixture.engine.credentialRefresher.runOnce()
        #expect(asked.count == 1)
        // Whoever asks for it gets it at once.
        #expect(try await ask(fixture, connection, integration, force: true).generation == 1)
        #expect(asked.count == 2)
    }

    @Test
    func `a key that is refused twice, a minute apart, is given up with one webhook, and may come back`() async throws {
        let fixture = try await EngineFixture()
        let (connection, integration) = try await store(.apiKey(Secret("key-1")), in: fixture)
        fixture.providers.failVerification(Self.unauthorized)

        #expect(
            await refusal { _ = try await ask(fixture, connection, integration, force: true) }
                == .refreshTokenExternalError
        )
        #expect(try await ask(fixture, connection, integration).generation == 1)
        #expect(try await fixture.events().isEmpty)

        fixture.clock.advance(by: .seconds(61))
        try await fixture.engine.credentialRefresher.runOnce()
        #expect(await refusal { _ = try await ask(fixture, connection, integration) } == .connectionRefreshExhausted)
        let events = try await fixture.events()
        #expect(events.map { $0["operation"] } == ["refresh"])
        #expect(events.first?["authMode"] == "API_KEY" && events.first?["success"] == false)

        fixture.providers.failVerification(nil)
        _ = try await ask(fixture, connection, integration, force: true)
        #expect(try await ask(fixture, connection, integration).credentials == .apiKey(Secret("key-1")))
        #expect(!fixture.log.text.contains("key-1"))
    }

    @Test(arguments: [
        TerapiError(.connectionTestFailed, "It answered 500.", payload: ["status": 500]),
        TerapiError(.connectionTestFailed, "It answered 404.", payload: ["status": 404]),
        TerapiError(.connectionTestFailed, "It could not be reached."),
    ])
    func `nothing but a clear refusal speaks against a key`(problem: TerapiError) async throws {
        let fixture = try await EngineFixture()
        let (connection, integration) = try await store(.apiKey(Secret("key-1")), in: fixture)
        fixture.providers.failVerification(problem)

        for _ in 0..<5 {
            fixture.clock.advance(by: .seconds(86_401))
            try await fixture.engine.credentialRefresher.runOnce()
        }

        #expect(try await ask(fixture, connection, integration).generation == 1)
        #expect(try await fixture.events().isEmpty)
    }

    // MARK: Tokens that are got for what was entered

    private func derived(_ fixture: EngineFixture, token: String = "tok-1", life: Int64 = 3600) -> DerivedCredentials {
        DerivedCredentials(
            mode: .oauth2ClientCredentials, given: ["client_id": "c", "client_secret": "sec-1"],
            issued: ["token": .string(token)], issuedAt: fixture.clock.now,
            expiresAt: fixture.clock.now + .seconds(life)
        )
    }

    @Test
    func `is got again when it ends, and when it is refused`() async throws {
        let fixture = try await EngineFixture()
        let (connection, integration) = try await store(.derived(derived(fixture)), in: fixture, provider: "machine")

        #expect(try await ask(fixture, connection, integration).generation == 1)
        fixture.clock.advance(by: .seconds(3601))
        let (renewed, generation) = try await ask(fixture, connection, integration)
        #expect(generation == 2)
        guard case .derived(let second) = renewed else { return }
        #expect(second.token == Secret("issued-1") && second.given["client_secret"] == "sec-1")
        #expect(try await ask(fixture, connection, integration, stale: 2).generation == 3)
        #expect(!fixture.log.text.contains("sec-1") && !fixture.log.text.contains("issued-1"))
    }

    @Test
    func `is asked for again at once when an answer was lost, because nothing was used up`() async throws {
        let fixture = try await EngineFixture()
        let (connection, integration) = try await store(.derived(derived(fixture)), in: fixture, provider: "machine")
        fixture.clock.advance(by: .seconds(3601))
        fixture.providers.failIssue(.unknown(TerapiError(.providerUnreachable, "No answer.")))

        #expect(await refusal { _ = try await ask(fixture, connection, integration) } == .refreshTokenExternalError)
        fixture.clock.advance(by: .seconds(2))

        #expect(try await ask(fixture, connection, integration).generation == 2)
    }

    @Test
    func `a connection is made with its token, and the form is checked before anything is sent`() async throws {
        let fixture = try await EngineFixture()
        let (_, integration) = try await store(.derived(derived(fixture)), in: fixture, provider: "machine")
        let session = try await fixture.session()
        func connect(_ given: JSONObject) async throws -> Connection {
            try await fixture.engine.connector.connect(
                session: session, integrationKey: integration.key, connectionID: nil, config: [:],
                credentials: .derived(DerivedCredentials(mode: .oauth2ClientCredentials, given: given))
            )
        }

        let connection = try await connect(["client_id": "c", "client_secret": "sec-1"])
        let stored = try await fixture.storage.credentials(row: connection.id)

        guard case .derived(let kept) = stored?.credentials else {
            Issue.record("not stored")
            return
        }
        #expect(kept.token == Secret("issued-1"))
        let count = fixture.providers.issueCount
        let error = await #expect(throws: TerapiError.self) {
            try await connect(["client_id": "c", "clientsecret": "x"])
        }
        #expect(Set(error?.issues.map(\.path) ?? []) == [["clientsecret"], ["client_secret"]])
        #expect(fixture.providers.issueCount == count)
        // Credentials of another mode do not get through either.
        #expect(
            await refusal {
                _ = try await fixture.engine.connector.connect(
                    session: session, integrationKey: integration.key, connectionID: nil, config: [:],
                    credentials: .apiKey(Secret("k"))
                )
            } == .invalidBody
        )
    }

    @Test
    func `an authorization gets its notes back at its end`() async throws {
        let fixture = try await EngineFixture()
        let redirect = try await fixture.engine.connector.begin(
            ConnectStart(session: try await fixture.session(), integrationKey: "desk")
        )

        _ = await fixture.engine.connector.finish(
            integrationKey: "desk", query: ["state": redirect.state, "code": "good"],
            browserSecret: redirect.browserSecret.reveal()
        )

        #expect(fixture.providers.exchanges.first?.notes.requestToken == Secret("note-1"))
    }
}
