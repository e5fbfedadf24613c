import Synchronization
import TerapiCore

/// Sends requests through one connection: with fresh credentials, within the provider's limits, again where that helps.
final class ConnectionClient: Sendable {
    /// Waits that are longer end the attempt instead: the run fails and is tried again later.
    static let longestWait = Duration.seconds(900)
    /// Tries that a provider's own limits may cost, beyond what the script allows.
    static let limitRetries = 8
    /// For how long credentials are used again without asking: a fast provider answers hundreds of pages in this time.
    static let credentialsAge = Duration.seconds(1)

    private let connection: Connection
    private let integration: Integration
    private let providers: any ProviderAPI
    private let credentials: any CredentialSource
    private let gate: ConnectionGate
    private let clock: any WallClock
    private let log: OperationLog
    private let recent = Mutex<(credentials: Credentials, generation: Int64, until: Timestamp)?>(nil)

    init(
        connection: Connection,
        integration: Integration,
        providers: any ProviderAPI,
        credentials: any CredentialSource,
        gate: ConnectionGate,
        clock: any WallClock,
        log: OperationLog
    ) {
        self.connection = connection
        self.integration = integration
        self.providers = providers
        self.credentials = credentials
        self.gate = gate
        self.clock = clock
        self.log = log
    }

    func send(_ request: ScriptRequest, metadata: JSONObject?) async throws -> ScriptResponse {
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
                let response = try await providers.send(request, access: access)
                let step = providers.nextStep(
                    after: response,
                    to: request,
                    provider: integration.provider,
                    attempt: attempt,
                    now: clock.now
                )
                switch step {
                case .answer:
                    return response
                case .refreshCredentials:
                    guard staleGeneration == nil, case .oauth2(let oauth) = current, oauth.refreshToken != nil else {
                        return response
                    }
                    staleGeneration = generation
                    log.write(.info, "The provider answered \(response.status): refreshing the credentials once.")
                    continue
                case .retry(let duration):
                    guard duration <= Self.longestWait, attempt <= request.retries + Self.limitRetries else {
                        return response
                    }
                    wait = duration
                    reason = "status \(response.status)"
                    if response.status == 429 { gate.pause(connection.id, for: duration) }
                }
            } catch let error as TerapiError where error.code == .providerUnreachable {
                // Only what cannot have had an effect is sent again.
                guard ["GET", "HEAD"].contains(request.method), attempt <= max(request.retries, 2) else {
                    throw error.naming(request)
                }
                wait = min(.seconds(1 << min(attempt, 6)), .seconds(60))
                reason = error.message
            } catch let error as TerapiError {
                throw error.naming(request)
            }
            log.write(
                .warn,
                "\(request.method) \(request.endpoint): \(reason); attempt \(attempt), trying again in "
                    + "\(Int(wait.seconds.rounded(.up))) s."
            )
            try await clock.sleep(for: wait)
        }
    }

    private func currentCredentials(staleGeneration: Int64?) async throws -> (Credentials, generation: Int64) {
        if staleGeneration == nil, let recent = recent.withLock({ $0 }), clock.now < recent.until {
            return (recent.credentials, recent.generation)
        }
        let (current, generation) = try await credentials.credentials(
            of: connection,
            integration: integration,
            forceRefresh: false,
            staleGeneration: staleGeneration
        )
        log.hide(current.allSecrets)
        let until = clock.now + Self.credentialsAge
        // A slow answer from before a refresh does not take the place of a newer one.
        recent.withLock { if $0.map({ $0.generation <= generation }) ?? true { $0 = (current, generation, until) } }
        return (current, generation)
    }
}

extension TerapiError {
    /// The same error with the request in its message: who reads it must know which of many it was.
    fileprivate func naming(_ request: ScriptRequest) -> TerapiError {
        var named = self
        named.message = "\(request.method) \(request.endpoint.prefix(500)): \(message)"
        return named
    }
}
