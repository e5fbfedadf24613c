import Hummingbird
import TerapiCore

/// What `terapi dryrun` asks through the socket in the data folder, on behalf of a script that it runs.
struct DryrunRoutes: Sendable {
    let dryruns: any DryrunControl
    let admin: AdminRoutes

    func connection(_ call: Call) async throws -> Response {
        let scope = try await admin.scope(call)
        var body = try await call.body()
        let place = place(&body, in: scope)
        try body.finish()

        let (properties, metadata) = try await dryruns.connection(place)
        return .json(["properties": .object(properties), "metadata": .object(metadata)])
    }

    func request(_ call: Call) async throws -> Response {
        let scope = try await admin.scope(call)
        var body = try await call.body()
        let place = place(&body, in: scope)
        let request = body.nested("request", Self.request)
        if request == nil { body.refuse("request", code: "invalid_type", "Required.") }
        try body.finish()
        guard let request else { return .success }

        let response = try await dryruns.send(request, of: place)
        return .json([
            "status": JSONValue(response.status),
            "headers": .array(response.headers.map { [.string($0.name), .string($0.value)] }),
            "body": .string(Base64.standard.encode(response.body)),
        ])
    }

    func call(_ call: Call) async throws -> Response {
        let scope = try await admin.scope(call)
        var body = try await call.body()
        let place = place(&body, in: scope)
        let name = body.requiredText("name")
        let arguments = body.any("arguments")?.array ?? []
        try body.finish()

        return .json(["result": try await dryruns.call(name, arguments: arguments, of: place)])
    }

    private func place(_ body: inout BodyReader, in scope: EnvironmentScope) -> DryrunPlace {
        DryrunPlace(
            scope: scope,
            integrationKey: body.requiredText("integration"),
            connectionID: body.requiredText("connection_id")
        )
    }

    private static func request(_ body: inout BodyReader) -> ScriptRequest {
        let content = body.text("body", .text(0...Int.max)).map { Base64.standard.decode($0) }
        if case .some(nil) = content { body.refuse("body", code: "invalid_format", "Expected base64.") }
        return ScriptRequest(
            method: body.requiredText("method"),
            endpoint: body.requiredText("endpoint", .text(0...Int.max)),
            baseURLOverride: body.text("base_url_override", .text(0...Int.max)),
            query: pairs(body.any("query")),
            headers: pairs(body.any("headers")),
            body: content.flatMap { $0 },
            retries: body.any("retries")?.int ?? 0,
            retryOn: (body.any("retry_on")?.array ?? []).compactMap(\.int),
            retryHeaders: (body.any("retry_headers")?.array ?? []).compactMap(\.string),
            isAuthorized: body.flag("is_authorized") ?? true
        )
    }

    private static func pairs(_ value: JSONValue?) -> [(name: String, value: String)] {
        (value?.array ?? []).compactMap { pair in
            guard let pair = pair.array, pair.count == 2, let name = pair[0].string, let value = pair[1].string else {
                return nil
            }
            return (name, value)
        }
    }
}
