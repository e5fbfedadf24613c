import TerapiCore

/// An action as a tool.
struct MCPTool: Sendable {
    /// The member that holds an input which is no object: the arguments of a tool always are one.
    private static let wrapped = "input"

    let name: String
    let action: ActionDefinition

    private var takesObject: Bool { action.input.map { $0["type"]?.string == "object" } ?? true }

    /// `nil` when what the action gives is no object, or nobody has said.
    private var outputSchema: JSONValue? {
        // The client holds the answer to it, and Terapi lets more members pass than zod prints.
        action.output.flatMap { $0["type"]?.string == "object" ? SchemaLibrary.relaxed($0) : nil }
    }

    var json: JSONValue {
        var json: JSONObject = ["name": .string(name), "description": .string(action.description)]
        json["inputSchema"] =
            takesObject
            ? action.input ?? ["type": "object"]
            : [
                "type": "object", "properties": [Self.wrapped: action.input ?? [:]],
                "required": [.string(Self.wrapped)],
            ]
        json["outputSchema"] = outputSchema
        return .object(json)
    }

    /// The action's input from a tool's arguments.
    func input(_ arguments: JSONValue?) -> JSONValue? {
        guard takesObject else { return arguments?[Self.wrapped] }
        let isEmpty = arguments?.object?.isEmpty ?? true
        return isEmpty ? action.input.map { _ in [:] } : arguments
    }

    /// - Parameter output: what the action returned, as JSON.
    func result(_ output: [UInt8]) -> JSONValue {
        var result: JSONObject = [
            "content": [["type": "text", "text": .string(String(decoding: output, as: UTF8.self))]],
            "isError": false,
        ]
        if outputSchema != nil, let value = try? JSONReader.read(output), value.object != nil {
            result["structuredContent"] = value
        }
        return .object(result)
    }
}
