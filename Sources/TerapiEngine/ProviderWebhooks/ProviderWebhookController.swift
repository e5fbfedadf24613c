public import TerapiCore

/// Takes what providers send, and lets a person look at it and register for it.
public struct ProviderWebhookController: ProviderWebhookControl {
    let services: EngineServices
    let door: ProviderWebhookDoor
    let registrar: WebhookRegistrar

    init(services: EngineServices) {
        self.services = services
        door = ProviderWebhookDoor(services: services)
        registrar = WebhookRegistrar(services: services)
    }

    public func receive(_ request: ProviderWebhookRequest, at address: ProviderWebhookAddress) async throws
        -> ProviderWebhookAnswer
    {
        try await door.receive(request, at: address)
    }

    /// Puts an event into the queue of every sync of the connection's integration that has subscribed to its type.
    /// Durable when it returns.
    ///
    /// Each sync takes it once, whether it is paused or not; webhooks of one connection are taken side by side.
    /// - Parameters:
    ///   - type: as the provider names it.
    ///   - payload: what `onWebhook` gets.
    /// - Returns: the names of the syncs.
    @discardableResult
    public func receive(_ type: String, payload: JSONValue, for connection: Connection) async throws -> [String] {
        let runs = services.webhookRuns(type, payload: payload, facts: ["type": .string(type)], for: connection)
        for run in runs {
            _ = try await services.actions.beginAction(run, key: nil, owner: services.bootID, now: run.createdAt)
        }
        services.actionWakeUp.ring()
        return runs.map(\.name)
    }

    public func webhooks(_ filter: ProviderWebhookFilter, in scope: EnvironmentScope) async throws
        -> [ProviderWebhook]
    {
        try await services.incoming.providerWebhooks(filter, in: scope)
    }

    public func webhook(_ id: String, in scope: EnvironmentScope) async throws -> ProviderWebhook? {
        try await services.incoming.providerWebhook(id, in: scope)
    }

    public func replay(_ filter: ProviderWebhookFilter, in scope: EnvironmentScope) async throws -> Int {
        let count = try await services.incoming.replayProviderWebhooks(filter, in: scope, now: services.clock.now)
        services.incomingWakeUp.ring()
        return count
    }

    public func subscriptions(in scope: EnvironmentScope) async throws -> [WebhookSubscription] {
        try await services.incoming.subscriptions(in: scope)
    }

    public func subscribe(
        integrationKey: String,
        connectionID: String?,
        params: JSONObject,
        manual: Bool,
        secret: Secret?,
        in scope: EnvironmentScope
    ) async throws -> WebhookSubscription {
        try await registrar.subscribe(
            integrationKey: integrationKey, connectionID: connectionID, params: params, manual: manual, secret: secret,
            in: scope
        )
    }

    public func renew(_ id: Int64, in scope: EnvironmentScope) async throws -> WebhookSubscription {
        try await registrar.renew(try await subscription(id, in: scope))
    }

    public func unsubscribe(_ id: Int64, in scope: EnvironmentScope) async throws {
        try await registrar.unsubscribe(try await subscription(id, in: scope))
        door.forgetPlaces()
    }

    public func address(of subscription: WebhookSubscription) async throws -> String {
        try await registrar.address(of: subscription)
    }

    private func subscription(_ id: Int64, in scope: EnvironmentScope) async throws -> WebhookSubscription {
        guard let found = try await services.incoming.subscription(id), found.scope == scope else {
            throw TerapiError(.notFound, "The environment has no webhook subscription with this number.")
        }
        return found
    }
}

extension EngineServices {
    /// What an event asks of the syncs of a connection: a run of each that has subscribed to its type.
    func webhookRuns(
        _ type: String,
        payload: JSONValue,
        facts: JSONObject,
        for connection: Connection
    ) -> [ActionRun] {
        catalog.syncs(integrationKey: connection.integrationKey, in: connection.scope)
            .filter { $0.subscribes(to: type) }
            .map { sync in
                ActionRun(
                    scope: connection.scope,
                    connectionID: connection.id,
                    kind: .webhook,
                    name: sync.name,
                    state: .waiting,
                    input: JSONValue.object(["webhook": .object(facts), "payload": payload]).encoded(),
                    createdAt: clock.now
                )
            }
    }
}
