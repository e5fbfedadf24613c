public import TerapiCore

/// Hands what providers send to the syncs that have subscribed to it.
public struct ProviderWebhookController: Sendable {
    let services: EngineServices

    /// Puts a provider webhook into the queue of every sync of the connection's integration that has subscribed to its
    /// type. Durable when it returns: a webhook that is told to have arrived is not lost.
    ///
    /// Each sync takes it once, whether it is paused or not; webhooks of one connection are taken side by side.
    /// - Parameters:
    ///   - type: as the provider names it.
    ///   - payload: what `onWebhook` gets.
    /// - Returns: the names of the syncs.
    @discardableResult
    public func receive(_ type: String, payload: JSONValue, for connection: Connection) async throws -> [String] {
        let names = services.catalog
            .syncs(integrationKey: connection.integrationKey, in: connection.scope)
            .filter { $0.subscribes(to: type) }.map(\.name)
        for name in names {
            let run = ActionRun(
                scope: connection.scope,
                connectionID: connection.id,
                kind: .webhook,
                name: name,
                state: .waiting,
                input: payload.encoded(),
                createdAt: services.clock.now
            )
            _ = try await services.actions.beginAction(run, key: nil, owner: services.bootID, now: run.createdAt)
        }
        services.actionWakeUp.ring()
        return names
    }
}
