import HTTPTypes
import Hummingbird
import NIOCore
import TerapiCore

/// What providers send to us, and what the team sees and does about it.
struct ProviderWebhookRoutes: Sendable {
    let webhooks: any ProviderWebhookControl
    /// Where providers reach the server, without a slash at the end: some sign the address as it was registered.
    let publicURL: String

    // MARK: The provider

    func receive(_ call: Call) async throws -> Response {
        // Before the body: who sends to nobody's address is not listened to.
        let address = ProviderWebhookAddress(
            environment: call.parameter("environment"),
            integrationKey: call.parameter("uniqueKey"),
            token: call.parameters["token"].map { Secret($0) }
        )
        let request = ProviderWebhookRequest(
            method: call.request.method.rawValue,
            url: publicURL + call.request.uri.string,
            headers: call.request.headers.map { .init($0.name.canonicalName, $0.value) },
            body: try await call.bytes()
        )
        do {
            return Self.response(try await webhooks.receive(request, at: address))
        } catch let error as TerapiError where error.code == .unknownProviderConfig {
            throw StatusError(.notFound, error)
        }
    }

    private static func response(_ answer: ProviderWebhookAnswer) -> Response {
        var headers = HTTPFields()
        for header in answer.headers {
            guard let name = HTTPField.Name(header.name) else { continue }
            headers[name] = header.value
        }
        return Response(
            status: .init(code: answer.status),
            headers: headers,
            body: answer.body.isEmpty ? .init() : ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body))
        )
    }

    // MARK: The team

    func list(_ call: Call) async throws -> Response {
        var query = try call.query()
        let filter = Self.filter(&query)
        try query.finish()
        return try await list(filter, in: call.scope)
    }

    func list(_ filter: ProviderWebhookFilter, in scope: EnvironmentScope) async throws -> Response {
        .json(["data": .array(try await webhooks.webhooks(filter, in: scope).map { .object($0.json) })])
    }

    func one(_ call: Call) async throws -> Response {
        try await one(try call.parameter("webhookId", .lettersDigits(and: "_", 1...64)), in: call.scope)
    }

    func one(_ id: String, in scope: EnvironmentScope) async throws -> Response {
        guard let webhook = try await webhooks.webhook(id, in: scope) else { throw Self.unknown }
        var json = webhook.json
        json["headers"] = JSONValue(webhook.request.shownHeaders)
        if let text = String(validating: webhook.request.body, as: UTF8.self) {
            json["body"] = .string(text)
        } else {
            json["body_base64"] = .string(Base64.standard.encode(webhook.request.body))
        }
        return .json(["data": .object(json)])
    }

    func replayOne(_ call: Call) async throws -> Response {
        let id = try call.parameter("webhookId", .lettersDigits(and: "_", 1...64))
        let count = try await webhooks.replay(ProviderWebhookFilter(ids: [id], limit: 1), in: call.scope)
        guard count > 0 else { throw Self.unknown }
        return .json(["replayed": JSONValue(count)])
    }

    func replay(_ call: Call) async throws -> Response {
        try await replay(call, in: call.scope)
    }

    func replay(_ call: Call, in scope: EnvironmentScope) async throws -> Response {
        var body = try await call.body()
        let ids = body.texts("ids", maxCount: 1000) ?? []
        let key = body.text("provider_config_key", .integrationKey)
        let state = body.text("state")
        let after = Self.moment("after", &body)
        let before = Self.moment("before", &body)
        let states = state.map { [ProviderWebhook.State(rawValue: $0)].compactMap(\.self) } ?? []
        if state != nil, states.isEmpty {
            body.refuse("state", code: "invalid_enum_value", "Expected received, done, unmatched or failed.")
        }
        if ids.isEmpty, state == nil, key == nil, after == nil, before == nil {
            body.refuse(
                "ids", code: "required", "Say which: ids, provider_config_key, state, after or before.")
        }
        try body.finish()
        let filter = ProviderWebhookFilter(
            ids: ids, states: states, integrationKey: key, after: after, before: before, limit: 100_000)
        return .json(["replayed": JSONValue(try await webhooks.replay(filter, in: scope))])
    }

    private static func moment(_ field: String, _ body: inout BodyReader) -> Timestamp? {
        guard let text = body.text(field) else { return nil }
        guard let moment = Timestamp(iso8601: text) else {
            body.refuse(field, code: "invalid_string", "Expected a time such as 2026-01-31T10:00:00Z.")
            return nil
        }
        return moment
    }

    static func filter(_ query: inout QueryReader) -> ProviderWebhookFilter {
        let names = query.list("state", .text(1...32), maxCount: 4)
        let states = names.compactMap(ProviderWebhook.State.init)
        if states.count < names.count {
            query.refuse("state", "invalid_enum_value", "Expected received, done, unmatched or failed.")
        }
        return ProviderWebhookFilter(
            states: states,
            integrationKey: query.text("provider_config_key", .integrationKey),
            after: query.moment("after"),
            before: query.moment("before"),
            limit: query.integer("limit", in: 1...1000) ?? 100
        )
    }

    private static var unknown: TerapiError {
        TerapiError(.notFound, "The environment has no provider webhook with this id.")
    }
}

extension ProviderWebhook {
    fileprivate var json: JSONObject {
        [
            "id": .string(id),
            "provider_config_key": .string(integrationKey),
            "state": .string(state.rawValue),
            "types": JSONValue(types),
            "received_at": JSONValue(receivedAt),
            "next_attempt_at": JSONValue(dueAt),
            "attempts": JSONValue(attempts),
            "error": JSONValue(error),
            "bytes": JSONValue(request.body.count),
        ]
    }
}

extension ProviderWebhookRequest {
    /// Without what could be used to send another.
    fileprivate var shownHeaders: [String: String] {
        let secret = ["authorization", "cookie", "token", "secret", "signature", "client-id", "hmac"]
        return Dictionary(
            headers.map { header in
                (header.name, secret.contains { header.name.contains($0) } ? "***" : header.value)
            },
            uniquingKeysWith: { "\($0), \($1)" }
        )
    }
}
