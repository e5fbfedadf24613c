import TerapiCore
import TerapiStorage
import Testing

@Suite(.timeLimit(.minutes(2)))
struct ConnectionStorageConformance {
    private static func oauth(_ token: String, refresh: String? = "r", expiresAt: Timestamp? = nil) -> Credentials {
        .oauth2(
            OAuth2Credentials(
                accessToken: Secret(token),
                refreshToken: refresh.map { Secret($0) },
                expiresAt: expiresAt,
                raw: ["access_token": .string(token)]
            )
        )
    }

    private static func event(_ scope: EnvironmentScope, _ name: String, at now: Timestamp) -> WebhookEvent {
        WebhookEvent(
            scope: scope,
            connectionID: nil,
            kind: .auth,
            body: Array(name.utf8),
            urls: ["https://example.com"],
            createdAt: now
        )
    }

    @Test(arguments: Engine.allCases)
    func `keeps a connection's row, records and syncs when its end user connects again`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        try await fixture.save(tickets(1...3), run: run)
        var again = fixture.connection
        again.id = 0
        again.config = ["subdomain": "acme"]
        again.endUser = EndUser(id: "u1", email: "a@example.com", tags: ["plan": "pro"], organizationID: "o1")
        again.tags = ["team": "red"]
        let connection = again
        fixture.clock.advance(by: .seconds(60))
        let now = fixture.clock.now

        let stored = try await fixture.storage.save(
            connection,
            replacing: .any,
            credentials: Self.oauth("new"),
            syncs: [StorageFixture.definition],
            now: now,
            event: { stored, isNew in
                Self.event(stored.scope, "\(stored.id) \(isNew)", at: now)
            },
            scripts: { _ in nil }
        )

        #expect(stored.id == fixture.connection.id)
        #expect(stored.config == connection.config && stored.endUser == connection.endUser)
        #expect(stored.createdAt == fixture.connection.createdAt && stored.updatedAt == now)
        #expect(try await fixture.all().count == 3)
        #expect(try await fixture.storage.syncs(connectionID: stored.id).count == 1)
        #expect(try await fixture.storage.credentials(row: stored.id)?.generation == 2)
        let events = try await fixture.storage.events(in: fixture.scope, before: nil, limit: 10)
        #expect(events.map { String(decoding: $0.event.body, as: UTF8.self) } == ["\(stored.id) false"])
        let found = try await fixture.storage.connection("alice", integrationKey: "desk", in: fixture.scope)
        #expect(found == stored)
    }

    @Test(arguments: Engine.allCases)
    func `lists connections by what is asked for`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        for (index, name) in ["bob", "carol", "dave"].enumerated() {
            fixture.clock.advance(by: .seconds(1))
            var connection = try await StorageFixture.connect(
                name,
                through: fixture.integration,
                storage: fixture.storage,
                now: fixture.clock.now
            )
            connection.tags = ["team": index == 1 ? "blue" : "red"]
            connection.endUser = EndUser(
                id: "user-\(name)",
                displayName: "The \(name.uppercased())",
                organizationID: "o"
            )
            try await fixture.storage.updateSettings(of: connection, now: fixture.clock.now)
        }
        func ids(_ filter: ConnectionFilter) async throws -> [String] {
            try await fixture.storage.connections(filter, in: fixture.scope).map(\.connectionID)
        }

        #expect(try await ids(ConnectionFilter()) == ["dave", "carol", "bob", "alice"])
        #expect(try await ids(ConnectionFilter(connectionID: "bob")) == ["bob"])
        #expect(try await ids(ConnectionFilter(search: "the CAR")) == ["carol"])
        #expect(try await ids(ConnectionFilter(search: "%")) == [])
        #expect(try await ids(ConnectionFilter(endUserID: "user-dave")) == ["dave"])
        #expect(try await ids(ConnectionFilter(endUserOrganizationID: "o")) == ["dave", "carol", "bob"])
        #expect(try await ids(ConnectionFilter(integrationKeys: ["none"])) == [])
        #expect(try await ids(ConnectionFilter(tags: ["team": "red"])) == ["dave", "bob"])
        #expect(try await ids(ConnectionFilter(tags: ["team": "red"], limit: 1, page: 1)) == ["bob"])
        #expect(try await ids(ConnectionFilter(limit: 3, page: 1)) == ["alice"])
        let other = try await fixture.storage.createEnvironment(
            name: "prod",
            signingKey: WebhookSignature.newSecret(),
            now: fixture.clock.now
        )
        #expect(try await fixture.storage.connections(ConnectionFilter(), in: other.scope).isEmpty)
    }

    @Test(arguments: Engine.allCases)
    func `sets metadata of all connections named or of none`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        func set(_ metadata: JSONObject, merge: Bool, _ ids: [String]) async throws {
            try await fixture.storage.setMetadata(
                metadata,
                merge: merge,
                connectionIDs: ids,
                integrationKey: "desk",
                in: fixture.scope,
                now: fixture.clock.now
            )
        }
        func metadata() async throws -> JSONObject? {
            try await fixture.storage.connection(row: fixture.connection.id)?.metadata
        }

        try await set(["a": 1, "b": 2], merge: false, ["alice"])
        try await set(["b": 3, "c": 4], merge: true, ["alice"])
        #expect(try await metadata() == ["a": 1, "b": 3, "c": 4])
        let failure = await #expect(throws: TerapiError.self) {
            try await set(["x": 1], merge: false, ["alice", "bob"])
        }
        #expect(failure?.code == .unknownConnection)
        #expect(try await metadata() == ["a": 1, "b": 3, "c": 4])
        try await set(["z": 0], merge: false, ["alice"])
        #expect(try await metadata() == ["z": 0])
    }

    @Test(arguments: Engine.allCases)
    func `keeps standing problems until they are taken away`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let row = fixture.connection.id
        try await fixture.storage.setError(.sync, subject: "tickets", operationID: "op1", row: row)
        try await fixture.storage.setError(.sync, subject: "tickets", operationID: "op2", row: row)
        try await fixture.storage.setError(.auth, subject: "", operationID: "op3", row: row)

        let both = try await fixture.storage.connection(row: row)?.errors
        try await fixture.storage.setError(.sync, subject: "tickets", operationID: nil, row: row)
        let auth = try await fixture.storage.connection(row: row)?.errors

        #expect(
            both == [
                ConnectionError(kind: .auth, operationID: "op3"),
                ConnectionError(kind: .sync, operationID: "op2", subject: "tickets"),
            ]
        )
        #expect(auth == [ConnectionError(kind: .auth, operationID: "op3")])
    }

    @Test(arguments: Engine.allCases)
    func `deletes a connection in its own environment only`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let other = try await fixture.storage.createEnvironment(
            name: "prod",
            signingKey: WebhookSignature.newSecret(),
            now: fixture.clock.now
        )

        let foreign = try await fixture.storage.deleteConnection("alice", integrationKey: "desk", in: other.scope)
        let own = try await fixture.storage.deleteConnection("alice", integrationKey: "desk", in: fixture.scope)
        let again = try await fixture.storage.deleteConnection("alice", integrationKey: "desk", in: fixture.scope)
        let made = try await StorageFixture.connect(
            "alice",
            through: fixture.integration,
            storage: fixture.storage,
            now: fixture.clock.now
        )

        #expect((foreign, own, again) == (false, true, false))
        // A row's number never comes back: old cursors and logs must not point to someone else.
        #expect(made.id > fixture.connection.id)
    }

    // MARK: Refresh

    @Test(arguments: Engine.allCases)
    func `lets one refresh at a time begin, until its deadline`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let row = fixture.connection.id
        let now = fixture.clock.now
        func claim(_ attempt: String, generation: Int64 = 1, at now: Timestamp) async throws -> Bool {
            try await fixture.storage.claimRefresh(
                row: row,
                generation: generation,
                claim: .init(attempt: attempt, owner: "boot", deadline: now + .seconds(40)),
                now: now
            )
        }

        #expect(try await claim("a", at: now))
        #expect(try await claim("b", at: now + .seconds(39)) == false)
        #expect(try await claim("b", generation: 2, at: now + .seconds(41)) == false)
        #expect(try await claim("b", at: now + .seconds(41)))
        #expect(try await fixture.storage.credentials(row: row)?.claim?.attempt == "b")
        // Who has lost the claim cannot end another's.
        try await fixture.storage.releaseRefresh(row: row, attempt: "a", outcome: .refused, now: now)
        #expect(try await fixture.storage.credentials(row: row)?.claim?.attempt == "b")
        try await fixture.storage.releaseRefresh(
            row: row,
            attempt: "b",
            outcome: .retry(after: now + .seconds(90)),
            now: now
        )
        let stored = try #require(try await fixture.storage.credentials(row: row))
        #expect(stored.claim == nil && stored.retryAfter == now + .seconds(90) && stored.failedAttempts == 1)
    }

    @Test(arguments: Engine.allCases)
    func `commits by generation and keeps what came too late`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let row = fixture.connection.id
        let now = fixture.clock.now
        let storage = fixture.storage

        // The claim of the first has run out and the second has taken over: the first still wins when it is faster.
        _ = try await storage.claimRefresh(
            row: row,
            generation: 1,
            claim: .init(attempt: "b", owner: "x", deadline: now),
            now: now
        )
        func commit(_ token: String, _ config: JSONObject, over generation: Int64) async throws -> Bool {
            try await storage.commitRefresh(
                .init(credentials: Self.oauth(token), config: config), row: row, over: generation, now: now)
        }
        let before = try #require(try await storage.connection(row: row)).config
        let first = try await commit("first", ["rest_url": "https://a.example"], over: 1)
        let late = try await commit("late", ["rest_url": "https://late.example"], over: 1)

        let stored = try #require(try await storage.credentials(row: row))
        #expect((first, late) == (true, false))
        #expect(stored.generation == 2 && stored.claim == nil)
        #expect(stored.credentials == Self.oauth("first"))
        #expect(stored.previous == .apiKey(Secret("key of alice")))
        #expect(stored.orphans == [Self.oauth("late")])
        let config = try await storage.connection(row: row)?.config
        #expect(config == before.merging(["rest_url": "https://a.example"]))

        // Two further generations have worked: nobody needs the late ones any more.
        _ = try await commit("third", [:], over: 2)
        #expect(try await storage.credentials(row: row)?.orphans == [Self.oauth("late")])
        _ = try await commit("fourth", [:], over: 3)
        _ = try await commit("fifth", [:], over: 4)
        #expect(try await storage.credentials(row: row)?.orphans == [])
    }

    @Test(arguments: Engine.allCases)
    func `marks a connection once, with one webhook, and only while nothing newer is there`(
        engine: Engine
    ) async throws {
        let fixture = try await StorageFixture(engine)
        let row = fixture.connection.id
        let now = fixture.clock.now
        func condemn(_ generation: Int64) async throws -> Bool {
            try await fixture.storage.condemn(
                row: row,
                generation: generation,
                operationID: "op",
                event: Self.event(fixture.scope, "refresh failed", at: now),
                now: now
            )
        }

        #expect(try await condemn(7) == false)
        #expect(try await condemn(1))
        #expect(try await condemn(1) == false)
        #expect(try await fixture.storage.events(in: fixture.scope, before: nil, limit: 10).count == 1)
        #expect(try await fixture.storage.credentials(row: row)?.needsReconnect == true)
        #expect(try await fixture.storage.connection(row: row)?.errors == [.init(kind: .auth, operationID: "op")])
        // A new authorization is a clean slate.
        _ = try await StorageFixture.connect("alice", through: fixture.integration, storage: fixture.storage, now: now)
        #expect(try await fixture.storage.credentials(row: row)?.needsReconnect == false)
        #expect(try await fixture.storage.connection(row: row)?.errors == [])
    }

    @Test(arguments: Engine.allCases)
    func `finds what expires and can be refreshed`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let now = fixture.clock.now
        for (generation, credentials) in [
            Self.oauth("a", refresh: nil, expiresAt: now), Self.oauth("b", expiresAt: now + .seconds(100)),
        ].enumerated() {
            _ = try await fixture.storage.commitRefresh(
                .init(credentials: credentials),
                row: fixture.connection.id,
                over: Int64(generation + 1),
                now: now
            )
            let expected: [Int64] = generation == 0 ? [] : [fixture.connection.id]
            #expect(try await fixture.storage.connectionsExpiring(before: now + .seconds(200), limit: 9) == expected)
            #expect(try await fixture.storage.connectionsExpiring(before: now + .seconds(50), limit: 9) == [])
        }
    }

    @Test(arguments: Engine.allCases)
    func `finds keys that were not verified for long, and those that were refused once`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let begin = fixture.clock.now
        func connect(_ name: String, _ credentials: Credentials) async throws -> Int64 {
            try await fixture.storage.save(
                Connection(
                    scope: fixture.scope, integrationID: fixture.integration.id, connectionID: name,
                    integrationKey: "desk", provider: "zendesk", createdAt: begin, updatedAt: begin
                ),
                replacing: .any, credentials: credentials, syncs: [], now: begin, event: { _, _ in nil },
                scripts: { _ in nil }
            ).id
        }
        let key = try await connect("key", .apiKey(Secret("k")))
        let password = try await connect("password", .basic(username: "u", password: Secret("p")))
        _ = try await connect("token", Self.oauth("t"))
        _ = try await connect("nothing", .none)
        func found(since moment: Timestamp, refusedBefore refused: Timestamp) async throws -> Set<Int64> {
            // The fixture's own connection has a key too.
            Set(try await fixture.storage.connectionsToVerify(since: moment, refusedBefore: refused, limit: 9))
                .subtracting([fixture.connection.id])
        }
        let later = begin + .seconds(60)

        #expect(try await found(since: begin, refusedBefore: begin) == [])
        #expect(try await found(since: later, refusedBefore: begin) == [key, password])

        let claim = StoredCredentials.Claim(attempt: "a", owner: "o", deadline: later)
        #expect(try await fixture.storage.claimRefresh(row: key, generation: 1, claim: claim, now: begin))
        try await fixture.storage.releaseRefresh(row: key, attempt: "a", outcome: .refused, now: begin)
        #expect(try await found(since: begin, refusedBefore: later) == [key])
        #expect(try await fixture.storage.condemn(row: key, generation: 1, operationID: "op", event: nil, now: begin))
        #expect(try await found(since: later, refusedBefore: later) == [password])

        // Another generation is another key; this one is good after all.
        try await fixture.storage.noteVerified(row: key, generation: 2, now: later)
        #expect(try await fixture.storage.credentials(row: key)?.needsReconnect == true)
        try await fixture.storage.noteVerified(row: key, generation: 1, now: later)
        let stored = try #require(try await fixture.storage.credentials(row: key))
        #expect(!stored.needsReconnect && stored.refusedAt == nil && stored.generation == 1)
        #expect(try await fixture.storage.connection(row: key)?.errors == [])
        #expect(try await found(since: later, refusedBefore: later) == [password])
    }

    @Test(arguments: Engine.allCases)
    func `keeps what an authorization has noted, and credentials of every kind`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let now = fixture.clock.now
        var derived = DerivedCredentials(mode: .awsSigV4, given: ["role_arn": "r"], issued: ["session_token": "s"])
        derived.expiresAt = now + .seconds(60)
        let session = try await fixture.storage.createSession(
            ConnectSession(scope: fixture.scope, endUser: nil, expiresAt: now + .seconds(60)), tokenHash: [1]
        )
        let notes = AuthorizationNotes(
            requestToken: Secret("t"), requestTokenSecret: Secret("s"), client: .init(clientID: "c"),
            server: .init(issuer: "i", tokenURL: "u"), expectsIssuer: true
        )
        try await fixture.storage.createOAuthSession(
            OAuthSession(
                state: "st", attemptID: "at", sessionID: session.id, scope: fixture.scope, integrationKey: "desk",
                connectionID: "alice", connectionConfig: [:], codeVerifier: nil, browserHash: [1], redirectURI: "r",
                openerOrigin: nil, returnURL: nil, notes: notes, expiresAt: now + .seconds(60)
            ),
            attempt: ConnectAttempt(
                id: "at", sessionID: session.id, scope: fixture.scope, integrationKey: "desk", createdAt: now
            )
        )
        let kept: [Credentials] = [
            .derived(derived), .oauth1(OAuth1Credentials(token: Secret("t"), tokenSecret: Secret("s"))),
            .tba(OAuth1Credentials(token: Secret("t"), tokenSecret: Secret("s"))),
        ]

        #expect(try await fixture.storage.takeOAuthSession(state: "st", now: now)?.notes == notes)
        for (generation, credentials) in kept.enumerated() {
            let isCommitted = try await fixture.storage.commitRefresh(
                .init(credentials: credentials), row: fixture.connection.id, over: Int64(generation + 1), now: now
            )
            #expect(isCommitted)
            #expect(try await fixture.storage.credentials(row: fixture.connection.id)?.credentials == credentials)
            let expiring = try await fixture.storage.connectionsExpiring(before: now + .seconds(61), limit: 9)
            #expect(expiring == (generation == 0 ? [fixture.connection.id] : []))
        }
    }

    @Test(arguments: Engine.allCases)
    func `keeps a connection and the run of its scripts together or not at all`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let now = fixture.clock.now
        func connect(_ name: String) async throws -> Connection {
            try await fixture.storage.save(
                Connection(
                    scope: fixture.scope, integrationID: fixture.integration.id, connectionID: name,
                    integrationKey: "desk", provider: "zendesk", createdAt: now, updatedAt: now
                ),
                replacing: .any,
                credentials: Self.oauth("new"),
                syncs: [],
                now: now,
                event: { _, _ in nil },
                scripts: { StorageFixture.scripts(of: $0, id: "only-one", now: now) }
            )
        }

        let bob = try await connect("bob")
        // The database refuses a second run of the same id, and with it what it belongs to.
        await #expect(throws: (any Error).self) { try await connect("carol") }

        let waiting = try await fixture.storage.claimActions(limit: 9, busy: [:], owner: "boot", now: now)
        #expect(waiting.map(\.connectionID) == [bob.id])
        #expect(waiting.first?.kind == .event && waiting.first?.input == nil)
        #expect(try await fixture.storage.connection("carol", integrationKey: "desk", in: fixture.scope) == nil)
    }

    @Test(arguments: Engine.allCases)
    func `keeps credentials sealed to their row`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let bob = try await StorageFixture.connect(
            "bob",
            through: fixture.integration,
            storage: fixture.storage,
            now: fixture.clock.now
        )
        let sealed = try await fixture.database.read { snapshot in
            try snapshot.query("select credentials from connection_credential order by connection_id") { $0.bytes(0) }
        }
        for bytes in sealed { #expect(!String(decoding: bytes, as: UTF8.self).contains("key of")) }

        try await fixture.database.write { transaction in
            try transaction.run(
                "update connection_credential set credentials = $2 where connection_id = $1",
                [.integer(bob.id), .blob(sealed[0])]
            )
        }
        await #expect(throws: TerapiError.self) { try await fixture.storage.credentials(row: bob.id) }
        #expect(try await fixture.storage.credentials(row: fixture.connection.id) != nil)
    }

    // MARK: Connect sessions

    @Test(arguments: Engine.allCases)
    func `finds a connect session by its token until it expires`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let token = Token.random(.connectSession)
        let session = ConnectSession(
            scope: fixture.scope,
            endUser: EndUser(id: "u", email: "u@example.com", tags: ["a": "b"]),
            tags: ["x": "y"],
            allowedIntegrations: ["desk"],
            allowedOrigins: ["https://app.example.com"],
            defaults: [
                "desk": .init(userScopes: ["read"], authorizationParams: ["p": "q"], connectionConfig: ["s": 1])
            ],
            connectionID: "alice",
            isReconnect: true,
            webhookURLOverride: "https://example.com/hook",
            expiresAt: fixture.clock.now + .seconds(1800)
        )
        let stored = try await fixture.storage.createSession(session, tokenHash: token.hash)

        var expected = session
        expected.id = stored.id
        #expect(try await fixture.storage.session(tokenHash: token.hash, now: fixture.clock.now) == expected)
        #expect(try await fixture.storage.session(row: stored.id) == expected)
        #expect(try await fixture.storage.session(tokenHash: token.hash, now: session.expiresAt) == nil)
        try await fixture.storage.deleteSession(row: stored.id)
        #expect(try await fixture.storage.session(tokenHash: token.hash, now: fixture.clock.now) == nil)
    }

    @Test(arguments: Engine.allCases)
    func `gives an authorization out once, and its outcome to its session only`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let now = fixture.clock.now
        func begin(_ state: String) async throws {
            try await fixture.storage.createOAuthSession(
                OAuthSession(
                    state: state,
                    attemptID: "attempt-\(state)",
                    sessionID: 5,
                    scope: fixture.scope,
                    integrationKey: "desk",
                    connectionID: "alice",
                    connectionConfig: ["a": 1],
                    codeVerifier: Secret("verifier"),
                    browserHash: [1, 0, 255],
                    redirectURI: "http://localhost/cb",
                    openerOrigin: "https://app",
                    returnURL: nil,
                    expiresAt: now + .seconds(600)
                ),
                attempt: ConnectAttempt(
                    id: "attempt-\(state)",
                    sessionID: 5,
                    scope: fixture.scope,
                    integrationKey: "desk",
                    createdAt: now
                )
            )
        }
        try await begin("one")
        try await begin("two")

        let taken = try #require(try await fixture.storage.takeOAuthSession(state: "one", now: now))
        #expect(taken.codeVerifier == Secret("verifier") && taken.browserHash == [1, 0, 255])
        #expect(taken.openerOrigin == "https://app" && taken.returnURL == nil && taken.connectionConfig == ["a": 1])
        #expect(try await fixture.storage.takeOAuthSession(state: "one", now: now) == nil)
        #expect(try await fixture.storage.takeOAuthSession(state: "two", now: now + .seconds(600)) == nil)

        func state(session: Int64 = 5, at moment: Timestamp) async throws -> ConnectAttempt.State? {
            try await fixture.storage.attempt("attempt-one", sessionRow: session, now: moment)?.state
        }
        #expect(try await state(at: now) == .pending)
        try await fixture.storage.setAttempt("attempt-one", state: .failure(type: "token_err", message: "No."))
        #expect(try await state(at: now) == .failure(type: "token_err", message: "No."))
        try await fixture.storage.setAttempt("attempt-one", state: .success(connectionID: "alice"))
        #expect(try await state(at: now) == .success(connectionID: "alice"))
        #expect(try await state(session: 6, at: now) == nil)
        #expect(try await state(at: now + .seconds(600)) == nil)

        try await fixture.storage.pruneSessions(now: now + .seconds(601))
        let left = try await fixture.database.read { snapshot in
            try snapshot.first("select (select count(*) from connect_attempt) + (select count(*) from oauth_session)") {
                $0.integer(0)
            }
        }
        #expect(left == 0)
    }
}
