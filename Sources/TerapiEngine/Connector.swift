import Logging
public import TerapiCore

/// Makes connections: by OAuth in a browser, by keys that an end user types in, or by import.
public struct Connector: ConnectFlow {
    /// How long an end user may take at the provider.
    static let authorizationTime = Duration.seconds(600)
    /// How many connections of an integration go at the same time.
    static let deletedAtOnce = 20

    let services: EngineServices

    // MARK: OAuth

    public func begin(_ start: ConnectStart) async throws -> ConnectRedirect {
        let session = start.session
        let (integration, provider) = try await integration(start.integrationKey, for: session)
        guard provider.authMode.needsBrowser else {
            throw TerapiError(
                .invalidBody,
                "\(provider.displayName) is not connected through a browser but with \(provider.authMode.rawValue)."
            )
        }
        let defaults = session.defaults[integration.key] ?? ConnectSession.Defaults()
        try provider.checkGivenByEndUser(start.config)
        // What the team has set for the session wins over what a page sends.
        let config = try provider.checkedConfig(start.config.merging(defaults.connectionConfig))
        let connectionID = try await freeConnectionID(start.connectionID, session: session, integration: integration)

        let now = services.clock.now
        let state = hex(randomBytes(32))
        let attemptID = start.attemptID ?? hex(randomBytes(32))
        let browserSecret = Secret(hex(randomBytes(32)))
        let usesPKCE = provider.oauth2?.usesPKCE ?? true
        let verifier = usesPKCE ? Secret(Base64.url.encode(randomBytes(32))) : nil
        let redirectURI = "\(services.publicURL)/oauth/callback/\(integration.key)"
        let environment = try await services.settings.environment(session.scope)
        let begun = try await services.providers.beginAuthorization(
            AuthorizationRequest(
                integration: integration,
                config: config,
                redirectURI: redirectURI,
                state: state,
                codeVerifier: verifier,
                userScopes: defaults.userScopes.isEmpty ? start.userScopes : defaults.userScopes,
                authorizationParams: start.authorizationParams.merging(defaults.authorizationParams) { $1 },
                clientDocumentURL:
                    "\(services.publicURL)/oauth/client-metadata/\(environment.uuid)/\(PercentEncoding.encode(integration.key))"
            )
        )
        try await services.connections.createOAuthSession(
            OAuthSession(
                state: state,
                attemptID: attemptID,
                sessionID: session.id,
                scope: session.scope,
                integrationKey: integration.key,
                connectionID: connectionID,
                connectionConfig: config,
                codeVerifier: verifier,
                browserHash: sha256(Array(browserSecret.reveal().utf8)),
                redirectURI: redirectURI,
                openerOrigin: start.openerOrigin,
                returnURL: start.returnURL,
                notes: begun.notes,
                expiresAt: now + Self.authorizationTime
            ),
            attempt: ConnectAttempt(
                id: attemptID,
                sessionID: session.id,
                scope: session.scope,
                integrationKey: integration.key,
                createdAt: now
            )
        )
        return ConnectRedirect(url: begun.url, attemptID: attemptID, state: state, browserSecret: browserSecret)
    }

    public func finish(
        integrationKey: String?,
        query: [String: String],
        browserSecret: String?
    ) async -> ConnectResult {
        let oauth: OAuthSession?
        do {
            oauth = try await services.connections.takeOAuthSession(
                state: query["state"] ?? "",
                now: services.clock.now
            )
        } catch {
            services.logger.error("An authorization could not be looked up.", metadata: ["error": "\(error)"])
            return ConnectResult(outcome: .failure(type: "unknown_err", message: "Please try again in a moment."))
        }
        guard let oauth else {
            return ConnectResult(
                outcome: .failure(
                    type: "state_err",
                    message: "This authorization was already used or has expired. Please start again."
                )
            )
        }
        let outcome: ConnectResult.Outcome
        do {
            let browserHash = sha256(Array((browserSecret ?? "").utf8))
            guard constantTimeEqual(browserHash, oauth.browserHash) else {
                throw FlowFailure(
                    type: "state_cookie_err",
                    message: "This authorization was begun in another browser. Please start again in this one."
                )
            }
            guard integrationKey == nil || integrationKey == oauth.integrationKey else {
                throw FlowFailure(
                    type: "state_err",
                    message: "The answer came back for another integration. Please start again."
                )
            }
            let connection = try await authorize(oauth, query: query)
            outcome = .success(connectionID: connection.connectionID)
        } catch let failure as FlowFailure {
            outcome = .failure(type: failure.type, message: failure.message)
        } catch {
            let known = error as? TerapiError
            if known == nil || known?.code == .serverError {
                services.logger.error("An authorization failed.", metadata: ["error": "\(error)"])
            }
            let type =
                switch known?.code {
                case .connectionTestFailed, .connectionValidationFailed: known?.code.rawValue
                default: "token_err"
                }
            outcome = .failure(
                type: type ?? "token_err",
                message: known?.message ?? "Something went wrong on our side. Please try again in a moment."
            )
        }
        await note(outcome, oauth)
        return ConnectResult(
            outcome: outcome,
            integrationKey: oauth.integrationKey,
            attemptID: oauth.attemptID,
            openerOrigin: oauth.openerOrigin,
            returnURL: oauth.returnURL
        )
    }

    private struct FlowFailure: Error {
        var type: String
        var message: String
    }

    private func authorize(_ oauth: OAuthSession, query: [String: String]) async throws -> Connection {
        if let error = query["error"] {
            let description = query["error_description"] ?? error
            let wasDenied = error == "access_denied"
            throw FlowFailure(
                type: "callback_err",
                message: wasDenied ? "The access was not allowed." : "The provider answered: \(description)"
            )
        }
        guard let session = try await services.connections.session(row: oauth.sessionID) else {
            throw FlowFailure(type: "state_err", message: "The session has ended. Please start again.")
        }
        let (integration, provider) = try await integration(oauth.integrationKey, for: session)
        if let oauth2 = provider.oauth2, query[oauth2.codeParamInCallback] == nil {
            throw FlowFailure(type: "callback_err", message: "The provider's answer holds no authorization code.")
        }
        let new = try await services.providers.exchange(
            CodeExchange(
                integration: integration,
                config: oauth.connectionConfig,
                redirectURI: oauth.redirectURI,
                codeVerifier: oauth.codeVerifier,
                callbackQuery: query,
                notes: oauth.notes
            ),
            now: services.clock.now
        )
        if provider.authMode == .app { try await checkInstallation(new, session: session, integration: integration) }
        return try await save(
            connectionID: oauth.connectionID,
            config: oauth.connectionConfig.merging(new.config),
            credentials: new.credentials,
            session: session,
            integration: integration,
            provider: provider
        )
    }

    /// A browser brings the number of an installation and could bring anybody's: whose it is already keeps it.
    private func checkInstallation(
        _ new: NewCredentials,
        session: ConnectSession,
        integration: Integration
    ) async throws {
        guard let installation = new.config["installation_id"]?.plainText else { return }
        let connections = try await services.incoming.connections(
            matching: .init(match: .field("installation_id"), value: installation), integrationID: integration.id
        )
        let isFree = connections.allSatisfy { connection in
            guard let owner = connection.endUser, let user = session.endUser else { return false }
            return owner.id == user.id || owner.organizationID != nil && owner.organizationID == user.organizationID
        }
        guard isFree else {
            throw FlowFailure(
                type: "callback_err",
                message: "This installation is already connected by somebody else, who has to disconnect it first."
            )
        }
    }

    private func note(_ outcome: ConnectResult.Outcome, _ oauth: OAuthSession) async {
        let state: ConnectAttempt.State =
            switch outcome {
            case .success(let connectionID): .success(connectionID: connectionID)
            case .failure(let type, let message): .failure(type: type, message: message)
            }
        do {
            try await services.connections.setAttempt(oauth.attemptID, state: state)
        } catch {
            services.logger.error("A connect attempt's result could not be stored.", metadata: ["error": "\(error)"])
        }
        if case .failure(let type, let message) = outcome {
            let log = OperationLog(
                LogOperation(
                    scope: oauth.scope,
                    kind: .createConnection,
                    message: "Connection \(oauth.connectionID)",
                    integrationKey: oauth.integrationKey,
                    connectionID: oauth.connectionID,
                    createdAt: services.clock.now
                ),
                sink: services.log,
                clock: services.clock
            )
            log.end(.failed, "\(type): \(message)")
        }
    }

    // MARK: Keys and import

    public func connect(
        session: ConnectSession,
        integrationKey: String,
        connectionID: String?,
        config: JSONObject,
        credentials: Credentials
    ) async throws -> Connection {
        let (integration, provider) = try await integration(integrationKey, for: session)
        try checkMode(of: credentials, provider: provider)
        try provider.checkGivenByEndUser(config)
        let defaults = session.defaults[integration.key] ?? ConnectSession.Defaults()
        let config = try provider.checkedConfig(config.merging(defaults.connectionConfig))
        let id = try await freeConnectionID(connectionID, session: session, integration: integration)
        let new = try await issued(credentials, connectionID: id, config: config, integration, provider)
        return try await save(
            connectionID: id,
            config: config.merging(new.config),
            credentials: new.credentials,
            session: session,
            integration: integration,
            provider: provider
        )
    }

    public func importConnection(_ connection: Connection, credentials: Credentials) async throws -> Connection {
        guard
            let integration = try await services.settings.integration(
                key: connection.integrationKey,
                in: connection.scope
            ),
            let provider = services.providers.provider(integration.provider)
        else { throw Self.unknownIntegration(connection.integrationKey) }
        try checkMode(of: credentials, provider: provider)
        var connection = connection
        connection.config = try provider.checkedConfig(connection.config)
        var new = NewCredentials(credentials: credentials)
        if case .derived(let derived) = credentials, derived.token == nil {
            new = try await issued(
                credentials, connectionID: connection.connectionID, config: connection.config, integration, provider
            )
            connection.config = connection.config.merging(new.config)
        }
        return try await verifyAndStore(
            connection,
            replacing: .any,
            credentials: new.credentials,
            integration: integration,
            provider: provider
        )
    }

    /// Checks what was entered, and gets the token for it in the modes that have one.
    private func issued(
        _ credentials: Credentials,
        connectionID: String,
        config: JSONObject,
        _ integration: Integration,
        _ provider: Provider
    ) async throws -> NewCredentials {
        guard case .derived(var derived) = credentials else { return NewCredentials(credentials: credentials) }
        if derived.mode != .app {
            derived.given = try provider.checkedCredentials(derived.given)
            derived.once = try provider.checkedAssertionOption(derived.once)
        }
        let access = ConnectionAccess(
            integration: integration,
            connectionID: connectionID,
            config: config,
            credentials: .derived(derived)
        )
        return try await services.providers.issue(access, now: services.clock.now)
    }

    private func save(
        connectionID: String,
        config: JSONObject,
        credentials: Credentials,
        session: ConnectSession,
        integration: Integration,
        provider: Provider
    ) async throws -> Connection {
        let now = services.clock.now
        let connection = Connection(
            scope: session.scope,
            integrationID: integration.id,
            connectionID: connectionID,
            integrationKey: integration.key,
            provider: provider.name,
            config: config,
            tags: session.tags,
            endUser: session.endUser,
            webhookURLOverride: session.webhookURLOverride,
            createdAt: now,
            updatedAt: now
        )
        // Another end user may have taken a wished id since this one began.
        return try await verifyAndStore(
            connection,
            replacing: session.connectionID == nil ? .ownedBy(endUserID: session.endUser?.id) : .any,
            credentials: credentials,
            integration: integration,
            provider: provider
        )
    }

    private func verifyAndStore(
        _ connection: Connection,
        replacing: ReplaceableConnection,
        credentials: Credentials,
        integration: Integration,
        provider: Provider
    ) async throws -> Connection {
        let log = OperationLog(
            LogOperation(
                scope: connection.scope,
                kind: .createConnection,
                message: "Connection \(connection.connectionID)",
                integrationKey: integration.key,
                connectionID: connection.connectionID,
                createdAt: services.clock.now
            ),
            sink: services.log,
            clock: services.clock
        )
        log.hide(credentials.allSecrets)
        do {
            try await services.providers.verify(
                ConnectionAccess(
                    integration: integration,
                    connectionID: connection.connectionID,
                    config: connection.config,
                    credentials: credentials
                )
            )
            var connection = connection
            connection.integrationID = integration.id
            connection.provider = provider.name
            if let metadata = try await validate(connection, credentials: credentials, integration: integration) {
                connection.metadata = metadata
            }
            let environment = try await services.settings.environment(connection.scope)
            let now = services.clock.now
            let composer = services.webhooks
            // What these scripts set up is there when the first sync runs: its syncs are made after them.
            let hasScripts =
                !services.catalog.onEvents(
                    .postConnectionCreation, integrationKey: integration.key, in: connection.scope
                ).isEmpty
            let stored = try await services.connections.save(
                connection,
                replacing: replacing,
                credentials: credentials,
                syncs: hasScripts ? [] : services.catalog.syncs(integrationKey: integration.key, in: connection.scope),
                now: now,
                event: { stored, isNew in
                    composer.authEvent(
                        isNew ? .creation : .override,
                        connection: stored,
                        authMode: provider.authMode,
                        environment: environment,
                        now: now
                    )
                },
                scripts: { hasScripts ? Self.scripts(of: $0, now: now) : nil }
            )
            services.actionWakeUp.ring()
            services.syncWakeUp.ring()
            services.webhookWakeUp.ring()
            log.end(.success, "The connection was made.")
            return stored
        } catch {
            log.end(.failed, (error as? TerapiError)?.message ?? "The connection could not be stored.")
            throw error
        }
    }

    // MARK: Scripts of events

    /// Asks the integration's own scripts whether a connection is good, before anything of it is stored.
    /// - Returns: its metadata, if they have changed it.
    /// - Throws: `TerapiError(.connectionValidationFailed)` with what the script threw.
    private func validate(
        _ connection: Connection,
        credentials: Credentials,
        integration: Integration
    ) async throws -> JSONObject? {
        let scripts = services.catalog.onEvents(
            .validateConnection, integrationKey: integration.key, in: connection.scope
        )
        guard !scripts.isEmpty else { return nil }
        var candidate = connection
        // Pauses that a provider asks for are kept by row; no row is below zero.
        candidate.id = -Int64.random(in: 1...Int64.max)
        if candidate.metadata == nil {
            candidate.metadata = try await services.connections.connection(
                connection.connectionID,
                integrationKey: integration.key,
                in: connection.scope
            )?.metadata
        }
        var changed: JSONObject?
        for script in scripts {
            do {
                let metadata = try await ActionRunner(services: services).run(
                    script,
                    connection: candidate,
                    integration: integration,
                    credentials: credentials
                )
                if let metadata {
                    candidate.metadata = metadata
                    changed = metadata
                }
            } catch let error as TerapiError {
                throw TerapiError(
                    .connectionValidationFailed,
                    error.payload?["message"]?.string ?? error.message,
                    payload: error.code == .actionScriptFailure ? error.payload : nil,
                    cause: error
                )
            }
        }
        return changed
    }

    /// What waits in the queue for a connection that was just made.
    private static func scripts(of connection: Connection, now: Timestamp) -> ActionRun {
        ActionRun(
            scope: connection.scope,
            connectionID: connection.id,
            kind: .event,
            name: OnEventDefinition.Event.postConnectionCreation.rawValue,
            state: .waiting,
            createdAt: now
        )
    }

    public func deleteConnection(
        _ connectionID: String,
        integrationKey: String,
        in scope: EnvironmentScope
    ) async throws -> Bool {
        if !services.catalog.onEvents(.preConnectionDeletion, integrationKey: integrationKey, in: scope).isEmpty {
            guard let integration = try await services.settings.integration(key: integrationKey, in: scope),
                let connection = try await services.connections.connection(
                    connectionID,
                    integrationKey: integrationKey,
                    in: scope
                )
            else { return false }
            try await runDeletionScripts(of: connection, integration)
        }
        if let connection = try await services.connections.connection(
            connectionID, integrationKey: integrationKey, in: scope)
        {
            try await WebhookRegistrar(services: services).unsubscribeAll(of: connection)
        }
        return try await services.connections.deleteConnection(
            connectionID,
            integrationKey: integrationKey,
            in: scope
        )
    }

    public func deleteIntegration(_ key: String, in scope: EnvironmentScope) async throws {
        if !services.catalog.onEvents(.preConnectionDeletion, integrationKey: key, in: scope).isEmpty,
            let integration = try await services.settings.integration(key: key, in: scope)
        {
            try await deleteConnections(of: integration)
        }
        try await services.settings.deleteIntegration(key: key, in: scope, now: services.clock.now)
    }

    /// Some at a time, each gone as soon as its scripts have run: whoever is cut off here can ask again and goes on.
    private func deleteConnections(of integration: Integration) async throws {
        while true {
            let some = try await services.connections.connections(
                ConnectionFilter(integrationKeys: [integration.key], limit: Self.deletedAtOnce),
                in: integration.scope
            )
            guard !some.isEmpty else { return }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for connection in some {
                    group.addTask {
                        try await runDeletionScripts(of: connection, integration)
                        _ = try await services.connections.deleteConnection(
                            connection.connectionID,
                            integrationKey: integration.key,
                            in: integration.scope
                        )
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    private func runDeletionScripts(of connection: Connection, _ integration: Integration) async throws {
        let scripts = services.catalog.onEvents(
            .preConnectionDeletion, integrationKey: integration.key, in: integration.scope
        )
        for script in scripts {
            do {
                _ = try await ActionRunner(services: services).run(
                    script,
                    connection: connection,
                    integration: integration
                )
            } catch is TerapiError {
                // Its operation in the logs tells of it. Who wants a connection gone gets it gone.
            }
        }
    }

    // MARK: Checks

    private func integration(_ key: String, for session: ConnectSession) async throws -> (Integration, Provider) {
        guard session.allows(integration: key),
            let integration = try await services.settings.integration(key: key, in: session.scope),
            let provider = services.providers.provider(integration.provider)
        else { throw Self.unknownIntegration(key) }
        return (integration, provider)
    }

    private func checkMode(of credentials: Credentials, provider: Provider) throws {
        guard credentials.type == provider.authMode.credentialType else {
            throw TerapiError(
                .invalidBody,
                "\(provider.displayName) is connected with \(provider.authMode.rawValue), not \(credentials.type)."
            )
        }
    }

    /// The id of the connection to be: the session's, or a wished one that is free or already this end user's.
    private func freeConnectionID(
        _ wished: String?,
        session: ConnectSession,
        integration: Integration
    ) async throws -> String {
        if let bound = session.connectionID {
            guard wished == nil || wished == bound else {
                throw TerapiError(.invalidBody, "The connect session is for another connection id.")
            }
            return bound
        }
        guard let wished else { return randomUUID() }
        try await checkOwner(of: wished, session: session, integration: integration)
        return wished
    }

    /// - Throws: `TerapiError(.invalidBody)` unless the id is free or already this end user's.
    private func checkOwner(of connectionID: String, session: ConnectSession, integration: Integration) async throws {
        let existing = try await services.connections.connection(
            connectionID,
            integrationKey: integration.key,
            in: session.scope
        )
        let mayReplace = ReplaceableConnection.ownedBy(endUserID: session.endUser?.id)
        guard existing.map({ mayReplace.includes(owner: $0.endUser?.id) }) ?? true else {
            throw TerapiError.connectionIDTaken
        }
    }

    private static func unknownIntegration(_ key: String) -> TerapiError {
        TerapiError(.unknownProviderConfig, "There is no integration \"\(key)\" that this session may connect.")
    }
}
