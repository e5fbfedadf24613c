import Logging
public import TerapiCore

/// Gives out credentials that work, refreshing them when they are about to expire.
///
/// At most one refresh of a connection is in flight, a rotated token is on disk before it is parsed, and new credentials
/// are committed by generation. See `docs/decisions/0003-token-refresh.md` for what each step protects against.
public actor TokenRefresher: CredentialSource {
    static let claimTime = Duration.seconds(40)
    /// A strict provider may have rotated the token: the old one is shown again only after this time.
    static let unknownOutcomePause = Duration.seconds(60)
    /// Between the first refusal and the one that condemns.
    static let refusalPause = Duration.seconds(60)

    private let settings: any SettingsStorage
    private let connections: any ConnectionStorage
    private let providers: any ProviderAPI
    private let spool: RefreshSpool
    private let composer: WebhookComposer
    private let log: any LogSink
    private let clock: any WallClock
    private let logger: Logger
    private let bootID: String
    private let webhookWakeUp: WakeUp

    private var inFlight: [Int64: Task<StoredCredentials, any Error>] = [:]
    /// Credentials that the database could not take yet.
    private var uncommitted: [Int64: StoredCredentials] = [:]

    init(
        settings: any SettingsStorage,
        connections: any ConnectionStorage,
        providers: any ProviderAPI,
        spool: RefreshSpool,
        composer: WebhookComposer,
        log: any LogSink,
        clock: any WallClock,
        logger: Logger,
        bootID: String,
        webhookWakeUp: WakeUp
    ) {
        self.settings = settings
        self.connections = connections
        self.providers = providers
        self.spool = spool
        self.composer = composer
        self.log = log
        self.clock = clock
        self.logger = logger
        self.bootID = bootID
        self.webhookWakeUp = webhookWakeUp
    }

    public func credentials(
        of connection: Connection,
        integration: Integration,
        forceRefresh: Bool,
        staleGeneration: Int64?
    ) async throws -> (credentials: Credentials, generation: Int64) {
        let stored = try await stored(row: connection.id)
        let need = need(
            of: stored,
            row: connection.id,
            provider: integration.provider,
            forced: forceRefresh,
            stale: staleGeneration
        )
        switch need {
        case .none:
            return (stored.credentials, stored.generation)
        case .soon:
            // The token still works: a failure to renew it is no reason to fail the caller.
            let renewed = try? await refresh(connection, integration, from: stored)
            return ((renewed ?? stored).credentials, (renewed ?? stored).generation)
        case .now:
            let renewed = try await refresh(connection, integration, from: stored)
            return (renewed.credentials, renewed.generation)
        case .impossible(let error):
            throw error
        }
    }

    /// Settles what an earlier process left in the spool. Runs before the server is ready.
    public func replaySpool() async throws {
        let (entries, unreadable) = try await spool.entries()
        for name in unreadable {
            // It stays where it is: with the key that sealed it, a later start can still settle it.
            logger.error("A file in the refresh spool cannot be read.", metadata: ["file": "\(name)"])
        }
        for entry in entries {
            if let connection = try await connections.connection(row: entry.connectionRow),
                let integration = try await settings.integration(key: connection.integrationKey, in: connection.scope),
                let stored = try await connections.credentials(row: connection.id)
            {
                let access = access(connection, integration, stored.credentials)
                if case .refreshed(let new) = providers.readRefresh(entry.answer, access: access, now: clock.now) {
                    _ = try await connections.commitRefresh(
                        new,
                        row: connection.id,
                        over: entry.generation,
                        now: clock.now
                    )
                    logger.notice("Committed a token refresh that the last process had received.")
                }
            }
            await spool.remove(attempt: entry.attempt)
        }
    }

    // MARK: When

    private enum Need {
        case none, soon, now
        case impossible(TerapiError)
    }

    private func need(
        of stored: StoredCredentials,
        row: Int64,
        provider: String,
        forced: Bool,
        stale: Int64?
    ) -> Need {
        if stored.needsReconnect, !forced { return .impossible(Self.exhausted) }
        let credentials = stored.credentials
        guard credentials.canRefresh else { return forced && credentials.canOnlyBeVerified ? .now : .none }
        let now = clock.now
        let isExpired = credentials.expiresAt.map { $0 <= now } ?? false
        let isStale = stale == stored.generation
        let isUrgent = forced || isStale || isExpired
        let refusalEnd = stored.refusedAt.map { $0 + Self.refusalPause }
        if !forced, let pauseEnd = [stored.retryAfter, refusalEnd].compactMap(\.self).max(), pauseEnd > now {
            return isUrgent ? .impossible(Self.backoff(until: pauseEnd, now: now)) : .none
        }
        if isUrgent { return .now }
        guard let expiresAt = credentials.expiresAt else { return .none }
        return expiresAt - now <= margin(stored, row: row, provider: provider) ? .soon : .none
    }

    /// How long before its end a token is renewed: early enough that the old one still works while the outcome of a
    /// refresh may be unknown, and not so early that a short-lived token is renewed at every use.
    private func margin(_ stored: StoredCredentials, row: Int64, provider: String) -> Duration {
        if let buffer = providers.provider(provider)?.oauth2?.tokenExpirationBuffer { return buffer }
        let life = stored.credentials.lifetime?.seconds ?? 3600
        let margin = max(life * 0.2, min(300, life * 0.5))
        // Up to a tenth more or less, the same for one token, so that many connections do not refresh at once.
        let mixed = UInt64(bitPattern: row &+ stored.generation &* 2_654_435_761) &* 0x9E37_79B9_7F4A_7C15
        let jitter = Double((mixed >> 32) % 2_000) / 10_000 - 0.1
        return .seconds(margin * (1 + jitter))
    }

    // MARK: How

    private func stored(row: Int64) async throws -> StoredCredentials {
        if let memory = uncommitted[row] { return memory }
        guard let stored = try await connections.credentials(row: row) else {
            throw TerapiError(.unknownConnection, "The connection has been deleted.")
        }
        return stored
    }

    private func refresh(
        _ connection: Connection,
        _ integration: Integration,
        from stored: StoredCredentials
    ) async throws -> StoredCredentials {
        if let running = inFlight[connection.id] { return try await running.value }
        // Not a child task: a waiter that is cancelled must not take the refresh down with it.
        let task = Task { try await self.claimAndRefresh(connection, integration, from: stored) }
        inFlight[connection.id] = task
        defer { inFlight[connection.id] = nil }
        return try await task.value
    }

    private func claimAndRefresh(
        _ connection: Connection,
        _ integration: Integration,
        from seen: StoredCredentials
    ) async throws -> StoredCredentials {
        let stored = try await stored(row: connection.id)
        // Somebody was faster between our look and our claim.
        guard stored.generation == seen.generation else { return stored }
        if let claim = stored.claim, claim.owner != bootID {
            // The process that made this claim is gone (the data folder has one owner) and its spool has been replayed.
            try await connections.releaseRefresh(
                row: connection.id,
                attempt: claim.attempt,
                outcome: .retry(after: clock.now),
                now: clock.now
            )
        }
        let claim = StoredCredentials.Claim(
            attempt: randomUUID(),
            owner: bootID,
            deadline: clock.now + Self.claimTime
        )
        guard
            try await connections.claimRefresh(
                row: connection.id,
                generation: stored.generation,
                claim: claim,
                now: clock.now
            )
        else {
            let current = try await self.stored(row: connection.id)
            guard current.generation > stored.generation else {
                throw Self.backoff(until: claim.deadline, now: clock.now)
            }
            return current
        }
        let log = OperationLog(
            LogOperation(
                scope: connection.scope,
                kind: .refreshToken,
                message: "Token refresh",
                integrationKey: connection.integrationKey,
                connectionID: connection.connectionID,
                createdAt: clock.now
            ),
            sink: self.log,
            clock: clock
        )
        log.hide(stored.credentials.allSecrets)
        do {
            guard stored.credentials.canRefresh else {
                try await verify(connection, integration, stored, claim, log)
                log.end(.success, "The credentials still work.")
                return stored
            }
            let renewed = try await call(connection, integration, stored, claim, log)
            log.end(.success, "The credentials were refreshed.")
            return renewed
        } catch {
            log.end(.failed, (error as? TerapiError)?.message ?? "The refresh failed inside the server.")
            throw error
        }
    }

    /// Asks whether a key still works. Whoever refuses it twice is believed, as with a refresh token.
    private func verify(
        _ connection: Connection,
        _ integration: Integration,
        _ stored: StoredCredentials,
        _ claim: StoredCredentials.Claim,
        _ log: OperationLog
    ) async throws {
        do {
            try await providers.verify(access(connection, integration, stored.credentials))
        } catch {
            let problem = error as? TerapiError
            let status = problem?.code == .connectionTestFailed ? problem?.payload?["status"]?.int : nil
            guard status == 401 || status == 403 else {
                try await release(connection, claim, after: backoff(stored))
                throw error
            }
            try await refused(
                connection,
                stored,
                claim,
                authMode: mode(of: integration, stored),
                message: problem?.message ?? "",
                isLastTry: isLastTry(stored),
                log: log
            )
            throw TerapiError(
                .refreshTokenExternalError,
                "The provider refuses the credentials: \(problem?.message ?? "")"
            )
        }
        try await connections.noteVerified(row: connection.id, generation: stored.generation, now: clock.now)
    }

    private func isLastTry(_ stored: StoredCredentials) -> Bool {
        stored.refusedAt.map { clock.now - $0 >= Self.refusalPause } ?? false
    }

    private func mode(of integration: Integration, _ stored: StoredCredentials) -> AuthMode {
        providers.provider(integration.provider)?.authMode ?? AuthMode(rawValue: stored.credentials.type) ?? .oauth2
    }

    private func call(
        _ connection: Connection,
        _ integration: Integration,
        _ stored: StoredCredentials,
        _ claim: StoredCredentials.Claim,
        _ log: OperationLog
    ) async throws -> StoredCredentials {
        let isLastTry = isLastTry(stored)
        var candidates = [stored.credentials]
        if isLastTry { candidates += stored.orphans }
        var refusal = ""
        for (index, candidate) in candidates.enumerated() {
            let access = access(connection, integration, candidate)
            switch await providers.sendRefresh(access) {
            case .notSent(let error):
                try await release(connection, claim, after: backoff(stored))
                throw TerapiError(.refreshTokenExternalError, error.message, cause: error)
            case .unknown(let error):
                let pause = isStrict(integration.provider, candidate) ? Self.unknownOutcomePause : .seconds(1)
                try await release(connection, claim, after: pause)
                throw TerapiError(.refreshTokenExternalError, error.message, cause: error)
            case .answer(let answer):
                let attempt = index == 0 ? claim.attempt : "\(claim.attempt)-\(index)"
                await keep(
                    RefreshSpool.Entry(
                        connectionRow: connection.id,
                        generation: stored.generation,
                        attempt: attempt,
                        answer: answer
                    )
                )
                let result = providers.readRefresh(answer, access: access, now: clock.now)
                if case .refreshed(let new) = result {
                    log.hide(new.credentials.allSecrets)
                    return try await commit(new, connection, over: stored, attempt: attempt)
                }
                await spool.remove(attempt: attempt)
                switch result {
                case .refreshed: break
                case .invalidGrant(let message): refusal = message
                case .invalidClient(let message):
                    try await release(connection, claim, after: .seconds(60))
                    logger.error(
                        "A provider refuses the client credentials of an integration.",
                        metadata: ["integration": "\(integration.key)", "answer": "\(message)"]
                    )
                    throw TerapiError(
                        .refreshTokenExternalError,
                        "The provider refuses the integration's client id or secret: \(message)"
                    )
                case .retryLater(let wait, let message):
                    try await release(connection, claim, after: wait ?? backoff(stored))
                    throw TerapiError(.refreshTokenExternalError, message)
                }
            }
        }
        try await refused(
            connection,
            stored,
            claim,
            authMode: mode(of: integration, stored),
            message: refusal,
            isLastTry: isLastTry,
            log: log
        )
        let what = if case .oauth2 = stored.credentials { "refresh token" } else { "credentials" }
        throw TerapiError(.refreshTokenExternalError, "The provider refuses the \(what): \(refusal)")
    }

    /// Makes an answer durable. A full disk is no reason to throw away the only token that works: it is committed all
    /// the same, only without the net.
    private func keep(_ entry: RefreshSpool.Entry) async {
        do {
            try await spool.keep(entry)
        } catch {
            logger.error("A token refresh could not be kept in the spool.", metadata: ["error": "\(error)"])
        }
    }

    /// Stores new credentials. While the database cannot take them they are served from memory and lie in the spool.
    private func commit(
        _ new: NewCredentials,
        _ connection: Connection,
        over stored: StoredCredentials,
        attempt: String
    ) async throws -> StoredCredentials {
        let renewed = StoredCredentials(generation: stored.generation + 1, credentials: new.credentials)
        do {
            let isCommitted = try await store(new, row: connection.id, over: stored.generation, attempt: attempt)
            return isCommitted ? renewed : try await self.stored(row: connection.id)
        } catch {
            uncommitted[connection.id] = renewed
            logger.error("New credentials could not be stored yet.", metadata: ["error": "\(error)"])
            Task { await self.storeLater(new, row: connection.id, over: stored.generation, attempt: attempt) }
            return renewed
        }
    }

    private func store(
        _ new: NewCredentials,
        row: Int64,
        over generation: Int64,
        attempt: String
    ) async throws -> Bool {
        let isCommitted = try await connections.commitRefresh(new, row: row, over: generation, now: clock.now)
        uncommitted[row] = nil
        await spool.remove(attempt: attempt)
        return isCommitted
    }

    /// Tries for ever: whatever ends it sooner also ends the process, whose successor finds the spool.
    private func storeLater(_ new: NewCredentials, row: Int64, over generation: Int64, attempt: String) async {
        var pause = Duration.milliseconds(200)
        while !Task.isCancelled {
            try? await clock.sleep(for: pause)
            do {
                _ = try await store(new, row: row, over: generation, attempt: attempt)
                logger.notice("New credentials are stored now.")
                return
            } catch {
                pause = min(pause * 2, .seconds(10))
            }
        }
    }

    private func refused(
        _ connection: Connection,
        _ stored: StoredCredentials,
        _ claim: StoredCredentials.Claim,
        authMode: AuthMode,
        message: String,
        isLastTry: Bool,
        log: OperationLog
    ) async throws {
        guard isLastTry else {
            log.write(.warn, "The provider refused the credentials. They are tried once more in a minute.")
            try await connections.releaseRefresh(
                row: connection.id,
                attempt: claim.attempt,
                outcome: .refused,
                now: clock.now
            )
            return
        }
        let environment = try await settings.environment(connection.scope)
        let event = composer.authEvent(
            .refresh,
            connection: connection,
            authMode: authMode,
            environment: environment,
            error: (type: "refresh_token_external_error", description: message),
            now: clock.now
        )
        _ = try await connections.condemn(
            row: connection.id,
            generation: stored.generation,
            operationID: log.id,
            event: event,
            now: clock.now
        )
        webhookWakeUp.ring()
    }

    private func release(_ connection: Connection, _ claim: StoredCredentials.Claim, after: Duration) async throws {
        try await connections.releaseRefresh(
            row: connection.id,
            attempt: claim.attempt,
            outcome: .retry(after: clock.now + after),
            now: clock.now
        )
    }

    /// 1 s, doubling up to 5 minutes.
    private func backoff(_ stored: StoredCredentials) -> Duration {
        min(.seconds(1 << min(stored.failedAttempts, 9)), .seconds(300))
    }

    private func isStrict(_ provider: String, _ credentials: Credentials) -> Bool {
        // What can be got again from what the end user has entered cannot be used up.
        if case .derived(let derived) = credentials, derived.refreshToken == nil { return false }
        return switch providers.provider(provider)?.oauth2?.rotation {
        case .fixed, .reissue, .grace: false
        case .strict, .unknown, nil: true
        }
    }

    private func access(_ connection: Connection, _ integration: Integration, _ credentials: Credentials)
        -> ConnectionAccess
    {
        ConnectionAccess(
            integration: integration,
            connectionID: connection.connectionID,
            config: connection.config,
            metadata: connection.metadata,
            credentials: credentials
        )
    }

    private static var exhausted: TerapiError {
        TerapiError(
            .connectionRefreshExhausted,
            "The provider no longer accepts this connection's authorization. The end user has to connect again."
        )
    }

    private static func backoff(until moment: Timestamp, now: Timestamp) -> TerapiError {
        let seconds = max(1, Int((moment - now).seconds.rounded(.up)))
        return TerapiError(
            .connectionRefreshBackoff,
            "The last token refresh failed; the next is made in \(seconds) s.",
            retryAfterSeconds: seconds
        )
    }
}
