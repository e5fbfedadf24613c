import Hummingbird
import NIOCore
import TerapiCore

/// The page on which an end user connects an account.
struct ConnectPageRoutes: Sendable {
    let settings: any SettingsStorage
    let providers: any ProviderAPI
    let authenticator: Authenticator

    func show(_ call: Call) async throws -> Response {
        let session = try await authenticator.session(call.parameter("token"))
        let environment = try await settings.environment(session.scope)
        let origins = session.allowedOrigins.isEmpty ? environment.settings.defaultOrigins : session.allowedOrigins
        let choices = try await settings.integrations(in: session.scope)
            .filter { session.allows(integration: $0.key) }
            .compactMap { integration -> JSONValue? in
                guard let provider = providers.provider(integration.provider), provider.authMode.isSupported else {
                    return nil
                }
                return Self.choice(integration, provider, defaults: session.defaults[integration.key])
            }
        let data: JSONValue = [
            "integrations": .array(choices),
            "connectionId": JSONValue(session.connectionID),
            "isReconnecting": .bool(session.isReconnect),
            "origins": JSONValue(origins),
        ]
        return HTML.page(
            title: session.isReconnect ? "Reconnect an account" : "Connect an account",
            main: """
                <main class="card" data-page="\(HTML.escape(data.text()))" aria-live="polite">
                <noscript><h1>Please switch JavaScript on</h1><p>This page needs it to connect your account.</p></noscript>
                </main>
                """,
            script: "connect.js",
            framedBy: origins
        )
    }

    func asset(_ call: Call) throws -> Response {
        let (type, bytes): (String, [UInt8]) =
            switch call.parameter("name") {
            case "connect.css": ("text/css; charset=utf-8", PackageResources.connect_css)
            case "connect.js": ("text/javascript; charset=utf-8", PackageResources.connect_js)
            case "result.js": ("text/javascript; charset=utf-8", PackageResources.result_js)
            default: throw TerapiError(.notFound, "There is no such file.")
            }
        return Response(
            status: .ok,
            headers: [.contentType: type, .cacheControl: "public, max-age=300", .xContentTypeOptions: "nosniff"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        )
    }

    /// An integration with what the end user is asked for.
    private static func choice(
        _ integration: Integration,
        _ provider: Provider,
        defaults: ConnectSession.Defaults?
    ) -> JSONValue {
        let fields = provider.connectionConfig
            .filter { !$0.isHidden && !$0.isAutomated && defaults?.connectionConfig[$0.name] == nil }
            .filter { provider.isOwn($0.name) }
            .sorted { ($0.order ?? .max) < ($1.order ?? .max) }
        return [
            "key": .string(integration.key),
            "name": .string(integration.displayName),
            "mode": .string(provider.authMode.rawValue),
            "fields": .array(fields.map(\.json)),
            "isBrowser": .bool(provider.authMode.needsBrowser),
            "credentials": .array(provider.credentialForm.filter { !$0.isHidden && !$0.isAutomated }.map(\.json)),
            "once": .array(provider.assertionOption.filter { !$0.isHidden }.map(\.json)),
        ]
    }
}

extension Provider.FormField {
    fileprivate var json: JSONValue {
        var json = JSONObject([
            ("name", .string(name)), ("title", .string(title)), ("optional", .bool(isOptional)),
            ("secret", .bool(isSecret)),
        ])
        // A browser takes the line breaks out of what is pasted into a line.
        if name.lowercased().contains("private") { json["isLong"] = true }
        json["description"] = description.map(JSONValue.string)
        json["example"] = example.map(JSONValue.string)
        json["pattern"] = pattern.map(JSONValue.string)
        json["format"] = format.map(JSONValue.string)
        json["default"] = defaultValue.map(JSONValue.string)
        json["prefix"] = prefix.map(JSONValue.string)
        json["suffix"] = suffix.map(JSONValue.string)
        json["choices"] = choices.map { JSONValue($0) }
        return .object(json)
    }
}
