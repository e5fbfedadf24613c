import Hummingbird
import TerapiCore

/// Providers as the team has set them up in an environment.
struct IntegrationRoutes: Sendable {
    let settings: any SettingsStorage
    let providers: any ProviderAPI
    let connectFlow: any ConnectFlow
    let publicURL: String

    private enum Part: String, CaseIterable {
        case webhook, credentials
    }

    func list(_ call: Call) async throws -> Response {
        .json(["data": .array(try await visible(to: call).map(\.json))])
    }

    /// The older name of the same list.
    func listConfigs(_ call: Call) async throws -> Response {
        .json(["configs": .array(try await visible(to: call).map(\.json))])
    }

    private func visible(to call: Call) async throws -> [Integration] {
        let integrations = try await settings.integrations(in: call.scope)
        guard case .session(let session) = call.caller else { return integrations }
        return integrations.filter { session.allows(integration: $0.key) }
    }

    func one(_ call: Call) async throws -> Response {
        let key = try call.parameter("uniqueKey", .integrationKey)
        var query = try call.query()
        let includes = query.list("include", .text(1...32), maxCount: 4)
        let parts = includes.compactMap(Part.init)
        if parts.count < includes.count {
            query.refuse("include", "invalid_enum_value", "Expected \"webhook\" or \"credentials\".")
        }
        try query.finish()

        let integration = try await integration(key, in: call.scope)
        guard var json = integration.json.object else { return .success }
        if parts.contains(.webhook) {
            let environment = try await settings.environment(call.scope)
            let key = PercentEncoding.encode(integration.key)
            json["webhook_url"] = .string("\(publicURL)/webhook/\(environment.uuid)/\(key)")
        }
        if parts.contains(.credentials), call.allows(.readIntegrationCredentials) {
            json["credentials"] = integration.credentials?.json ?? .null
        }
        return .json(["data": .object(json)])
    }

    func create(_ call: Call) async throws -> Response {
        var body = try await call.body()
        let key = body.requiredText("unique_key", .integrationKey)
        let providerName = body.requiredText("provider", .providerName)
        let displayName = body.text("display_name")
        let forwardsWebhooks = body.flag("forward_webhooks")
        let config = body.object("integration_config")
        let custom = body.object("custom")
        let provider = providers.provider(providerName)
        if provider == nil, !providerName.isEmpty {
            body.refuse("provider", code: "custom", "The catalogue has no provider of this name.")
        }
        let credentials = readCredentials(&body, mode: provider?.authMode, current: nil)
        try body.finish()

        let integration = Integration(
            scope: try call.scope,
            key: key,
            provider: providerName,
            displayName: displayName ?? provider?.displayName ?? providerName,
            forwardsWebhooks: forwardsWebhooks ?? true,
            credentials: credentials,
            custom: (config ?? JSONObject()).merging(custom ?? JSONObject()),
            createdAt: call.now,
            updatedAt: call.now
        )
        return .json(["data": try await settings.createIntegration(integration).json])
    }

    func update(_ call: Call) async throws -> Response {
        let key = try call.parameter("uniqueKey", .integrationKey)
        var integration = try await integration(key, in: call.scope)
        var body = try await call.body()
        if let newKey = body.text("unique_key", .integrationKey) { integration.key = newKey }
        if let name = body.text("display_name") { integration.displayName = name }
        if let forwards = body.flag("forward_webhooks") { integration.forwardsWebhooks = forwards }
        for field in ["integration_config", "custom"] {
            if let object = body.object(field) { integration.custom = integration.custom.merging(object) }
        }
        let mode = providers.provider(integration.provider)?.authMode
        if let credentials = readCredentials(&body, mode: mode, current: integration.credentials) {
            integration.credentials = credentials
        }
        try body.finish()

        integration.updatedAt = call.now
        try await settings.updateIntegration(integration)
        return .json(["data": integration.json])
    }

    func delete(_ call: Call) async throws -> Response {
        let key = try call.parameter("uniqueKey", .integrationKey)
        _ = try await integration(key, in: call.scope)
        try await connectFlow.deleteIntegration(key, in: call.scope)
        return .success
    }

    private func integration(_ key: String, in scope: EnvironmentScope) async throws -> Integration {
        guard let integration = try await settings.integration(key: key, in: scope) else {
            throw TerapiError(.notFound, "There is no integration with this key in the environment.")
        }
        return integration
    }

    /// - Parameter current: what a field that is left out keeps.
    private func readCredentials(
        _ body: inout BodyReader,
        mode: AuthMode?,
        current: IntegrationCredentials?
    ) -> IntegrationCredentials? {
        body.nested("credentials") { reader in
            let type = reader.requiredText("type")
            if let mode, type != mode.integrationCredentialType {
                reader.refuse(
                    "type", code: "invalid_enum_value",
                    mode.integrationCredentialType.map { "Expected \"\($0)\", the provider's auth mode." }
                        ?? "An integration of the auth mode \(mode.rawValue) has no credentials of its own."
                )
            }
            let hasClient = type != AuthMode.app.rawValue
            let hasApp = [AuthMode.app.rawValue, AuthMode.custom.rawValue].contains(type)
            let clientID = hasClient ? Self.text("client_id", .text(), &reader, current) : nil
            let secret = hasClient ? Self.text("client_secret", .text(1...4096), &reader, current) : nil
            let app = hasApp ? Self.app(&reader, current) : nil
            let scopes = reader.text("scopes", .text(0...8192))
            let webhookSecret = reader.text("webhook_secret", .text(1...4096))
            return IntegrationCredentials(
                type: type,
                clientID: clientID ?? current?.clientID ?? "",
                clientSecret: secret.map { Secret($0) } ?? current?.clientSecret ?? Secret(""),
                scopes: scopes.map(Self.scopes) ?? current?.scopes ?? [],
                webhookSecret: webhookSecret.map { Secret($0) } ?? current?.webhookSecret,
                app: app
            )
        }
    }

    private static func app(_ reader: inout BodyReader, _ current: IntegrationCredentials?)
        -> IntegrationCredentials.App
    {
        let id = text("app_id", .text(1...255), &reader, current)
        let link = text("app_link", .text(1...2048), &reader, current)
        let privateKey = text("private_key", .text(1...16_384), &reader, current)
        if let link, !link.isEmpty, WebOrigin(url: link) == nil {
            reader.refuse("app_link", code: "invalid_format", "Expected the address of the app's public page.")
        }
        if let privateKey, !privateKey.isEmpty, !privateKey.contains("PRIVATE KEY-----") {
            reader.refuse("private_key", code: "invalid_format", "Expected a private key as PEM.")
        }
        return IntegrationCredentials.App(
            id: id ?? current?.app?.id ?? "",
            link: link ?? current?.app?.link ?? "",
            privateKey: privateKey.map { Secret($0) } ?? current?.app?.privateKey ?? Secret("")
        )
    }

    /// A field that must be there unless there is something to keep.
    private static func text(
        _ field: String,
        _ rule: TextRule,
        _ reader: inout BodyReader,
        _ current: IntegrationCredentials?
    ) -> String? {
        current == nil ? reader.requiredText(field, rule) : reader.text(field, rule)
    }

    private static func scopes(_ text: String) -> [String] {
        text.split(separator: ",").map { $0.drop { $0 == " " } }
            .map { String($0.reversed().drop { $0 == " " }.reversed()) }
            .filter { !$0.isEmpty }
    }
}

extension Integration {
    fileprivate var json: JSONValue {
        [
            "unique_key": .string(key),
            "display_name": .string(displayName),
            "provider": .string(provider),
            "logo": .null,
            "created_at": JSONValue(createdAt),
            "updated_at": JSONValue(updatedAt),
            "forward_webhooks": .bool(forwardsWebhooks),
        ]
    }
}

extension IntegrationCredentials {
    /// Secrets included: only for a key that may read an integration's credentials.
    fileprivate var json: JSONValue {
        var object: JSONObject = ["type": .string(type)]
        if type != AuthMode.app.rawValue {
            object["client_id"] = .string(clientID)
            object["client_secret"] = .string(clientSecret.reveal())
        }
        if let app {
            object["app_id"] = .string(app.id)
            object["app_link"] = .string(app.link)
            object["private_key"] = .string(app.privateKey.reveal())
        }
        object["scopes"] = .string(scopes.joined(separator: ","))
        object["webhook_secret"] = JSONValue(webhookSecret?.reveal())
        return .object(object)
    }
}
