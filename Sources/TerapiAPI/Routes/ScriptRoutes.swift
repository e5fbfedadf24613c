import Hummingbird
import TerapiCore

/// What scripts an environment's integrations have.
struct ScriptRoutes: Sendable {
    let functions: Functions

    private enum Format: String, CaseIterable {
        case terapi, openai
    }

    func config(_ call: Call) async throws -> Response {
        var query = try call.query()
        let format = query.choice("format", Format.self)
        try query.finish()

        let scope = try call.scope
        let integrations = try await functions.settings.integrations(in: scope)
        let found = integrations.map { ($0, functions.all(of: $0.key, in: scope)) }
        guard format != .openai else { return .json(OpenAITools(found.flatMap(\.1)).json) }
        return .json(.array(found.map { Self.json($0, $1) }))
    }

    private static func json(_ integration: Integration, _ functions: [Function]) -> JSONValue {
        func list(_ kind: ScriptInvocation.Kind) -> JSONValue {
            .array(functions.filter { $0.id.kind == kind }.map { .object($0.json) })
        }
        return [
            "providerConfigKey": .string(integration.key),
            "provider": .string(integration.provider),
            "syncs": list(.sync),
            "actions": list(.action),
            "on-events": list(.onEvent),
        ]
    }
}

/// Actions as a language model can be given them.
struct OpenAITools {
    let json: JSONValue

    init(_ functions: [Function]) {
        let actions = functions.compactMap { function -> ActionDefinition? in
            if case .action(let action) = function.definition { action } else { nil }
        }
        let names = Dictionary(grouping: actions, by: \.name)
        json = [
            "data": .array(
                actions.map { action in
                    let isUnique = names[action.name]?.count == 1
                    let name = isUnique ? action.name : "\(action.integrationKey)_\(action.name)"
                    return [
                        "type": "function",
                        "function": [
                            "name": .string(ToolName.allowed(name)),
                            "description": .string(action.description),
                            "parameters": action.input ?? ["type": "object", "properties": [:]],
                        ],
                    ]
                }
            )
        ]
    }
}

/// What language models take for the name of a tool.
enum ToolName {
    static let maxLength = 64

    /// Letters, digits, `_` and `-` only.
    static func allowed(_ name: String) -> String {
        String(
            name.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-") ? $0 : "_" }
                .prefix(maxLength)
        )
    }

    /// Different ones for actions of one integration, in their order.
    static func unique(_ names: [String]) -> [String] {
        var taken: Set<String> = []
        return names.map { name in
            var candidate = allowed(name)
            var number = 2
            while !taken.insert(candidate).inserted {
                candidate = String(allowed(name).prefix(maxLength - 4)) + "_\(number)"
                number += 1
            }
            return candidate
        }
    }
}
