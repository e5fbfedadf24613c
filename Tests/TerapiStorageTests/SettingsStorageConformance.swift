import TerapiCore
import TerapiStorage
import Testing

@Suite(.timeLimit(.minutes(2)))
struct SettingsStorageConformance {
    @Test(arguments: Engine.allCases)
    func `keeps environments and their settings`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        var settings = EnvironmentSettings()
        settings.primaryWebhookURL = "https://example.com/hook"
        settings.sendsUnchangedSyncs = true
        settings.defaultOrigins = ["https://app.example.com"]

        try await fixture.storage.updateSettings(settings, in: fixture.scope)
        let taken = await #expect(throws: TerapiError.self) {
            try await fixture.storage.createEnvironment(
                name: "dev",
                signingKey: Secret("whsec_AA=="),
                now: fixture.clock.now
            )
        }

        #expect(try await fixture.storage.environment(fixture.scope).settings == settings)
        #expect(try await fixture.storage.environments().map(\.name) == ["dev"])
        #expect(taken?.code == .conflict)
    }

    @Test(arguments: Engine.allCases)
    func `keeps variables sealed to their name, and environments apart`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let storage = fixture.storage
        let prod = try await storage.createEnvironment(
            name: "prod", signingKey: WebhookSignature.newSecret(), now: fixture.clock.now
        )
        func change(_ set: [String: String], removing names: [String] = [], in scope: EnvironmentScope) async throws {
            let variables = set.map { EnvironmentVariable(name: $0.key, value: Secret($0.value)) }
            try await storage.changeVariables(setting: variables, removing: names, in: scope)
        }
        func all(_ scope: EnvironmentScope) async throws -> [String] {
            try await storage.variables(in: scope).map { "\($0.name)=\($0.value.reveal())" }
        }

        try await change(["REGION": "eu", "KEY": "canary-1", "OLD": "canary-2"], in: fixture.scope)
        try await change(["REGION": "us"], in: prod.scope)
        try await change(["REGION": ""], removing: ["OLD", "UNKNOWN"], in: fixture.scope)

        #expect(try await all(fixture.scope) == ["KEY=canary-1", "REGION="])
        #expect(try await all(prod.scope) == ["REGION=us"])
        let sealed = try await fixture.database.read { snapshot in
            try snapshot.query("select value from environment_variable") { $0.bytes(0) }
        }
        #expect(sealed.count == 3)
        for bytes in sealed { #expect(!String(decoding: bytes, as: UTF8.self).contains("canary")) }
        // A value that is copied to another name does not open.
        try await fixture.database.write { transaction in
            try transaction.run(
                """
                update environment_variable set value = (select value from environment_variable where name = 'KEY')
                where environment_id = $1
                """,
                [.integer(fixture.scope.environmentID)]
            )
        }
        await #expect(throws: TerapiError.self) { try await storage.variables(in: fixture.scope) }
    }

    @Test(arguments: Engine.allCases)
    func `lets a replaced signing key go on until it expires`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let now = fixture.clock.now
        let first = try await fixture.storage.signingKeys(in: fixture.scope, now: now)[0].secret
        let second = WebhookSignature.newSecret()

        try await fixture.storage.rotateSigningKey(
            to: second,
            in: fixture.scope,
            now: now,
            replacedExpiresAt: now + .seconds(86_400)
        )

        let during = try await fixture.storage.signingKeys(in: fixture.scope, now: now)
        let after = try await fixture.storage.signingKeys(in: fixture.scope, now: now + .seconds(86_401))
        #expect(during.map(\.secret) == [second, first])
        #expect(after.map(\.secret) == [second])
    }

    @Test(arguments: Engine.allCases)
    func `finds API keys by hash and only in their environment`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let other = try await fixture.storage.createEnvironment(
            name: "prod",
            signingKey: WebhookSignature.newSecret(),
            now: fixture.clock.now
        )
        let token = Token.random(.apiKey)
        let key = try await fixture.storage.createAPIKey(
            displayName: "backend",
            scopes: [.readRecords, .executeSyncs],
            tokenHash: token.hash,
            in: fixture.scope,
            now: fixture.clock.now
        )

        #expect(try await fixture.storage.apiKey(tokenHash: token.hash) == key)
        #expect(try await fixture.storage.apiKey(tokenHash: Token.random(.apiKey).hash) == nil)
        try await fixture.storage.deleteAPIKey(id: key.id, in: other.scope)
        #expect(try await fixture.storage.apiKeys(in: fixture.scope) == [key])
        try await fixture.storage.deleteAPIKey(id: key.id, in: fixture.scope)
        #expect(try await fixture.storage.apiKey(tokenHash: token.hash) == nil)
    }

    @Test(arguments: Engine.allCases)
    func `keeps the latest use of a key`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let token = Token.random(.apiKey)
        let key = try await fixture.storage.createAPIKey(
            displayName: "ci",
            scopes: [.readRecords],
            tokenHash: token.hash,
            in: fixture.scope,
            now: fixture.clock.now
        )
        let used = fixture.clock.now + .seconds(60)

        try await fixture.storage.noteUse(ofAPIKey: key.id, at: used)
        // Notes are written side by side: an older one may come last.
        try await fixture.storage.noteUse(ofAPIKey: key.id, at: fixture.clock.now)

        #expect(key.lastUsedAt == nil)
        #expect(try await fixture.storage.apiKey(tokenHash: token.hash)?.lastUsedAt == used)
    }

    @Test(arguments: Engine.allCases)
    func `keeps integrations with their secrets sealed`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        var integration = fixture.integration
        integration.credentials = IntegrationCredentials(
            type: "OAUTH2",
            clientID: "client",
            clientSecret: Secret("canary-secret"),
            scopes: ["a", "b"]
        )
        integration.custom = ["appKey": "canary-custom"]
        integration.displayName = "Help desk"

        try await fixture.storage.updateIntegration(integration)

        let stored = try await fixture.storage.integration(key: "desk", in: fixture.scope)
        let sealed = try await fixture.database.read { snapshot in
            try snapshot.first("select secrets from integration") { $0.bytes(0) }
        }
        #expect(stored == integration)
        #expect(String(decoding: try #require(sealed), as: UTF8.self).contains("canary") == false)
    }

    @Test(arguments: Engine.allCases)
    func `refuses a key that is taken, and a new key while there are connections`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        var other = fixture.integration
        other.key = "other"
        other = try await fixture.storage.createIntegration(other)

        var renamed = fixture.integration
        renamed.key = "renamed"
        var clashing = other
        clashing.key = "desk"
        let (connected, taken) = (renamed, clashing)
        #expect(
            await #expect(throws: TerapiError.self) { try await fixture.storage.updateIntegration(connected) }?.code
                == .conflict
        )
        #expect(
            await #expect(throws: TerapiError.self) { try await fixture.storage.updateIntegration(taken) }?.code
                == .conflict
        )
        #expect(
            await #expect(throws: TerapiError.self) { try await fixture.storage.createIntegration(taken) }?.code
                == .conflict
        )
        other.key = "free"
        try await fixture.storage.updateIntegration(other)
        #expect(try await fixture.storage.integrations(in: fixture.scope).map(\.key) == ["desk", "free"])
    }

    @Test(arguments: Engine.allCases)
    func `deletes an integration with everything that hangs on it`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        try await fixture.save(tickets(1...3), run: run)

        try await fixture.storage.deleteIntegration(key: "desk", in: fixture.scope, now: fixture.clock.now)

        #expect(try await fixture.storage.connection(row: fixture.connection.id) == nil)
        let left = try await fixture.database.read { snapshot in
            try snapshot.first(
                "select (select count(*) from record) + (select count(*) from sync) + (select count(*) from head)"
            ) { $0.integer(0) }
        }
        #expect(left == 0)
        // The run that was at work finds out at its next write.
        let failure = await #expect(throws: TerapiError.self) { try await fixture.save(tickets([4]), run: run) }
        #expect(failure?.code == .staleRun)
    }

    @Test(arguments: Engine.allCases)
    func `opens again with the same keys, and not with another`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        let run = try await fixture.claim()
        try await fixture.save(tickets(1...3), run: run)
        let cursor = try #require(try await fixture.all().first?.cursor)

        let again = try await SQLStorage(fixture.database, box: fixture.box, clock: fixture.clock)
        let other = SecretBox(current: EncryptionKey.random().key)

        #expect(try Page(try await again.page(fixture.query(cursor: cursor))).ids == ["2", "3"])
        await #expect(throws: TerapiError.self) {
            try await SQLStorage(fixture.database, box: other, clock: fixture.clock)
        }
    }

    @Test(arguments: Engine.allCases)
    func `refuses data that a newer version has written`(engine: Engine) async throws {
        let fixture = try await StorageFixture(engine)
        try await fixture.database.write { transaction in
            try transaction.run(
                "insert into schema_migration (name, number, applied_at) values ('9999 future', 9999, 0)"
            )
        }

        let failure = await #expect(throws: TerapiError.self) {
            try await SQLStorage(fixture.database, box: fixture.box, clock: fixture.clock)
        }
        #expect(failure?.code == .storageUnavailable)
        #expect(failure?.message.contains("newer version") == true)
        #expect(failure?.message.contains("9999 future") == true)
    }
}
