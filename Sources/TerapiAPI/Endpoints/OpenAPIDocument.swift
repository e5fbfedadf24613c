import TerapiCore

/// An OpenAPI 3.1 description of what scripts offer, typed by their schemas.
struct OpenAPIDocument {
    private(set) var json: JSONValue = .null
    private var library = SchemaLibrary()
    private var operationIDs: Set<String> = []

    init(_ offers: [OfferedEndpoints.Offer], server: String) {
        // First, so that no model takes their names.
        let error = library.set("Error", Self.errorSchema)
        _ = library.set(Self.metadataName, Self.metadataSchema)
        var paths: JSONObject = [:]
        // One address of several integrations is one path, however each names its parameters.
        var groups: [(path: String, method: ScriptEndpoint.Method, offers: [OfferedEndpoints.Offer])] = []
        var pathOfShape: [[String]: String] = [:]
        for offer in offers {
            let shape = offer.endpoint.segments.map { if case .text(let text) = $0 { "/\(text)" } else { "{}" } }
            let path = pathOfShape[shape] ?? offer.endpoint.path
            pathOfShape[shape] = path
            if let index = groups.firstIndex(where: { $0.path == path && $0.method == offer.endpoint.method }) {
                // Of one integration only the first answers.
                guard !groups[index].offers.contains(where: { $0.integrationKey == offer.integrationKey }) else {
                    continue
                }
                groups[index].offers.append(offer)
            } else {
                groups.append((path, offer.endpoint.method, [offer]))
            }
        }
        for group in groups.sorted(by: { ($0.path, $0.method.rawValue) < ($1.path, $1.method.rawValue) }) {
            var item = paths[group.path]?.object ?? [:]
            item[group.method.rawValue.lowercased()] = operation(group.path, group.method, group.offers)
            paths[group.path] = .object(item)
        }
        json = [
            "openapi": "3.1.0",
            "info": [
                "title": "Terapi",
                "version": "1",
                "description": "The records and actions that the integrations of this environment offer.",
            ],
            "servers": [["url": .string(server)]],
            "security": [["key": []]],
            "paths": .object(paths),
            "components": [
                "securitySchemes": ["key": ["type": "http", "scheme": "bearer"]],
                "responses": [
                    "Error": [
                        "description": "What went wrong, and what to do.",
                        "content": ["application/json": ["schema": error]],
                    ]
                ],
                "schemas": .object(library.components),
            ],
        ]
    }

    private mutating func operation(
        _ path: String,
        _ method: ScriptEndpoint.Method,
        _ offers: [OfferedEndpoints.Offer]
    ) -> JSONValue {
        let keys = offers.map(\.integrationKey)
        let first = offers[0]
        let tags = Set(offers.map { $0.endpoint.group ?? $0.integrationKey }).sorted()
        let descriptions = offers.map { "\($0.integrationKey): \($0.target.description)" }
        var operation: JSONObject = [
            "operationId": .string(operationID(method, path)),
            "summary": .string(offers.count == 1 ? first.target.description : first.target.name),
            "tags": JSONValue(tags),
        ]
        if offers.count > 1 { operation["description"] = .string(descriptions.joined(separator: "\n\n")) }
        var parameters: [JSONValue] = [
            Self.header("Provider-Config-Key", ["type": "string", "enum": JSONValue(keys)]),
            Self.header("Connection-Id", ["type": "string"]),
        ]
        for name in first.endpoint.parameters {
            parameters.append(["name": .string(name), "in": "path", "required": true, "schema": first.schema(of: name)])
        }
        var answers: [JSONValue] = []
        var inputs: [JSONValue] = []
        var query: [(name: String, schema: JSONValue, isRequired: Bool)] = []
        for offer in offers {
            switch offer.target {
            case .records(let sync, let model):
                if answers.isEmpty { parameters += Self.recordParameters }
                answers.append(page(of: model, sync))
            case .action(let action):
                if let output = action.output {
                    let name = "\(action.name).output"
                    answers.append(library.add(SchemaLibrary.relaxed(output), named: name, of: action.integrationKey))
                } else {
                    answers.append([:])
                }
                guard let input = offer.inputWithoutPath else { continue }
                if method == .get || method == .delete {
                    query += offer.queryParameters(of: input)
                } else {
                    inputs.append(library.add(input, named: "\(action.name).input", of: action.integrationKey))
                }
            }
        }
        var named: Set<String> = Set(Self.recordParameters.compactMap { $0["name"]?.string }).filter { _ in
            if case .records = first.target { true } else { false }
        }
        for parameter in query where named.insert(parameter.name).inserted {
            parameters.append([
                "name": .string(parameter.name), "in": "query",
                // Where only one integration needs it, the others do not.
                "required": .bool(parameter.isRequired && offers.count == 1), "schema": parameter.schema,
            ])
        }
        operation["parameters"] = .array(parameters)
        if !inputs.isEmpty {
            operation["requestBody"] = [
                "required": true, "content": ["application/json": ["schema": Self.any(of: inputs)]],
            ]
        }
        operation["responses"] = [
            "200": [
                "description": "What was asked for.",
                "content": ["application/json": ["schema": Self.any(of: answers)]],
            ],
            "default": ["$ref": "#/components/responses/Error"],
        ]
        return .object(operation)
    }

    private mutating func page(of model: String, _ sync: SyncDefinition) -> JSONValue {
        let schema = sync.schemas[model].map(SchemaLibrary.relaxed) ?? Self.plainRecord
        let record = library.add(schema, named: model, of: sync.integrationKey)
        let metadata = SchemaLibrary.reference(to: Self.metadataName)
        return [
            "type": "object",
            "required": ["records", "next_cursor"],
            "properties": [
                "records": [
                    "type": "array",
                    "items": [
                        "allOf": [
                            record,
                            [
                                "type": "object", "required": ["_terapi_metadata"],
                                "properties": ["_terapi_metadata": metadata],
                            ],
                        ]
                    ],
                ],
                "next_cursor": ["type": ["string", "null"]],
            ],
        ]
    }

    /// `getCrmContacts`; a number follows where another path has the same words.
    private mutating func operationID(_ method: ScriptEndpoint.Method, _ path: String) -> String {
        let words = path.split { !$0.isLetter && !$0.isNumber }.map { $0.prefix(1).uppercased() + $0.dropFirst() }
        let name = method.rawValue.lowercased() + words.joined()
        var candidate = name
        var number = 2
        while !operationIDs.insert(candidate).inserted {
            candidate = "\(name)_\(number)"
            number += 1
        }
        return candidate
    }

    private static func any(of schemas: [JSONValue]) -> JSONValue {
        var different: [JSONValue] = []
        for schema in schemas where !different.contains(schema) { different.append(schema) }
        return different.count == 1 ? different[0] : ["anyOf": .array(different)]
    }

    private static func header(_ name: String, _ schema: JSONValue) -> JSONValue {
        ["name": .string(name), "in": "header", "required": true, "schema": schema]
    }

    private static func query(_ name: String, _ schema: JSONValue, _ description: String) -> JSONValue {
        [
            "name": .string(name), "in": "query", "required": false, "schema": schema,
            "description": .string(description),
        ]
    }

    private static let recordParameters: [JSONValue] = [
        query("cursor", ["type": "string"], "Only what comes behind this record's cursor."),
        query("limit", ["type": "integer", "minimum": 1, "maximum": 10_000, "default": 100], "Records of a page."),
        query("modified_after", ["type": "string", "format": "date-time"], "Only what has changed since."),
        query("filter", ["type": "string"], "added, updated and deleted, joined by commas."),
        query("ids", ["type": "array", "items": ["type": "string"], "maxItems": 100], "Only these records."),
        query("variant", ["type": "string"], "A variant of the sync."),
    ]

    /// Of a model that nobody has described.
    private static let plainRecord: JSONValue = [
        "type": "object", "required": ["id"], "properties": ["id": ["type": "string"]],
    ]

    private static let metadataName = "RecordMetadata"

    private static let metadataSchema: JSONValue = [
        "type": "object",
        "required": ["first_seen_at", "last_modified_at", "last_action", "deleted_at", "pruned_at", "cursor"],
        "properties": [
            "first_seen_at": ["type": "string", "format": "date-time"],
            "last_modified_at": ["type": "string", "format": "date-time"],
            "last_action": ["type": "string", "enum": ["ADDED", "UPDATED", "DELETED"]],
            "deleted_at": ["type": ["string", "null"], "format": "date-time"],
            "pruned_at": ["type": ["string", "null"], "format": "date-time"],
            "cursor": ["type": "string"],
        ],
    ]

    private static let errorSchema: JSONValue = [
        "type": "object",
        "required": ["error"],
        "properties": [
            "error": [
                "type": "object", "required": ["code"],
                "properties": ["code": ["type": "string"], "message": ["type": "string"]],
            ]
        ],
    ]
}

extension OfferedEndpoints.Target {
    var name: String {
        switch self {
        case .records(_, let model): model
        case .action(let action): action.name
        }
    }

    var description: String {
        switch self {
        case .records(let sync, let model): sync.description.isEmpty ? "Records of \(model)" : sync.description
        case .action(let action): action.description.isEmpty ? action.name : action.description
        }
    }
}

extension OfferedEndpoints.Offer {
    private var input: JSONValue? { if case .action(let action) = target { action.input } else { nil } }

    /// Of a parameter of the path.
    fileprivate func schema(of name: String) -> JSONValue {
        let schema = input?["properties"]?[name]
        // A reference is the input's own, and has no meaning here.
        return schema?["$ref"] == nil ? schema ?? ["type": "string"] : ["type": "string"]
    }

    /// What is left to send; `nil` when the path says it all.
    fileprivate var inputWithoutPath: JSONValue? {
        guard case .object(var schema)? = input, let properties = schema["properties"]?.object else { return input }
        let inPath = Set(endpoint.parameters)
        guard !inPath.isEmpty else { return input }
        let rest = properties.members.filter { !inPath.contains($0.name) }
        guard !rest.isEmpty else { return nil }
        schema["properties"] = .object(JSONObject(rest.map { ($0.name, $0.value) }))
        let required = (schema["required"]?.array ?? []).filter { $0.string.map { !inPath.contains($0) } ?? true }
        schema["required"] = required.isEmpty ? nil : .array(required)
        return .object(schema)
    }

    fileprivate func queryParameters(of input: JSONValue) -> [(name: String, schema: JSONValue, isRequired: Bool)] {
        let required = Set((input["required"]?.array ?? []).compactMap(\.string))
        return (input["properties"]?.object?.members ?? []).map { name, schema in
            (name, schema["$ref"] == nil ? schema : ["type": "string"], required.contains(name))
        }
    }
}
