import TerapiCore

/// Answers the messages (JSON-RPC 2.0) of one client about the actions of one connection.
struct MCPSession: Sendable {
    /// Versions of the protocol, the latest first.
    static let versions = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]

    private enum Code {
        static let invalidRequest = -32_600
        static let unknownMethod = -32_601
        static let invalidParameters = -32_602
        static let internalError = -32_603
        static let unsupportedVersion = -32_022
    }

    private struct Failure: Error {
        var code: Int
        var message: String
    }

    let scope: EnvironmentScope
    let integrationKey: String
    let connectionID: String
    let actions: any ActionControl

    /// - Returns: `nil` for what wants no answer.
    func answer(_ message: JSONValue) async -> JSONValue? {
        let id = message["id"]
        guard message["jsonrpc"]?.string == "2.0", let method = message["method"]?.string else {
            // An answer to a question that was never asked.
            if message["result"] != nil || message["error"] != nil { return nil }
            return Self.failure(Failure(code: Code.invalidRequest, message: "Expected a JSON-RPC 2.0 request."), id)
        }
        guard let id, !id.isNull else { return nil }
        do {
            let result = try await result(of: method, message["params"] ?? [:])
            return ["jsonrpc": "2.0", "id": id, "result": result]
        } catch let failure as Failure {
            return Self.failure(failure, id)
        } catch {
            return Self.failure(Failure(code: Code.internalError, message: "Something went wrong on our side."), id)
        }
    }

    private func result(of method: String, _ parameters: JSONValue) async throws -> JSONValue {
        switch method {
        case "initialize": return initialize(parameters)
        case "ping": return [:]
        case "tools/list": return ["tools": .array(tools.map(\.json))]
        case "tools/call": return try await run(parameters)
        default: throw Failure(code: Code.unknownMethod, message: "There is no method \"\(method)\".")
        }
    }

    private func initialize(_ parameters: JSONValue) -> JSONValue {
        let asked = parameters["protocolVersion"]?.string ?? ""
        return [
            "protocolVersion": .string(Self.versions.contains(asked) ? asked : Self.versions[0]),
            "capabilities": ["tools": [:]],
            "serverInfo": ["name": "terapi", "version": "1"],
            "instructions": .string("The actions of the integration \"\(integrationKey)\" on one connection."),
        ]
    }

    private var tools: [MCPTool] {
        let found = actions.actions(integrationKey: integrationKey, in: scope)
        return zip(ToolName.unique(found.map(\.name)), found).map { MCPTool(name: $0, action: $1) }
    }

    private func run(_ parameters: JSONValue) async throws -> JSONValue {
        let name = parameters["name"]?.string ?? ""
        guard let tool = tools.first(where: { $0.name == name }) else {
            throw Failure(code: Code.invalidParameters, message: "There is no tool \"\(name)\".")
        }
        do {
            let output = try await actions.run(
                ActionRequest(
                    scope: scope,
                    integrationKey: integrationKey,
                    connectionID: connectionID,
                    name: tool.action.name,
                    input: tool.input(parameters["arguments"])
                )
            )
            return tool.result(output)
        } catch let error as TerapiError {
            // For the model to read: it may do better with other arguments.
            return ["content": [["type": "text", "text": .string(error.json.text())]], "isError": true]
        }
    }

    static func refusal(ofVersion version: String, _ id: JSONValue?) -> JSONValue {
        [
            "jsonrpc": "2.0", "id": id ?? .null,
            "error": [
                "code": JSONValue(Code.unsupportedVersion),
                "message": "This version of the protocol is not spoken here.",
                "data": ["supported": JSONValue(versions), "requested": .string(version)],
            ],
        ]
    }

    private static func failure(_ failure: Failure, _ id: JSONValue?) -> JSONValue {
        [
            "jsonrpc": "2.0", "id": id ?? .null,
            "error": ["code": JSONValue(failure.code), "message": .string(failure.message)],
        ]
    }
}
