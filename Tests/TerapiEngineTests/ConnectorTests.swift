import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

@Suite(.timeLimit(.minutes(1)))
struct ConnectorTests {
    @Test
    func `connects an end user through a browser`() async throws {
        let fixture = try await EngineFixture()
        let session = try await fixture.session(user: "u-1") { $0.tags = ["team": "red"] }
        let redirect = try await begin(fixture, session)
        #expect(redirect.url.contains(".example/authorize?state="))
        let result = await finish(fixture, redirect)
        let id = try connectionID(result)
        #expect(result.attemptID == redirect.attemptID)

        let connection = try #require(
            try await fixture.storage.connection(id, integrationKey: "desk", in: fixture.scope)
        )
        #expect(connection.endUser?.id == "u-1")
        #expect(connection.tags == ["team": "red"])
        #expect(connection.config == ["account": "a-1"])
        #expect(try await fixture.storage.syncs(connectionID: connection.id).map(\.name) == ["tickets"])
        let attempt = try await fixture.storage.attempt(
            redirect.attemptID,
            sessionRow: session.id,
            now: fixture.clock.now
        )
        #expect(attempt?.state == .success(connectionID: id))

        let exchange = try #require(fixture.providers.exchanges.first)
        #expect(exchange.redirectURI == "https://terapi.example/oauth/callback/desk")
        #expect((43...128).contains(exchange.codeVerifier?.reveal().utf8.count ?? 0))
        let events = try await fixture.events()
        #expect(events.count == 1)
        #expect(events.first?["operation"] == "creation")
        #expect(events.first?["success"] == true)
        #expect(events.first?["tags"] == ["team": "red"])
        #expect(events.first?["endUser"]?["endUserId"] == "u-1")
        #expect(events.first?["environment"] == "dev")
        #expect(fixture.log.operations(.createConnection).map(\.state) == [.success])
        for secret in ["access-1", "refresh-1"] { #expect(!fixture.log.text.contains(secret)) }
    }

    @Test
    func `an end user cannot choose by what webhooks find a connection, the team can`() async throws {
        let fixture = try await EngineFixture()
        var rule = ProviderWebhookRule()
        rule.routes = [.init(value: nil, match: .field("workspace"))]
        let session = try await fixture.session()
        var start = ConnectStart(session: session, integrationKey: "desk")
        start.config = ["workspace": "somebody-else", "region": "eu"]

        let control = try await fixture.engine.connector.begin(start)
        #expect(try await config(fixture, control) == ["workspace": "somebody-else", "region": "eu", "account": "a-1"])

        fixture.providers.setWebhook(rule)
        await expect(.invalidBody) { _ = try await fixture.engine.connector.begin(start) }

        start.config = ["region": "eu"]
        start.session.defaults["desk"] = .init(connectionConfig: ["workspace": "w-1"])
        let given = try await fixture.engine.connector.begin(start)
        #expect(try await config(fixture, given) == ["region": "eu", "workspace": "w-1", "account": "a-1"])
    }

    private func config(_ fixture: EngineFixture, _ redirect: ConnectRedirect) async throws -> JSONObject {
        let id = try connectionID(await finish(fixture, redirect))
        return try #require(
            try await fixture.storage.connection(id, integrationKey: "desk", in: fixture.scope)
        ).config
    }

    @Test
    func `takes a state once`() async throws {
        let fixture = try await EngineFixture()
        let redirect = try await begin(fixture, try await fixture.session())
        #expect(try connectionID(await finish(fixture, redirect)).isEmpty == false)
        #expect(failure(await finish(fixture, redirect)) == "state_err")
        #expect(fixture.providers.exchanges.count == 1)
    }

    @Test
    func `lets only one of many that return at once through`() async throws {
        let fixture = try await EngineFixture()
        let redirect = try await begin(fixture, try await fixture.session())
        let failures = await withTaskGroup(of: String?.self) { group in
            for _ in 0..<20 { group.addTask { failure(await finish(fixture, redirect)) } }
            return await group.reduce(into: [String?]()) { $0.append($1) }
        }
        #expect(failures.filter { $0 == nil }.count == 1)
        #expect(failures.filter { $0 == "state_err" }.count == 19)
        #expect(fixture.providers.exchanges.count == 1)
    }

    @Test(arguments: [nil, "", "another", String(repeating: "0", count: 64)])
    func `refuses another browser, and uses the state up`(secret: String?) async throws {
        let fixture = try await EngineFixture()
        let redirect = try await begin(fixture, try await fixture.session())
        let result = await fixture.engine.connector.finish(
            integrationKey: "desk",
            query: ["state": redirect.state, "code": "good"],
            browserSecret: secret
        )
        #expect(failure(result) == "state_cookie_err")
        #expect(failure(await finish(fixture, redirect)) == "state_err")
        #expect(fixture.providers.exchanges.isEmpty)
    }

    @Test(arguments: [600, 601, 86_400])
    func `refuses a return after ten minutes`(seconds: Int) async throws {
        let fixture = try await EngineFixture()
        let redirect = try await begin(fixture, try await fixture.session())
        fixture.clock.advance(by: .seconds(seconds))
        #expect(failure(await finish(fixture, redirect)) == "state_err")
        #expect(fixture.providers.exchanges.isEmpty)
    }

    @Test
    func `takes a return just before ten minutes have passed`() async throws {
        let fixture = try await EngineFixture()
        let redirect = try await begin(fixture, try await fixture.session())
        fixture.clock.advance(by: .seconds(599))
        #expect(failure(await finish(fixture, redirect)) == nil)
    }

    @Test
    func `refuses the callback of another integration, and takes the bare one`() async throws {
        let fixture = try await EngineFixture()
        let first = try await begin(fixture, try await fixture.session())
        #expect(failure(await finish(fixture, first, integrationKey: "phone")) == "state_err")
        #expect(fixture.providers.exchanges.isEmpty)
        let second = try await begin(fixture, try await fixture.session())
        #expect(failure(await finish(fixture, second, integrationKey: nil)) == nil)
    }

    @Test(arguments: [[:], ["state": ""], ["state": "x"], ["code": "good"]] as [[String: String]])
    func `refuses a return without a state that it gave out`(query: [String: String]) async throws {
        let fixture = try await EngineFixture()
        _ = try await begin(fixture, try await fixture.session())
        let result = await fixture.engine.connector.finish(integrationKey: "desk", query: query, browserSecret: "x")
        #expect(failure(result) == "state_err")
    }

    @Test(
        arguments: [
            (["error": "access_denied"], "callback_err", "The access was not allowed."),
            (["error": "server_error", "error_description": "try later"], "callback_err", "try later"),
            ([:], "callback_err", "no authorization code"),
            (["code": "bad"], "token_err", "The code is not valid."),
        ] as [([String: String], String, String)])
    func `tells how an authorization failed`(query: [String: String], type: String, text: String) async throws {
        let fixture = try await EngineFixture()
        let session = try await fixture.session()
        let redirect = try await begin(fixture, session)
        let result = await finish(fixture, redirect, query: query)
        guard case .failure(let found, let message) = result.outcome else {
            Issue.record("It did not fail.")
            return
        }
        #expect(found == type)
        #expect(message.contains(text))
        let attempt = try await fixture.storage.attempt(
            redirect.attemptID,
            sessionRow: session.id,
            now: fixture.clock.now
        )
        #expect(attempt?.state == .failure(type: found, message: message))
        #expect(fixture.log.operations(.createConnection).map(\.state) == [.failed])
        #expect(try await fixture.events().isEmpty)
    }

    @Test
    func `makes no connection with credentials that do not work`() async throws {
        let fixture = try await EngineFixture()
        fixture.providers.failVerification(TerapiError(.connectionTestFailed, "The provider answered 401."))
        let redirect = try await begin(fixture, try await fixture.session(), id: "wished")
        #expect(failure(await finish(fixture, redirect)) == "connection_test_failed")
        #expect(try await fixture.storage.connection("wished", integrationKey: "desk", in: fixture.scope) == nil)
        #expect(try await fixture.events().isEmpty)
    }

    // MARK: Ids

    @Test
    func `takes a wished id that is free or already this end user's`() async throws {
        let fixture = try await EngineFixture()
        let session = try await fixture.session(user: "u-1")
        let first = try await begin(fixture, session, id: "mine")
        #expect(try connectionID(await finish(fixture, first)) == "mine")
        let again = try await begin(fixture, try await fixture.session(user: "u-1"), id: "mine")
        #expect(try connectionID(await finish(fixture, again)) == "mine")
        await expect(.invalidBody) { try await begin(fixture, try await fixture.session(user: "u-2"), id: "mine") }
        await expect(.invalidBody) { try await begin(fixture, try await fixture.session(user: nil), id: "mine") }
        // Imported by the team, for nobody in particular: no end user may take it over.
        await expect(.invalidBody) { try await begin(fixture, try await fixture.session(user: "u-1"), id: "alice") }
    }

    @Test
    func `does not let a second end user take an id that was free when both began`() async throws {
        let fixture = try await EngineFixture()
        let mine = try await begin(fixture, try await fixture.session(user: "u-1"), id: "wished")
        let theirs = try await begin(fixture, try await fixture.session(user: "u-2"), id: "wished")
        #expect(try connectionID(await finish(fixture, mine)) == "wished")
        #expect(failure(await finish(fixture, theirs)) == "token_err")
        let connection = try await fixture.storage.connection("wished", integrationKey: "desk", in: fixture.scope)
        #expect(connection?.endUser?.id == "u-1")
    }

    @Test
    func `does not let a second end user take an id that was free until just before the save`() async throws {
        let fixture = try await EngineFixture()
        let mine = try await begin(fixture, try await fixture.session(user: "u-1"), id: "wished")
        let theirs = try await begin(fixture, try await fixture.session(user: "u-2"), id: "wished")
        // The last step before the save is the test of the credentials: the other one is faster by just that.
        fixture.providers.duringNextVerification {
            let id = try connectionID(await finish(fixture, mine))
            #expect(id == "wished")
        }
        #expect(failure(await finish(fixture, theirs)) == "token_err")
        let connection = try #require(
            try await fixture.storage.connection("wished", integrationKey: "desk", in: fixture.scope)
        )
        #expect(connection.endUser?.id == "u-1")
        #expect(try await fixture.storage.credentials(row: connection.id)?.generation == 1)
    }

    @Test
    func `gives an id of its own where none is wished`() async throws {
        let fixture = try await EngineFixture()
        let session = try await fixture.session()
        let ids = [
            try connectionID(await finish(fixture, try await begin(fixture, session))),
            try connectionID(await finish(fixture, try await begin(fixture, session))),
        ]
        #expect(Set(ids).count == 2)
    }

    @Test
    func `keeps to the id that the session names`() async throws {
        let fixture = try await EngineFixture()
        let session = try await fixture.session { $0.connectionID = "named" }
        await expect(.invalidBody) { try await begin(fixture, session, id: "another") }
        #expect(try connectionID(await finish(fixture, try await begin(fixture, session, id: "named"))) == "named")
    }

    @Test
    func `a reconnect keeps the connection, its syncs and its records`() async throws {
        let fixture = try await EngineFixture()
        fixture.scripts.set { run in
            try await run.save(1...3)
            try await run.call("saveCheckpoint", ["page": 1])
        }
        try await fixture.engine.syncWorker.runOnce()
        let before = try await fixture.sync()
        let session = try await fixture.session {
            $0.connectionID = "alice"
            $0.isReconnect = true
        }
        #expect(try connectionID(await finish(fixture, try await begin(fixture, session))) == "alice")
        let connection = try #require(
            try await fixture.storage.connection("alice", integrationKey: "desk", in: fixture.scope)
        )
        #expect(connection.id == fixture.connection.id)
        #expect(try await fixture.sync() == before)
        #expect(try await fixture.recordList().count == 3)
        #expect(try await fixture.storage.credentials(row: connection.id)?.generation == 2)
        #expect(try await fixture.events().contains { $0["operation"] == "override" })
    }

    @Test
    func `a reconnect heals a connection whose grant was given up`() async throws {
        let fixture = try await EngineFixture()
        _ = try await fixture.storage.condemn(
            row: fixture.connection.id,
            generation: 1,
            operationID: "o",
            event: nil,
            now: fixture.clock.now
        )
        await expect(.connectionRefreshExhausted) { try await fixture.token() }
        let session = try await fixture.session {
            $0.connectionID = "alice"
            $0.isReconnect = true
        }
        _ = await finish(fixture, try await begin(fixture, session))
        #expect(try await fixture.token().token == "access-1")
        #expect(try await fixture.storage.connection(row: fixture.connection.id)?.errors.isEmpty == true)
    }

    // MARK: Sessions

    @Test
    func `connects only what the session allows`() async throws {
        let fixture = try await EngineFixture()
        let session = try await fixture.session { $0.allowedIntegrations = ["phone"] }
        await expect(.unknownProviderConfig) { try await begin(fixture, session) }
        await expect(.unknownProviderConfig) {
            try await fixture.engine.connector.begin(ConnectStart(session: session, integrationKey: "phone"))
        }
    }

    @Test
    func `refuses to end what was begun in a session that is gone`() async throws {
        let fixture = try await EngineFixture()
        let session = try await fixture.session()
        let redirect = try await begin(fixture, session)
        try await fixture.storage.deleteSession(row: session.id)
        #expect(failure(await finish(fixture, redirect)) == "state_err")
        #expect(fixture.providers.exchanges.isEmpty)
    }

    @Test
    func `refuses credentials of another kind than the provider's`() async throws {
        let fixture = try await EngineFixture()
        let session = try await fixture.session()
        await expect(.invalidBody) {
            try await fixture.engine.connector.connect(
                session: session,
                integrationKey: "desk",
                connectionID: nil,
                config: [:],
                credentials: .apiKey(Secret("key"))
            )
        }
        await expect(.invalidBody) {
            try await fixture.engine.connector.importConnection(
                fixture.connection,
                credentials: .basic(username: "u", password: Secret("p"))
            )
        }
    }

    @Test
    func `makes no two states, attempts or browser secrets alike`() async throws {
        let fixture = try await EngineFixture()
        let session = try await fixture.session()
        var seen: Set<String> = []
        for _ in 0..<50 {
            let redirect = try await begin(fixture, session)
            seen.formUnion([redirect.state, redirect.attemptID, redirect.browserSecret.reveal()])
            #expect(redirect.state.utf8.count == 64)
        }
        #expect(seen.count == 150)
    }
}

@discardableResult
private func begin(
    _ fixture: EngineFixture,
    _ session: ConnectSession,
    id: String? = nil
) async throws -> ConnectRedirect {
    try await fixture.engine.connector.begin(
        ConnectStart(session: session, integrationKey: "desk", connectionID: id)
    )
}

/// The browser comes back, with everything in order unless said otherwise.
private func finish(
    _ fixture: EngineFixture,
    _ redirect: ConnectRedirect,
    integrationKey: String? = "desk",
    query: [String: String] = ["code": "good"]
) async -> ConnectResult {
    await fixture.engine.connector.finish(
        integrationKey: integrationKey,
        query: query.merging(["state": redirect.state]) { $1 },
        browserSecret: redirect.browserSecret.reveal()
    )
}

private func failure(_ result: ConnectResult) -> String? {
    if case .failure(let type, _) = result.outcome { type } else { nil }
}

private func connectionID(_ result: ConnectResult) throws -> String {
    switch result.outcome {
    case .success(let id): return id
    case .failure(let type, let message): throw TerapiError(.serverError, "\(type): \(message)")
    }
}

extension ConnectRedirect {
    fileprivate var state: String { url.split(separator: "state=").last.map(String.init) ?? "" }
}

extension EngineFixture {
    func session(
        user: String? = "u-1",
        change: (inout ConnectSession) -> Void = { _ in }
    ) async throws -> ConnectSession {
        var session = ConnectSession(
            scope: scope,
            endUser: user.map { EndUser(id: $0) },
            expiresAt: clock.now + .seconds(1800)
        )
        change(&session)
        return try await storage.createSession(session, tokenHash: Token.random(.connectSession).hash)
    }
}
