import HTTPTypes
import Hummingbird
import TerapiCore

/// Lets language models call the actions of one connection: the Model Context Protocol over streamable HTTP.
///
/// Without sessions and without streams: every request is answered by one JSON document, and the headers name the connection
/// each time.
struct MCPRoutes: Sendable {
    let connections: any ConnectionStorage
    let actions: any ActionControl

    func answer(_ call: Call) async throws -> Response {
        let (integrationKey, connectionID) = try call.connectionHeaders()
        let scope = try call.scope
        let connection = try await connections.connection(connectionID, integrationKey: integrationKey, in: scope)
        guard connection != nil else {
            throw TerapiError(.unknownConnection, "There is no such connection in this environment.")
        }
        let session = MCPSession(
            scope: scope, integrationKey: integrationKey, connectionID: connectionID, actions: actions
        )
        let message = try await call.json()
        if let version = call.request.headers[.mcpProtocolVersion], !MCPSession.versions.contains(version) {
            // A client that speaks a later version as well goes on with the handshake of an earlier one.
            return .json(MCPSession.refusal(ofVersion: version, message["id"]), status: .badRequest)
        }
        // Several at once: the protocol's version of March 2025 allows it.
        guard let messages = message.array else {
            guard let answer = await session.answer(message) else { return Response(status: .accepted) }
            return .json(answer)
        }
        var answers: [JSONValue] = []
        for message in messages {
            if let answer = await session.answer(message) { answers.append(answer) }
        }
        return answers.isEmpty ? Response(status: .accepted) : .json(.array(answers))
    }
}
