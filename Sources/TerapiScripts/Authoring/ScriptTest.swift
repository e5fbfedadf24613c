public import TerapiCore

/// A script's test: what it begins with, what it sends and gets, and what must come of it.
///
/// A file of JSON, `integrations/<integration>/tests/<script>.test.json`.
public struct ScriptTest: Sendable, Equatable {
    /// What a server answered to a call that is no request.
    public struct Call: Sendable, Equatable {
        public var name: String
        public var arguments: [JSONValue]
        public var result: JSONValue

        public init(name: String, arguments: [JSONValue], result: JSONValue) {
            self.name = name
            self.arguments = arguments
            self.result = result
        }
    }

    public static let suffix = ".test.json"

    public var script: String
    public var kind: ScriptInvocation.Kind
    /// What a dryrun may begin with, by the names in ``factNames``.
    public var facts: JSONObject
    public var calls: [Call]
    public var exchanges: [Exchange]
    /// What must come of it; see ``result(of:facts:)``.
    public var result: JSONObject

    public static let factNames = [
        "now", "input", "connection", "metadata", "checkpoint", "token", "variables", "paginate", "webhook_url",
    ]

    public init(
        script: String,
        kind: ScriptInvocation.Kind,
        facts: JSONObject,
        calls: [Call] = [],
        exchanges: [Exchange],
        result: JSONObject
    ) {
        self.script = script
        self.kind = kind
        self.facts = facts
        self.calls = calls
        self.exchanges = exchanges
        self.result = result
    }

    /// Where a script's test is, relative to the folder of integrations.
    /// - Parameter label: tells several tests of a script apart.
    public static func path(_ script: String, integrationKey: String, label: String? = nil) -> String {
        "\(integrationKey)/tests/\(script)\(label.map { ".\($0)" } ?? "")\(suffix)"
    }

    /// The members of a dryrun's document that a test compares: neither what is empty nor what it began with, and not
    /// the logs.
    public static func result(of document: JSONValue, facts: JSONObject) -> JSONObject {
        var result: JSONObject = [:]
        func keep(_ name: String, _ value: JSONValue?) {
            if let value, !value.isNull, value.object?.isEmpty != true { result[name] = value }
        }
        keep("output", document["output"])
        for name in ["saved", "updated", "deleted"] {
            let models = (document[name]?.object?.members ?? []).filter { $0.value.array?.isEmpty == false }
            keep(name, .object(JSONObject(models.map { ($0.name, $0.value) })))
        }
        for name in ["tracked", "checkpoint"] { keep(name, document[name]) }
        if document["metadata"] != facts["metadata"] { keep("metadata", document["metadata"]) }
        // A place in the file changes with every line above it.
        let error = (document["error"]?.object?.members ?? []).filter { $0.name != "location" }
        keep("error", .object(JSONObject(error.map { ($0.name, $0.value) })))
        return result
    }
}

// MARK: The file

extension ScriptTest {
    /// - Throws: `TerapiError(.invalidDefinition)` that names what is wrong.
    public init(_ bytes: [UInt8], file: String) throws {
        let json: JSONValue
        do {
            json = try JSONReader.read(bytes)
        } catch {
            throw Self.mistake(file, "it is not JSON: \(error)")
        }
        guard let script = json["script"]?.string, let kind = json["kind"]?.string,
            let kind = ScriptInvocation.Kind(rawValue: kind), kind != .describe
        else { throw Self.mistake(file, "expected the members \"script\" and \"kind\" (sync, action or on-event)") }
        self.init(
            script: script,
            kind: kind,
            facts: JSONObject(Self.factNames.compactMap { name in json[name].map { (name, $0) } }),
            calls: try (json["calls"]?.array ?? []).map { call in
                guard let name = call["name"]?.string else { throw Self.mistake(file, "expected \"name\" in a call") }
                return Call(name: name, arguments: call["arguments"]?.array ?? [], result: call["result"] ?? .null)
            },
            exchanges: try (json["exchanges"]?.array ?? []).map { try Exchange($0, file: file) },
            result: json["result"]?.object ?? [:]
        )
    }

    public var text: String {
        var json: JSONObject = ["script": .string(script), "kind": .string(kind.rawValue)]
        for (name, value) in facts.members { json[name] = value }
        if !calls.isEmpty {
            json["calls"] = .array(
                calls.map { call in
                    ["name": .string(call.name), "arguments": .array(call.arguments), "result": call.result]
                }
            )
        }
        json["exchanges"] = .array(exchanges.map(\.json))
        json["result"] = .object(result)
        return JSONValue.object(json).layout + "\n"
    }

    fileprivate static func mistake(_ file: String, _ message: String) -> TerapiError {
        TerapiError(.invalidDefinition, "The test \(file) cannot be read: \(message).")
    }
}

extension Exchange {
    fileprivate init(_ json: JSONValue, file: String) throws {
        guard let request = json["request"], let method = request["method"]?.string,
            let path = request["path"]?.string
        else { throw ScriptTest.mistake(file, "expected \"request\" with \"method\" and \"path\" in an exchange") }
        self.request = RecordedRequest(
            method: method,
            path: path,
            query: (request["query"]?.object?.members ?? []).flatMap { name, value in
                (value.array ?? [value]).map { (name, $0.string ?? $0.text()) }
            },
            body: try RecordedBody(in: request, file: file)
        )
        if let error = json["error"] {
            answer = .failure(
                code: error["code"]?.string.flatMap(TerapiError.Code.init) ?? .providerUnreachable,
                message: error["message"]?.string ?? ""
            )
        } else {
            guard let response = json["response"], let status = response["status"]?.int else {
                throw ScriptTest.mistake(file, "expected \"response\" with \"status\" for \(method) \(path)")
            }
            answer = .response(
                status: status,
                headers: response["headers"]?.object ?? [:],
                body: try RecordedBody(in: response, file: file)
            )
        }
    }

    fileprivate var json: JSONValue {
        var sent: JSONObject = ["method": .string(request.method), "path": .string(request.path)]
        if !request.query.isEmpty {
            var query: JSONObject = [:]
            for (name, value) in request.query {
                let known = query[name].map { $0.array ?? [$0] }
                query[name] = known.map { .array($0 + [.string(value)]) } ?? .string(value)
            }
            sent["query"] = .object(query)
        }
        request.body.write(to: &sent)
        switch answer {
        case .failure(let code, let message):
            return [
                "request": .object(sent), "error": ["code": .string(code.rawValue), "message": .string(message)],
            ]
        case .response(let status, let headers, let body):
            var response: JSONObject = ["status": JSONValue(status)]
            if !headers.isEmpty { response["headers"] = .object(headers) }
            body.write(to: &response)
            return ["request": .object(sent), "response": .object(response)]
        }
    }
}

extension RecordedBody {
    fileprivate init(in json: JSONValue, file: String) throws {
        if let value = json["body"] {
            self = .json(value)
        } else if let text = json["body_text"]?.string {
            self = .text(text)
        } else if let text = json["body_base64"]?.string {
            guard let bytes = Base64.standard.decode(text) else {
                throw ScriptTest.mistake(file, "a \"body_base64\" is not base64")
            }
            self = .bytes(bytes)
        } else {
            self = .none
        }
    }

    fileprivate func write(to json: inout JSONObject) {
        switch self {
        case .none: break
        case .json(let value): json["body"] = value
        case .text(let text): json["body_text"] = .string(text)
        case .bytes(let bytes): json["body_base64"] = .string(Base64.standard.encode(bytes))
        }
    }
}
