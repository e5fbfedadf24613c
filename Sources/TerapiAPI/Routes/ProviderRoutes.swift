import Hummingbird
import TerapiCore

/// The catalogue of external APIs.
struct ProviderRoutes: Sendable {
    let providers: any ProviderAPI

    func list(_ call: Call) async throws -> Response {
        var query = try call.query()
        let search = query.text("search")?.lowercased()
        try query.finish()

        let found = providers.providers.filter { provider in
            guard let search else { return true }
            return ([provider.name, provider.displayName] + provider.categories)
                .contains { $0.lowercased().contains(search) }
        }
        return .json(["data": .array(found.map(\.json))])
    }

    func one(_ call: Call) throws -> Response {
        guard let provider = providers.provider(try call.parameter("provider", .providerName)) else {
            throw StatusError(.notFound, TerapiError(.unknownProvider, "The catalogue has no provider of this name."))
        }
        return .json(["data": provider.json])
    }
}

extension Provider {
    fileprivate var json: JSONValue {
        let known: JSONObject = [
            "name": .string(name), "display_name": .string(displayName), "auth_mode": .string(authMode.rawValue),
        ]
        return .object(known.merging(entry))
    }
}
