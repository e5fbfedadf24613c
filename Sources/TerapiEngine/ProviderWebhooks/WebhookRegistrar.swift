import Logging
import TerapiCore

/// Registers our addresses at providers, renews them, and takes them back.
struct WebhookRegistrar: Sendable {
    /// How long before its end a registration is renewed: a fifth of its life, and at most a day.
    private static let longestAhead = Duration.seconds(86_400)
    private static let retry = RetryPolicy(
        delays: [.seconds(60), .seconds(300), .seconds(1800), .seconds(3600)],
        repeatsLast: true
    )

    let services: EngineServices

    func address(of subscription: WebhookSubscription) async throws -> String {
        let environment = try await services.settings.environment(subscription.scope)
        let key = PercentEncoding.encode(subscription.integrationKey)
        return "\(services.publicURL)/webhook/\(environment.uuid)/\(key)/\(subscription.token.reveal())"
    }

    func subscribe(
        integrationKey: String,
        connectionID: String?,
        params: JSONObject,
        manual: Bool,
        secret: Secret?,
        in scope: EnvironmentScope
    ) async throws -> WebhookSubscription {
        guard let integration = try await services.settings.integration(key: integrationKey, in: scope) else {
            throw TerapiError(
                .unknownProviderConfig, "There is no integration \"\(integrationKey)\" in this environment.")
        }
        var connection: Connection?
        if let connectionID {
            connection = try await services.connections.connection(
                connectionID, integrationKey: integrationKey, in: scope)
            guard connection != nil else {
                throw TerapiError(.unknownConnection, "There is no such connection in this environment.")
            }
        }
        guard let webhook = services.providers.provider(integration.provider)?.webhook else {
            throw TerapiError(.invalidBody, "The provider \(integration.provider) has no webhook rule.")
        }
        let rule = webhook.subscription
        if !manual { try check(rule, connection, params, integration) }
        let learns = webhook.handshakes.contains { $0.storedSecret != nil }
        let chosen = learns || rule?.secret != nil && !manual ? nil : Secret(hex(randomBytes(24)))
        let stored = try await services.incoming.createSubscription(
            WebhookSubscription(
                scope: scope,
                integrationID: integration.id,
                integrationKey: integration.key,
                connectionID: connection?.id,
                connectionName: connection?.connectionID,
                secret: secret ?? chosen,
                params: params,
                isOurs: !manual,
                state: manual ? .active : .pending,
                createdAt: services.clock.now
            )
        )
        guard !manual, let rule, let connection else { return stored }
        do {
            return try await create(stored, rule, connection, integration)
        } catch {
            // Nothing of it is at the provider: there is nothing to keep.
            try await services.incoming.deleteSubscription(stored.id)
            throw error
        }
    }

    private func check(
        _ rule: WebhookSubscriptionRule?,
        _ connection: Connection?,
        _ params: JSONObject,
        _ integration: Integration
    ) throws {
        guard let rule else {
            throw TerapiError(
                .invalidBody,
                "Terapi does not know how to register webhooks at \(integration.provider). Send \"manual\": true for an "
                    + "address that you register there yourself."
            )
        }
        guard connection != nil else {
            throw TerapiError(.invalidBody, "Name the connection in whose name the webhook is registered.")
        }
        let missing = rule.params.filter { params[$0]?.plainText?.isEmpty ?? true }
        guard missing.isEmpty else {
            throw TerapiError(
                .invalidBody,
                "The provider needs to know more.",
                issues: missing.map { .init(code: "required", message: "Required", path: ["params", $0]) }
            )
        }
    }

    func renew(_ subscription: WebhookSubscription) async throws -> WebhookSubscription {
        guard subscription.isOurs else {
            throw TerapiError(.invalidBody, "This address was registered by a person, who has to renew it.")
        }
        guard let (connection, integration, rule) = try await place(of: subscription) else {
            let error = TerapiError(.conflict, "The connection or the rule of the subscription is gone.")
            try await noteFailure(of: subscription, error)
            throw error
        }
        do {
            guard let request = rule.renew else {
                return try await replace(subscription, rule, connection, integration)
            }
            var renewed = subscription
            let answer = try await send(request, renewed, rule, connection, integration)
            note(answer, rule, &renewed)
            // What the first answer told stays known: the id is often not told again.
            renewed.externalID = renewed.externalID ?? subscription.externalID
            renewed.secret = renewed.secret ?? subscription.secret
            try await services.incoming.updateSubscription(renewed)
            log(renewed, .success, "The webhook was renewed.")
            return renewed
        } catch {
            try await noteFailure(of: subscription, error)
            throw error
        }
    }

    func unsubscribe(_ subscription: WebhookSubscription) async throws {
        try await takeBack(subscription)
        try await services.incoming.deleteSubscription(subscription.id)
    }

    /// Takes back what is registered for a connection that is about to go. A provider that refuses does not keep it.
    func unsubscribeAll(of connection: Connection) async throws {
        let subscriptions = try await services.incoming.subscriptions(
            integrationID: connection.integrationID, connectionID: connection.id)
        for subscription in subscriptions {
            do {
                try await takeBack(subscription)
            } catch let error as TerapiError {
                log(subscription, .failed, error.message)
            }
        }
    }

    private func takeBack(_ subscription: WebhookSubscription) async throws {
        guard subscription.isOurs, subscription.externalID != nil,
            let (connection, integration, rule) = try await place(of: subscription), let request = rule.delete
        else { return }
        do {
            _ = try await send(request, subscription, rule, connection, integration)
        } catch let error as TerapiError where [404, 410].contains(error.upstream?["status"]?.int) {
            return
        }
        log(subscription, .success, "The webhook was taken back.")
    }

    // MARK: Requests

    private func create(
        _ subscription: WebhookSubscription,
        _ rule: WebhookSubscriptionRule,
        _ connection: Connection,
        _ integration: Integration
    ) async throws -> WebhookSubscription {
        let answer = try await send(rule.create, subscription, rule, connection, integration)
        // The provider may have told a secret while our request was open.
        var active = try await services.incoming.subscription(subscription.id) ?? subscription
        note(answer, rule, &active)
        try await services.incoming.updateSubscription(active)
        log(active, .success, "The webhook was registered.")
        services.renewalWakeUp.ring()
        return active
    }

    /// A new one before the old one goes: no event falls between the two.
    private func replace(
        _ subscription: WebhookSubscription,
        _ rule: WebhookSubscriptionRule,
        _ connection: Connection,
        _ integration: Integration
    ) async throws -> WebhookSubscription {
        let new = try await subscribe(
            integrationKey: integration.key, connectionID: connection.connectionID, params: subscription.params,
            manual: false, secret: nil, in: subscription.scope)
        try? await takeBack(subscription)
        try await services.incoming.deleteSubscription(subscription.id)
        return new
    }

    private func send(
        _ request: WebhookSubscriptionRule.Request,
        _ subscription: WebhookSubscription,
        _ rule: WebhookSubscriptionRule,
        _ connection: Connection,
        _ integration: Integration
    ) async throws -> JSONValue {
        let values = SubscriptionTemplate(
            subscription: subscription,
            address: try await address(of: subscription),
            expires: services.clock.now + (rule.lifetime ?? Self.longestAhead),
            connection: connection
        )
        let operation = operation(subscription)
        operation.hide([subscription.secret, subscription.token].compactMap(\.self))
        let client = ConnectionClient(
            connection: connection, integration: integration, providers: services.providers,
            credentials: services.credentials, gate: services.gate, clock: services.clock, log: operation)
        let body = try request.data.map { try values.fill($0).encoded() }
        let response = try await client.send(
            ScriptRequest(
                method: request.method,
                endpoint: try values.fill(request.endpoint, escaped: true),
                query: try request.query.map { ($0.name, try values.fill($0.value)) },
                headers: try request.headers.map { ($0.name, try values.fill($0.value)) }
                    + (body == nil ? [] : [("content-type", "application/json")]),
                body: body
            ),
            metadata: connection.metadata
        )
        guard (200..<300).contains(response.status) else {
            throw TerapiError(
                .providerError,
                operation.redacted(
                    "\(request.method) \(request.endpoint): the provider answered \(response.status): "
                        + String(decoding: response.body.prefix(500), as: UTF8.self)),
                upstream: ["status": JSONValue(response.status)]
            )
        }
        return (try? JSONReader.read(response.body)) ?? .null
    }

    private func note(_ answer: JSONValue, _ rule: WebhookSubscriptionRule, _ subscription: inout WebhookSubscription) {
        let reader = SubscriptionAnswer(answer)
        subscription.externalID = rule.id.flatMap(reader.text) ?? subscription.externalID
        if let secret = rule.secret.flatMap(reader.text) { subscription.secret = Secret(secret) }
        if !answer.isNull { subscription.answer = answer }
        subscription.state = .active
        subscription.error = nil
        subscription.failures = 0
        let now = services.clock.now
        subscription.expiresAt = rule.expires.flatMap(reader.time) ?? rule.lifetime.map { now + $0 }
        subscription.renewAt = subscription.expiresAt.map { end in
            let life = max(0, (end - now).microseconds)
            return end - min(.microseconds(life / 5), Self.longestAhead)
        }
    }

    private func noteFailure(of subscription: WebhookSubscription, _ error: any Error) async throws {
        var failed = subscription
        failed.failures += 1
        failed.error = (error as? TerapiError)?.message ?? "The renewal failed inside the server."
        var random = SystemRandomNumberGenerator()
        failed.renewAt = Self.retry.delay(afterAttempt: failed.failures, random: &random).map {
            services.clock.now + $0
        }
        if let end = failed.expiresAt, end < services.clock.now { failed.state = .failed }
        try await services.incoming.updateSubscription(failed)
        log(failed, .failed, failed.error ?? "")
    }

    private func place(of subscription: WebhookSubscription) async throws
        -> (Connection, Integration, WebhookSubscriptionRule)?
    {
        guard let row = subscription.connectionID, let connection = try await services.connections.connection(row: row),
            let integration = try await services.settings.integration(
                key: subscription.integrationKey, in: subscription.scope),
            let rule = services.providers.provider(integration.provider)?.webhook?.subscription
        else { return nil }
        return (connection, integration, rule)
    }

    private func operation(_ subscription: WebhookSubscription) -> OperationLog {
        OperationLog(
            LogOperation(
                scope: subscription.scope,
                kind: .webhookSubscription,
                message: "Webhook subscription \(subscription.id)",
                integrationKey: subscription.integrationKey,
                connectionID: subscription.connectionName,
                createdAt: services.clock.now
            ),
            sink: services.log,
            clock: services.clock
        )
    }

    private func log(_ subscription: WebhookSubscription, _ state: LogOperation.State, _ message: String) {
        operation(subscription).end(state, message)
    }
}
