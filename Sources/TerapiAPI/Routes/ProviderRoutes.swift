import Hummingbird
import TerapiCore

/// The catalogue of external APIs.
struct ProviderRoutes: Sendable {
    let providers: any ProviderAPI
    let functions: Functions

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

extension ProviderRoutes {
    /// The functions that ship for a provider.
    func templates(_ call: Call) async throws -> Response {
        let name = try call.parameter("provider", .providerName)
        guard providers.provider(name) != nil else {
            throw StatusError(.notFound, TerapiError(.unknownProvider, "The catalogue has no provider of this name."))
        }
        let found = try await functions.templates(of: name, for: name, in: try call.scope)
        return .json([
            "data": .array(
                found.map { function in
                    // What only a function of an integration has.
                    let left = ["id", "enabled", "last_deployed", "source", "is_public", "pre_built", "attributes"]
                    return .object(
                        JSONObject(function.json.members.filter { !left.contains($0.name) }.map { ($0.name, $0.value) })
                    )
                }
            )
        ])
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
