import Synchronization
import TerapiCore
import TerapiStorage
import TestSupport
import Testing

@testable import TerapiEngine

@Suite(.timeLimit(.minutes(1)))
struct TokenRefresherTests {
    @Test
    func `gives out a token that works without asking the provider`() async throws {
        let fixture = try await EngineFixture()
        #expect(try await fixture.token().token == "access-1")
        #expect(fixture.providers.tokens.calls == 0)
    }

    @Test
    func `makes one call for each expiry, whoever asks how often`() async throws {
        let fixture = try await EngineFixture()
        for expiry in 1...20 {
            fixture.clock.advance(by: .seconds(TokenServer.life + 1))
            let tokens = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<100 { group.addTask { try await fixture.token().token } }
                return try await group.reduce(into: [String]()) { $0.append($1) }
            }
            #expect(tokens == Array(repeating: "access-\(expiry + 1)", count: 100))
        }
        #expect(fixture.providers.tokens.calls == 20)
        #expect(!fixture.providers.tokens.isRevoked("alice"))
        #expect(fixture.log.operations(.refreshToken).count == 20)
    }

    /// Some move an account to another host with the token.
    @Test(arguments: [false, true])
    func `what a refresh tells of the connection is kept with it`(dies: Bool) async throws {
        let fixture = try await EngineFixture()
        fixture.providers.tellWithRefresh(["rest_url": "https://rest9.example"])
        fixture.clock.advance(by: .seconds(TokenServer.life + 1))
        if dies {
            fixture.providers.tokens.beforeAnswer { fixture.database.isDown = true }
            _ = try await fixture.token()
            fixture.database.isDown = false
            try await fixture.restarted().credentials.replaySpool()
        } else {
            _ = try await fixture.token()
        }

        let config = try await fixture.storage.connection(row: fixture.connection.id)?.config
        #expect(config?["rest_url"] == "https://rest9.example")
    }

    @Test
    func `a strict provider revokes the grant when callers refresh on their own`() async throws {
        // The control of the test above: the same callers without the single flight.
        let fixture = try await EngineFixture()
        fixture.clock.advance(by: .seconds(TokenServer.life + 1))
        await withDiscardingTaskGroup { group in
            for _ in 0..<100 {
                group.addTask {
                    guard let stored = try? await fixture.storage.credentials(row: fixture.connection.id) else {
                        return
                    }
                    let access = ConnectionAccess(
                        integration: fixture.integration,
                        connectionID: "alice",
                        config: [:],
                        credentials: stored.credentials
                    )
                    _ = await fixture.providers.sendRefresh(access)
                }
            }
        }
        #expect(fixture.providers.tokens.isRevoked("alice"))
    }

    @Test
    func `keeps refreshing when the caller that began it has given up`() async throws {
        let fixture = try await EngineFixture()
        fixture.clock.advance(by: .seconds(TokenServer.life + 1))
        let release = Counter()
        fixture.providers.tokens.beforeAnswer { try? await release.reached() }
        let first = Task { try await fixture.token().token }
        try await fixture.providers.tokens.arrived.reached()
        let second = Task { try await fixture.token().token }
        first.cancel()
        release.increment()
        #expect(try await second.value == "access-2")
        #expect(fixture.providers.tokens.calls == 1)
        #expect(!fixture.providers.tokens.isRevoked("alice"))
    }

    @Test
    func `refreshes a refused token once, and takes a newer one as it is`() async throws {
        let fixture = try await EngineFixture()
        let (_, generation) = try await fixture.token()
        #expect(try await fixture.token(stale: generation).token == "access-2")
        // Somebody whose request was refused with the old one too comes late.
        #expect(try await fixture.token(stale: generation).token == "access-2")
        #expect(fixture.providers.tokens.calls == 1)
    }

    @Test
    func `renews early, and serves the old token while that fails`() async throws {
        let fixture = try await EngineFixture()
        // A fifth of an hour, a tenth more or less, is left to renew in.
        fixture.clock.advance(by: .seconds(3600 - 800))
        #expect(try await fixture.token().token == "access-1")
        #expect(fixture.providers.tokens.calls == 0)
        fixture.clock.advance(by: .seconds(160))
        fixture.providers.tokens.fail(.answer(status: 503, contentType: "text/html", body: "<html>Sorry</html>"))
        #expect(try await fixture.token().token == "access-1")
        #expect(fixture.providers.tokens.calls == 1)
        // Within the backoff nobody asks again; after it one does.
        #expect(try await fixture.token().token == "access-1")
        #expect(fixture.providers.tokens.calls == 1)
        fixture.clock.advance(by: .seconds(2))
        #expect(try await fixture.token().token == "access-2")
        #expect(fixture.providers.tokens.calls == 2)
    }

    @Test
    func `does not renew many connections at the same moment`() async throws {
        let fixture = try await EngineFixture()
        var connections = [fixture.connection]
        for index in 0..<30 {
            connections.append(
                try await EngineFixture.connect(
                    "user-\(index)",
                    integration: fixture.integration,
                    storage: fixture.storage,
                    syncs: [],
                    now: fixture.clock.now
                )
            )
        }
        // Half of the spread around 720 s before the end has passed.
        fixture.clock.advance(by: .seconds(3600 - 720))
        for connection in connections {
            _ = try await fixture.engine.credentials.credentials(
                of: connection,
                integration: fixture.integration,
                forceRefresh: false,
                staleGeneration: nil
            )
        }
        #expect((3..<28).contains(fixture.providers.tokens.calls))
    }

    // MARK: Refusals

    @Test
    func `gives a grant up after two refusals a minute apart, with one webhook`() async throws {
        let fixture = try await EngineFixture()
        let refusal = TokenServer.Fault.answer(
            status: 400,
            contentType: "application/json",
            body: #"{"error":"invalid_grant"}"#
        )
        fixture.providers.tokens.fail(refusal, refusal, refusal, refusal)
        fixture.clock.advance(by: .seconds(TokenServer.life + 1))
        await expect(.refreshTokenExternalError) { try await fixture.token() }
        fixture.clock.advance(by: .seconds(1))
        await expect(.connectionRefreshBackoff) { try await fixture.token() }
        #expect(fixture.providers.tokens.calls == 1)
        // Whoever insists may ask, but two refusals in a moment say no more than one.
        await expect(.refreshTokenExternalError) { try await fixture.token(force: true) }
        #expect(fixture.providers.tokens.calls == 2)
        #expect(try await stored(fixture).needsReconnect == false)
        fixture.clock.advance(by: .seconds(58))
        await expect(.connectionRefreshBackoff) { try await fixture.token() }

        fixture.clock.advance(by: .seconds(1))
        await expect(.refreshTokenExternalError) { try await fixture.token() }
        #expect(try await stored(fixture).needsReconnect)
        await expect(.connectionRefreshExhausted) { try await fixture.token() }
        await expect(.refreshTokenExternalError) { try await fixture.token(force: true) }
        #expect(fixture.providers.tokens.calls == 4)

        let events = try await fixture.events()
        #expect(events.count == 1)
        #expect(events.first?["type"] == "auth")
        #expect(events.first?["operation"] == "refresh")
        #expect(events.first?["success"] == false)
        let connection = try #require(try await fixture.storage.connection(row: fixture.connection.id))
        #expect(connection.errors.map(\.kind) == [.auth])
    }

    @Test
    func `takes a grant up again that a refusal was wrong about`() async throws {
        let fixture = try await EngineFixture()
        let refusal = TokenServer.Fault.answer(
            status: 400, contentType: "application/json", body: #"{"error":"invalid_grant"}"#)
        fixture.providers.tokens.fail(refusal)
        fixture.clock.advance(by: .seconds(TokenServer.life + 1))
        await expect(.refreshTokenExternalError) { try await fixture.token() }
        fixture.clock.advance(by: .seconds(60))
        #expect(try await fixture.token().token == "access-2")
        #expect(try await stored(fixture).refusedAt == nil)
        // A refusal long after starts from the beginning.
        fixture.providers.tokens.fail(refusal)
        fixture.clock.advance(by: .seconds(TokenServer.life + 1))
        await expect(.refreshTokenExternalError) { try await fixture.token() }
        #expect(try await stored(fixture).needsReconnect == false)
        #expect(try await fixture.events().isEmpty)
    }

    @Test(
        arguments: [
            .answer(status: 500, contentType: "application/json", body: #"{"error":"server_error"}"#),
            .answer(status: 502, contentType: "text/html", body: "<html>Bad gateway</html>"),
            .answer(status: 200, contentType: "text/html", body: "<html>Welcome</html>"),
            .answer(status: 429, contentType: "application/json", body: "{}"),
            .answer(status: 400, contentType: "application/json", body: #"{"error":"invalid_client"}"#),
            .answer(status: 200, contentType: "application/json", body: "{"), .timeout, .notSent,
        ] as [TokenServer.Fault])
    func `never gives a grant up for anything else`(fault: TokenServer.Fault) async throws {
        let fixture = try await EngineFixture()
        fixture.clock.advance(by: .seconds(TokenServer.life + 1))
        for _ in 0..<12 {
            fixture.providers.tokens.fail(fault)
            await expect(.refreshTokenExternalError) { try await fixture.token() }
            fixture.clock.advance(by: .seconds(301))
        }
        #expect(fixture.providers.tokens.calls == 12)
        #expect(try await stored(fixture).needsReconnect == false)
        #expect(try await fixture.events().isEmpty)
        #expect(try await fixture.token().token == "access-2")
    }

    @Test
    func `comes back when the provider asks it to`() async throws {
        let fixture = try await EngineFixture()
        fixture.clock.advance(by: .seconds(TokenServer.life + 1))
        fixture.providers.tokens.fail(
            .answer(status: 429, contentType: "application/json", body: "{}", retryAfter: "120")
        )
        await expect(.refreshTokenExternalError) { try await fixture.token() }
        fixture.clock.advance(by: .seconds(119))
        let error = await expect(.connectionRefreshBackoff) { try await fixture.token() }
        #expect(error?.retryAfterSeconds == 1)
        fixture.clock.advance(by: .seconds(1))
        #expect(try await fixture.token().token == "access-2")
    }

    @Test
    func `waits a minute before it shows a strict provider a token whose outcome it does not know`() async throws {
        let fixture = try await EngineFixture()
        fixture.clock.advance(by: .seconds(3600 - 600))
        fixture.providers.tokens.fail(.timeout)
        // The old token still works meanwhile.
        #expect(try await fixture.token().token == "access-1")
        fixture.clock.advance(by: .seconds(59))
        #expect(try await fixture.token().token == "access-1")
        #expect(fixture.providers.tokens.calls == 1)
        fixture.clock.advance(by: .seconds(1))
        #expect(try await fixture.token().token == "access-2")
    }

    // MARK: Keeping the answer

    @Test
    func `serves a token from memory while the database is away, and stores it later`() async throws {
        let fixture = try await EngineFixture()
        fixture.clock.advance(by: .seconds(TokenServer.life + 1))
        fixture.providers.tokens.beforeAnswer { fixture.database.isDown = true }
        let tokens = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<20 { group.addTask { try await fixture.token().token } }
            return try await group.reduce(into: [String]()) { $0.append($1) }
        }
        #expect(tokens == Array(repeating: "access-2", count: 20))
        #expect(try await fixture.token().token == "access-2")
        #expect(try await stored(fixture).generation == 1)
        // On the disk before it was committed.
        #expect(fixture.folder.names(in: "spool").count == 1)

        await fixture.clock.untilSomeoneSleeps(for: .milliseconds(200))
        let refused = fixture.database.refused.count
        fixture.clock.advance(by: .milliseconds(200))
        try await fixture.database.refused.reached(refused + 1)
        await fixture.clock.untilSomeoneSleeps(for: .milliseconds(400))
        fixture.database.isDown = false
        fixture.clock.advance(by: .milliseconds(400))
        try await fixture.serverLogSays("New credentials are stored now.")
        #expect(try await stored(fixture).generation == 2)
        #expect(fixture.folder.names(in: "spool").isEmpty)
        #expect(try await fixture.token().token == "access-2")
        #expect(fixture.providers.tokens.calls == 1)
    }

    @Test(arguments: [false, true])
    func `settles at the next start what came between the answer and the commit`(isDraft: Bool) async throws {
        let fixture = try await EngineFixture()
        fixture.clock.advance(by: .seconds(TokenServer.life + 1))
        fixture.providers.tokens.beforeAnswer { fixture.database.isDown = true }
        _ = try await fixture.token()
        // The process dies here: what it had in memory is gone.
        fixture.database.isDown = false
        fixture.providers.tokens.beforeAnswer(nil)
        #expect(try await stored(fixture).generation == 1)
        let kept = try #require(fixture.folder.names(in: "spool").first)
        // Or even before that: while the disk was still writing.
        if isDraft { try fixture.folder.rename("spool/\(kept)", to: "spool/.\(kept)") }

        let next = try fixture.restarted()
        try await next.prepare()
        #expect(try await stored(fixture).generation == 2)
        #expect(fixture.folder.names(in: "spool").isEmpty)
        #expect(try await fixture.token(from: next).token == "access-2")
        fixture.clock.advance(by: .seconds(TokenServer.life + 1))
        #expect(try await fixture.token(from: next).token == "access-3")
        #expect(!fixture.providers.tokens.isRevoked("alice"))
    }

    @Test
    func `a grant is lost when the answer is not kept`() async throws {
        // The control of the test above: the same crash without the spool.
        let fixture = try await EngineFixture()
        fixture.clock.advance(by: .seconds(TokenServer.life + 1))
        fixture.providers.tokens.beforeAnswer { fixture.database.isDown = true }
        _ = try await fixture.token()
        fixture.database.isDown = false
        fixture.providers.tokens.beforeAnswer(nil)
        try fixture.folder.remove("spool")

        let next = try fixture.restarted()
        try await next.prepare()
        await expect(.refreshTokenExternalError) { try await fixture.token(from: next) }
        #expect(fixture.providers.tokens.isRevoked("alice"))
    }

    @Test
    func `starts with a spool in which files are damaged or half written`() async throws {
        let fixture = try await EngineFixture()
        fixture.clock.advance(by: .seconds(TokenServer.life + 1))
        fixture.providers.tokens.beforeAnswer { fixture.database.isDown = true }
        _ = try await fixture.token()
        fixture.database.isDown = false
        try fixture.folder.write("", to: "spool/0")
        try fixture.folder.write("no sealed answer", to: "spool/1")
        try fixture.folder.write("half", to: "spool/.2")

        let next = try fixture.restarted()
        try await next.prepare()
        #expect(try await stored(fixture).generation == 2)
        #expect(fixture.serverLog.text.contains("cannot be read"))
        // What was never whole holds nothing; what was may need another key.
        #expect(fixture.folder.names(in: "spool") == ["0", "1"])
    }

    @Test
    func `commits a token that the spool could not take`() async throws {
        let fixture = try await EngineFixture()
        fixture.clock.advance(by: .seconds(TokenServer.life + 1))
        try fixture.folder.remove("spool")
        #expect(try await fixture.token().token == "access-2")
        #expect(try await stored(fixture).generation == 2)
    }

    @Test
    func `takes over the claim of a process that died before it sent anything`() async throws {
        let fixture = try await EngineFixture()
        fixture.clock.advance(by: .seconds(TokenServer.life + 1))
        let isClaimed = try await fixture.storage.claimRefresh(
            row: fixture.connection.id,
            generation: 1,
            claim: StoredCredentials.Claim(
                attempt: "a-1",
                owner: "the boot before",
                deadline: fixture.clock.now + .seconds(40)
            ),
            now: fixture.clock.now
        )
        #expect(isClaimed)
        #expect(try await fixture.token().token == "access-2")
    }

    @Test
    func `keeps tokens out of every log`() async throws {
        let fixture = try await EngineFixture()
        fixture.providers.tokens.fail(
            .answer(status: 500, contentType: "text/plain", body: "refresh-1 is ill"),
            .answer(status: 400, contentType: "application/json", body: #"{"error":"invalid_grant"}"#)
        )
        for _ in 0..<4 {
            fixture.clock.advance(by: .seconds(TokenServer.life + 1))
            _ = try? await fixture.token()
        }
        #expect(fixture.providers.tokens.calls == 4)
        for text in [fixture.log.text, fixture.serverLog.text] {
            for secret in ["access-1", "access-2", "refresh-1", "refresh-2"] { #expect(!text.contains(secret)) }
        }
    }

    @Test
    func `renews in the background what expires within a minute`() async throws {
        let fixture = try await EngineFixture()
        try await fixture.engine.credentialRefresher.runOnce()
        #expect(fixture.providers.tokens.calls == 0)
        fixture.clock.advance(by: .seconds(TokenServer.life - 30))
        try await fixture.engine.credentialRefresher.runOnce()
        try await fixture.engine.credentialRefresher.runOnce()
        #expect(fixture.providers.tokens.calls == 1)
        #expect(try await stored(fixture).generation == 2)
    }

    private func stored(_ fixture: EngineFixture) async throws -> StoredCredentials {
        try #require(try await fixture.storage.credentials(row: fixture.connection.id))
    }
}

/// Expects an error with this code.
@discardableResult
func expect<T>(
    _ code: TerapiError.Code,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> T
) async -> TerapiError? {
    let error = await #expect(throws: TerapiError.self, sourceLocation: sourceLocation) { _ = try await body() }
    #expect(error?.code == code, sourceLocation: sourceLocation)
    return error
}
