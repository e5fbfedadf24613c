import HTTPTypes
import Hummingbird
import TerapiCore

/// What commands on the same machine ask, through the socket in the data folder. They name the environment.
struct AdminRoutes: Sendable {
    let settings: any SettingsStorage
    let logs: any LogStorage
    let authenticator: Authenticator

    func environments(_ call: Call) async throws -> Response {
        let found = try await settings.environments()
        return .json([
            "data": .array(found.map { ["name": .string($0.name), "uuid": .string($0.uuid)] })
        ])
    }

    /// Messages of every environment in their order, for following the log.
    func messages(_ call: Call) async throws -> Response {
        var query = try call.query()
        let after = query.integer("after", in: 0...Int.max) ?? 0
        let limit = query.integer("limit", in: 1...10_000) ?? 1000
        try query.finish()

        let found = try await logs.messages(after: Int64(after), limit: limit)
        return .json(["data": .array(found.map { $0.message.json(id: $0.id) })])
    }

    func keys(_ call: Call) async throws -> Response {
        let scope = try await scope(call)
        return .json(["data": .array(try await settings.apiKeys(in: scope).map(\.json))])
    }

    func createKey(_ call: Call) async throws -> Response {
        let scope = try await scope(call)
        var body = try await call.body()
        let name = body.requiredText("display_name")
        let names = body.texts("scopes", maxCount: APIScope.allCases.count)
        let scopes = names.map { $0.compactMap(APIScope.init) } ?? APIScope.allCases
        for (index, name) in (names ?? []).enumerated() where APIScope(rawValue: name) == nil {
            body.refuse("scopes", String(index), code: "invalid_enum_value", "There is no scope of this name.")
        }
        try body.finish()

        let token = Token.random(.apiKey)
        let key = try await settings.createAPIKey(
            displayName: name, scopes: Set(scopes), tokenHash: token.hash, in: scope, now: call.now
        )
        guard var json = key.json.object else { return .success }
        // The only time that the key is shown.
        json["secret"] = .string(token.text.reveal())
        return .json(["data": .object(json)], status: .created)
    }

    func deleteKey(_ call: Call) async throws -> Response {
        let scope = try await scope(call)
        guard let id = Int64(call.parameter("keyId")),
            try await settings.apiKeys(in: scope).contains(where: { $0.id == id })
        else {
            throw TerapiError(.notFound, "The environment has no API key with this number.")
        }
        try await settings.deleteAPIKey(id: id, in: scope)
        authenticator.forget(keyID: id)
        return .success
    }

    func variables(_ call: Call) async throws -> Response {
        let scope = try await scope(call)
        return .json(["data": EnvironmentRoutes.json(of: try await settings.variables(in: scope))])
    }

    func changeVariables(_ call: Call) async throws -> Response {
        let scope = try await scope(call)
        var body = try await call.body()
        let changes = body.variableChanges("variables")
        try body.finish()

        try await changes?.apply(to: settings, in: scope)
        return .success
    }

    func rotateSigningKey(_ call: Call) async throws -> Response {
        let scope = try await scope(call)
        return try await EnvironmentRoutes.rotateSigningKey(in: scope, settings: settings, now: call.now)
    }

    func scope(_ call: Call) async throws -> EnvironmentScope {
        var query = try call.query()
        let name = query.requiredText("environment", .lettersDigits(and: "_-"))
        try query.finish()
        return try await scope(named: name)
    }

    func scope(named name: String) async throws -> EnvironmentScope {
        guard let environment = try await settings.environments().first(where: { $0.name == name }) else {
            throw TerapiError(.notFound, "There is no environment of this name.")
        }
        return environment.scope
    }
}

extension APIKey {
    fileprivate var json: JSONValue {
        [
            "id": JSONValue(id),
            "display_name": .string(displayName),
            "scopes": JSONValue(scopes.map(\.rawValue).sorted()),
            "created_at": JSONValue(createdAt),
            "last_used_at": JSONValue(lastUsedAt),
        ]
    }
}
