import HTTPTypes
import TerapiCore

/// What an integration's scripts offer below `/v1`.
struct OfferedEndpoints: Sendable {
    enum Target: Sendable {
        case records(SyncDefinition, model: String)
        case action(ActionDefinition)
    }

    struct Offer: Sendable {
        var integrationKey: String
        var endpoint: ScriptEndpoint
        var target: Target
    }

    let syncs: any SyncControl
    let actions: any ActionControl

    /// Syncs first, then actions, in the order of their names.
    func all(of integrationKey: String, in scope: EnvironmentScope) -> [Offer] {
        let records = syncs.definitions(integrationKey: integrationKey, in: scope).flatMap { sync in
            // The first endpoint shows the first model and so on, unless it says otherwise.
            sync.endpoints.enumerated().compactMap { index, endpoint -> Offer? in
                let model =
                    endpoint.model ?? (sync.models.indices.contains(index) ? sync.models[index] : sync.models.last)
                return model.map {
                    Offer(integrationKey: integrationKey, endpoint: endpoint, target: .records(sync, model: $0))
                }
            }
        }
        let called = actions.actions(integrationKey: integrationKey, in: scope).flatMap { action in
            action.endpoints.map { Offer(integrationKey: integrationKey, endpoint: $0, target: .action(action)) }
        }
        return records + called
    }
}

extension HTTPRequest.Method {
    init(_ method: ScriptEndpoint.Method) {
        switch method {
        case .get: self = .get
        case .post: self = .post
        case .put: self = .put
        case .patch: self = .patch
        case .delete: self = .delete
        }
    }
}
