import HTTPTypes
import Hummingbird
import TerapiCore

/// What the team keeps with its connections.
struct MetadataRoutes: Sendable {
    let connections: any ConnectionStorage

    func replace(_ call: Call) async throws -> Response {
        try await store(call, merge: false, status: .created)
    }

    func merge(_ call: Call) async throws -> Response {
        try await store(call, merge: true, status: .ok)
    }

    private func store(_ call: Call, merge: Bool, status: HTTPResponse.Status) async throws -> Response {
        let json = try await call.json()
        var body = BodyReader(json)
        let integrationKey = body.requiredText("provider_config_key", .integrationKey)
        let metadata = body.requiredObject("metadata")
        let connectionIDs: [String]
        if json["connection_id"]?.array != nil {
            connectionIDs = body.texts("connection_id", .connectionID, maxCount: 1000) ?? []
            if connectionIDs.isEmpty { body.refuse("connection_id", code: "too_small", "Expected at least one id.") }
        } else {
            connectionIDs = [body.requiredText("connection_id", .connectionID)]
        }
        try body.finish()

        try await set(metadata, merge, connectionIDs, integrationKey, call)
        return .json(json, status: status)
    }

    /// The older form: one connection in the path, the body is the metadata itself.
    func replaceOne(_ call: Call) async throws -> Response {
        try await storeOne(call, merge: false, status: .created)
    }

    func mergeOne(_ call: Call) async throws -> Response {
        try await storeOne(call, merge: true, status: .ok)
    }

    private func storeOne(_ call: Call, merge: Bool, status: HTTPResponse.Status) async throws -> Response {
        let connectionID = try call.parameter("connectionId", .connectionID)
        let integrationKey = try call.integrationHeader()
        let json = try await call.json()
        guard let metadata = json.object else {
            let body = BodyReader(json)
            try body.finish()
            return .success
        }
        try await set(metadata, merge, [connectionID], integrationKey, call)
        return .json(json, status: status)
    }

    private func set(
        _ metadata: JSONObject,
        _ merge: Bool,
        _ connectionIDs: [String],
        _ integrationKey: String,
        _ call: Call
    ) async throws {
        do {
            try await connections.setMetadata(
                metadata, merge: merge, connectionIDs: connectionIDs, integrationKey: integrationKey, in: call.scope,
                now: call.now
            )
        } catch let error as TerapiError where error.code == .unknownConnection {
            throw StatusError(.notFound, error)
        }
    }
}
