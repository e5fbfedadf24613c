import HTTPTypes
import Hummingbird
import TerapiCore

/// Records and actions at the addresses that their authors gave them: `ANY /v1/…`.
struct EndpointRoutes: Sendable {
    let offered: OfferedEndpoints
    let records: RecordRoutes
    let actions: ActionRoutes

    func serve(_ call: Call) async throws -> Response {
        let (integrationKey, _) = try call.connectionHeaders()
        let path = try Self.segments(of: call.parameter("*"))
        // What names a segment comes before what takes any.
        let meant = offered.all(of: integrationKey, in: try call.scope)
            .compactMap { offer in offer.endpoint.values(in: path).map { (offer: offer, values: $0) } }
            .sorted { $0.values.count < $1.values.count }
        let method = call.request.method == .head ? .get : call.request.method
        guard let (offer, values) = meant.first(where: { HTTPRequest.Method($0.offer.endpoint.method) == method })
        else {
            throw Self.refusal(of: call, integrationKey, offeredMethods: meant.map(\.offer.endpoint.method))
        }
        switch offer.target {
        case .records(_, let model):
            try call.require(.readRecords)
            return try await records.list(call) { _ in model }
        case .action(let action):
            try call.require(.executeActions)
            return try await actions.run(call) {
                let input = try await EndpointInput(action.input, values).read(call, method: offer.endpoint.method)
                return (action.name, input)
            }
        }
    }

    private static func segments(of path: String) throws -> [String] {
        var segments = path.split(separator: "/", omittingEmptySubsequences: false)
        // A slash at the end is forgiven.
        if segments.last == "" { segments.removeLast() }
        return try segments.map { segment in
            guard let text = PercentEncoding.decode(segment), !text.isEmpty else {
                throw TerapiError(
                    .invalidURIParams, "The address has a part that is empty or not percent-encoded UTF-8.")
            }
            return text
        }
    }

    private static func refusal(
        of call: Call,
        _ integrationKey: String,
        offeredMethods: [ScriptEndpoint.Method]
    ) -> TerapiError {
        guard offeredMethods.isEmpty else {
            let allowed = Set(offeredMethods.map(\.rawValue)).sorted().joined(separator: ", ")
            return TerapiError(.methodNotAllowed, "This address takes \(allowed).")
        }
        return TerapiError(
            .notFound,
            "No script of the integration \"\(integrationKey)\" is offered at \(call.request.method.rawValue) "
                + "/\(call.parameter("*")). GET /v1/openapi.json shows what is."
        )
    }
}

/// The input of an action that was called at its own address.
struct EndpointInput {
    let schema: JSONValue?
    /// From the path.
    let values: [String: String]

    init(_ schema: JSONValue?, _ values: [String: String]) {
        self.schema = schema
        self.values = values
    }

    /// From the path, and from the query or the body.
    func read(_ call: Call, method: ScriptEndpoint.Method) async throws -> JSONValue? {
        var query = try call.query()
        var input = JSONObject()
        switch method {
        case .get, .delete:
            for name in query.all.keys.sorted() {
                let texts = query.list(name, .text(0...65_536), maxCount: 1000)
                let isList = texts.count > 1 || types(of: schema?["properties"]?[name]).contains("array")
                let items = isList ? schema?["properties"]?[name]?["items"] : schema?["properties"]?[name]
                input[name] = isList ? .array(texts.map { typed($0, items) }) : typed(texts.first ?? "", items)
            }
            try query.finish()
        default:
            try query.finish()
            let body = try await call.json()
            guard let object = body.object else {
                guard values.isEmpty else {
                    throw TerapiError(.invalidBody, "Expected the body to be an object and not \(body.kind).")
                }
                return body
            }
            input = object
        }
        for (name, value) in values { input[name] = typed(value, schema?["properties"]?[name]) }
        return input.isEmpty && schema == nil ? nil : .object(input)
    }

    /// A text as the schema wants it, where it can be that.
    private func typed(_ text: String, _ schema: JSONValue?) -> JSONValue {
        let types = types(of: schema)
        guard !types.contains("string"), let value = try? JSONReader.read(Array(text.utf8)) else {
            return .string(text)
        }
        switch value {
        case .number where types.contains("number") || types.contains("integer"): return value
        case .bool where types.contains("boolean"): return value
        default: return .string(text)
        }
    }

    private func types(of schema: JSONValue?) -> [String] {
        let choices = (schema?["anyOf"]?.array ?? schema?["oneOf"]?.array ?? []) + [schema].compactMap(\.self)
        return choices.flatMap { choice in
            choice["type"]?.string.map { [$0] } ?? (choice["type"]?.array ?? []).compactMap(\.string)
        }
    }
}
