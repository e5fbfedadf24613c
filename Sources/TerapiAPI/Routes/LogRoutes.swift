import Hummingbird
import TerapiCore

/// What Terapi did for an environment.
struct LogRoutes: Sendable {
    let logs: any LogStorage

    func operations(_ call: Call) async throws -> Response {
        var query = try call.query()
        var filter = LogFilter()
        filter.kinds = query.choices("type", LogOperation.Kind.self)
        filter.states = query.choices("state", LogOperation.State.self)
        filter.integrationKey = query.text("integrationId", .integrationKey)
        filter.connectionID = query.text("connectionId", .connectionID)
        filter.search = query.text("search")
        filter.after = query.moment("after")
        filter.before = query.moment("before")
        filter.limit = query.integer("limit", in: 1...1000) ?? filter.limit
        try query.finish()

        let found = try await logs.operations(filter, in: call.scope)
        return .json(["data": .array(found.map(\.json))])
    }

    func messages(_ call: Call) async throws -> Response {
        let id = try call.parameter("operationId", .lettersDigits(and: "_-", 1...64))
        var query = try call.query()
        let after = query.integer("after", in: 0...Int.max)
        let limit = query.integer("limit", in: 1...1000) ?? 100
        try query.finish()

        guard let operation = try await logs.operation(id, in: call.scope) else {
            throw TerapiError(.notFound, "The environment has no operation with this id.")
        }
        let found = try await logs.messages(operationID: id, after: after.map(Int64.init), limit: limit)
        return .json([
            "operation": operation.json,
            "data": .array(found.map { $0.message.json(id: $0.id) }),
        ])
    }
}

extension LogOperation {
    fileprivate var json: JSONValue {
        [
            "id": .string(id),
            "type": .string(kind.rawValue),
            "state": .string(state.rawValue),
            "message": .string(message),
            "integration_id": JSONValue(integrationKey),
            "connection_id": JSONValue(connectionID),
            "subject": JSONValue(subject),
            "created_at": JSONValue(createdAt),
            "ended_at": JSONValue(endedAt),
        ]
    }
}

extension LogMessage {
    func json(id: Int64) -> JSONValue {
        [
            "id": JSONValue(id),
            "operation_id": .string(operationID),
            "level": .string(level.rawValue),
            "source": isFromScript ? "script" : "terapi",
            "message": .string(message),
            "meta": .object(meta),
            "created_at": JSONValue(createdAt),
        ]
    }
}
