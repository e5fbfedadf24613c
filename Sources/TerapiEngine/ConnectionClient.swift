import Synchronization
import TerapiCore

/// Sends requests through one connection: with fresh credentials, within the provider's limits, again where that helps.
final class ConnectionClient: Sendable {
    /// How much is done for a request that does not succeed at once.
    struct Patience: Sendable {
        /// Waits that are longer end the attempt instead.
        var longestWait: Duration
        /// Tries that a provider's own limits may cost, beyond what the request allows.
        var limitRetries: Int
        /// Tries after a broken connection that the request need not allow.
        var brokenRetries: Int
        /// Whether what did not leave may be tried again whatever its method is.
        var repeatsUnsent: Bool
        var safeMethods: Set<String>
        /// Whether the request can be sent a second time at all.
        var canRepeat = true

        /// A run that fails is tried again later.
        static let script = Patience(
            longestWait: .seconds(900),
            limitRetries: 8,
            brokenRetries: 2,
            repeatsUnsent: false,
            safeMethods: ["GET", "HEAD"]
        )

        /// Somebody waits, and has said how often to try.
        static func caller(canRepeat: Bool) -> Patience {
            Patience(
                longestWait: .seconds(60),
                limitRetries: 0,
                brokenRetries: 0,
                repeatsUnsent: true,
                safeMethods: ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"],
                canRepeat: canRepeat
            )
        }
    }

    private let connection: Connection
    private let integration: Integration
    private let providers: any ProviderAPI
    private let credentials: any CredentialSource
    private let gate: ConnectionGate
    private let clock: any WallClock
    private let log: OperationLog
    private let recent: RecentCredentials

    /// - Parameter recent: credentials that clients of the same connection share.
    init(
        connection: Connection,
        integration: Integration,
        providers: any ProviderAPI,
        credentials: any CredentialSource,
        gate: ConnectionGate,
        clock: any WallClock,
        log: OperationLog,
        recent: RecentCredentials = RecentCredentials()
    ) {
        self.connection = connection
        self.integration = integration
        self.providers = providers
        self.credentials = credentials
        self.gate = gate
        self.clock = clock
        self.log = log
        self.recent = recent
    }

    func send(_ request: ScriptRequest, metadata: JSONObject?) async throws -> ScriptResponse {
        try await insist(request, .script, named: "\(request.method) \(request.endpoint)", metadata) { access in
            try await providers.send(request, access: access)
        } see: {
            $0
        }
    }

    /// Sends a customer's request; the body of its answer is still to come.
    func open(_ request: ProxyRequest) async throws -> any OutboundAnswer {
        let readsBody = providers.provider(integration.provider)?.proxy.retry.inBody != nil
        let name = "\(request.request.method) \(request.request.endpoint.prefix { $0 != "?" })"
        let patience = Patience.caller(canRepeat: request.body == nil)
        return try await insist(request.request, patience, named: name, connection.metadata) { access in
            try await providers.open(request, access: access)
        } see: { answer in
            let body = readsBody && answer.status >= 400 ? try await answer.beginning(65_536) : []
            return ScriptResponse(status: answer.status, headers: answer.headers, body: body)
        } drop: {
            $0.abandon()
        }
    }

    /// - Parameters:
    ///   - name: of the request, for messages.
    ///   - see: what the rules judge an answer by.
    ///   - drop: is given each answer that is not the result.
    private func insist<Answer>(
        _ request: ScriptRequest,
        _ patience: Patience,
        named name: String,
        _ metadata: JSONObject?,
        send: (ConnectionAccess) async throws -> Answer,
        see: (Answer) async throws -> ScriptResponse,
        drop: (Answer) -> Void = { _ in }
    ) async throws -> Answer {
        var attempt = 0
        var staleGeneration: Int64?
        while true {
            attempt += 1
            try await gate.pass(connection.id)
            let (current, generation) = try await currentCredentials(staleGeneration: staleGeneration)
            let access = ConnectionAccess(
                integration: integration,
                connectionID: connection.connectionID,
                config: connection.config,
                metadata: metadata,
                credentials: current
            )
            let wait: Duration
            let reason: String
            do {
                let answer = try await send(access)
                let response = try await see(answer)
                let step = providers.nextStep(
                    after: response,
                    to: request,
                    provider: integration.provider,
                    attempt: attempt,
                    now: clock.now
                )
                switch step {
                case .answer:
                    return answer
                case .refreshCredentials:
                    guard staleGeneration == nil, current.canRefresh else { return answer }
                    guard patience.canRepeat else {
                        // Nothing else may tell that this token has ended: the next request gets another.
                        _ = try? await currentCredentials(staleGeneration: generation)
                        return answer
                    }
                    staleGeneration = generation
                    drop(answer)
                    log.write(.info, "The provider answered \(response.status): refreshing the credentials once.")
                    continue
                case .retry(let duration):
                    guard patience.canRepeat, duration <= patience.longestWait,
                        attempt - patience.limitRetries <= request.retries
                    else {
                        return answer
                    }
                    drop(answer)
                    wait = duration
                    reason = "status \(response.status)"
                    if response.status == 429 { gate.pause(connection.id, for: duration) }
                }
            } catch let error as TerapiError where error.code == .providerUnreachable {
                // Only what cannot have had an effect is sent again.
                let isHarmless =
                    patience.safeMethods.contains(request.method)
                    || patience.repeatsUnsent && OutboundFailure.outcome(of: error) == .notSent
                guard patience.canRepeat, isHarmless, attempt <= max(request.retries, patience.brokenRetries) else {
                    throw error.naming(name)
                }
                wait = min(.seconds(1 << min(attempt, 6)), .seconds(60))
                reason = error.message
            } catch let error as TerapiError {
                throw error.naming(name)
            }
            log.write(
                .warn,
                "\(name): \(reason); attempt \(attempt), trying again in \(Int(wait.seconds.rounded(.up))) s."
            )
            try await clock.sleep(for: wait)
        }
    }

    private func currentCredentials(staleGeneration: Int64?) async throws -> (Credentials, generation: Int64) {
        if staleGeneration == nil, let known = recent.credentials(at: clock.now) {
            log.hide(known.credentials.allSecrets)
            return (known.credentials, known.generation)
        }
        let (current, generation) = try await credentials.credentials(
            of: connection,
            integration: integration,
            forceRefresh: false,
            staleGeneration: staleGeneration
        )
        log.hide(current.allSecrets)
        recent.remember(current, generation, at: clock.now)
        return (current, generation)
    }
}

/// Credentials that are used again without asking: a fast provider answers hundreds of pages in this time.
final class RecentCredentials: Sendable {
    static let age = Duration.seconds(1)

    private let state = Mutex<(credentials: Credentials, generation: Int64, until: Timestamp)?>(nil)

    func credentials(at now: Timestamp) -> (credentials: Credentials, generation: Int64)? {
        guard let recent = state.withLock({ $0 }), now < recent.until else { return nil }
        return (recent.credentials, recent.generation)
    }

    /// A slow answer from before a refresh does not take the place of a newer one.
    func remember(_ credentials: Credentials, _ generation: Int64, at now: Timestamp) {
        state.withLock { state in
            guard state.map({ $0.generation <= generation }) ?? true else { return }
            state = (credentials, generation, now + Self.age)
        }
    }
}

extension TerapiError {
    /// The same error with the request in its message: who reads it must know which of many it was.
    fileprivate func naming(_ request: String) -> TerapiError {
        var named = self
        named.message = "\(request.prefix(500)): \(message)"
        return named
    }
}
