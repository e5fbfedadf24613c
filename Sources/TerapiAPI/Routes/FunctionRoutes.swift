import HTTPTypes
import Hummingbird
import TerapiCore

/// Single functions: looking at them, trying them, deploying and removing them.
struct FunctionRoutes: Sendable {
    let functions: Functions
    let control: any FunctionControl

    // MARK: Looking

    func list(_ call: Call) async throws -> Response {
        let key = try call.parameter("uniqueKey", .integrationKey)
        var query = try call.query()
        let kind = query.choice("type", of: ScriptInvocation.Kind.written)
        let search = query.text("search")?.lowercased() ?? ""
        let page = query.integer("page", in: 0...1_000_000) ?? 0
        let limit = query.integer("limit", in: 1...100) ?? 20
        try query.finish()

        let scope = try call.scope
        let integration = try await functions.integration(key, in: scope)
        let found = try await functions.allWithTemplates(of: integration, in: scope).filter { function in
            (kind.map { $0 == function.id.kind } ?? true)
                && (search.isEmpty || function.id.name.lowercased().contains(search)
                    || function.description.lowercased().contains(search))
        }
        return .json([
            "data": .array(found.dropFirst(page * limit).prefix(limit).map { .object($0.json) }),
            "pagination": ["total": JSONValue(found.count), "page": JSONValue(page), "limit": JSONValue(limit)],
        ])
    }

    func one(_ call: Call) async throws -> Response {
        .json(["data": .object(try await function(call).function.json)])
    }

    func code(_ call: Call) async throws -> Response {
        let (function, integration) = try await function(call)
        let id = function.id
        let code =
            function.isEnabled
            ? control.code(of: id, in: try call.scope)
            : control.templateText(of: id, provider: integration.provider)
        guard let code else { throw Self.unknown }
        return .json(["type": .string(id.kind.rawValue), "code": .string(code)])
    }

    func delete(_ call: Call) async throws -> Response {
        let id = try await function(call).function.id
        try await control.remove(id, in: call.scope)
        return .success
    }

    /// Puts what ships in force for one integration, or takes it out again.
    func update(_ call: Call) async throws -> Response {
        var body = try await call.body()
        let isEnabled = body.requiredFlag("enabled")
        try body.finish()

        let (function, integration) = try await function(call)
        let scope = try call.scope
        try await control.setEnabled(isEnabled, function.id, provider: integration.provider, in: scope)
        let found = try await functions.allWithTemplates(of: integration, in: scope).first { $0.id == function.id }
        guard let found else { throw Self.unknown }
        return .json(["data": .object(found.json)])
    }

    private func function(_ call: Call) async throws -> (function: Function, integration: Integration) {
        let key = try call.parameter("uniqueKey", .integrationKey)
        let name = try call.parameter("name", .syncName)
        var query = try call.query()
        let kind = query.choice("type", of: ScriptInvocation.Kind.written)
        try query.finish()

        let scope = try call.scope
        let integration = try await functions.integration(key, in: scope)
        let found = try await functions.allWithTemplates(of: integration, in: scope).filter { function in
            function.id.name == name && (kind.map { $0 == function.id.kind } ?? true)
        }
        guard let function = found.first else { throw Self.unknown }
        guard found.count == 1 else {
            let kinds = found.map { "\"\($0.id.kind.rawValue)\"" }.joined(separator: " and ")
            throw TerapiError(
                .ambiguousFunction, "There are functions of this name of the types \(kinds). Say which by \"type\"."
            )
        }
        return (function, integration)
    }

    private static let unknown = TerapiError(.notFound, "The integration has no function of this name.")

    // MARK: Trying and deploying

    func compile(_ call: Call) async throws -> Response {
        var body = try await call.body()
        let code = body.requiredText("code", .text(1...10_000_000))
        try body.finish()

        let bundle = try await control.compile(code)
        return .json([
            "bundle_size_bytes": JSONValue(bundle.utf8.count),
            "bundled_js": .string(bundle),
            "compiled_at": JSONValue(call.now),
        ])
    }

    func beginDryrun(_ call: Call) async throws -> Response {
        var body = try await call.body()
        let script = readScript(&body, needsName: false)
        let connectionID = body.requiredText("connection_id", .connectionID)
        let input = body.any("input")
        let metadata = body.object("metadata")
        let checkpoint = body.object("checkpoint")
        try body.finish()

        let scope = try call.scope
        try await functions.integration(script.id.integrationKey, in: scope)
        let job = try control.begin(
            DryrunRequest(
                scope: scope,
                connectionID: connectionID,
                script: script,
                input: input,
                metadata: metadata,
                checkpoint: checkpoint.map(JSONValue.object)
            )
        )
        return .json(job.json, status: .accepted)
    }

    func beginDeployment(_ call: Call) async throws -> Response {
        var body = try await call.body()
        let script = readScript(&body, needsName: true)
        try body.finish()

        let scope = try call.scope
        try await functions.integration(script.id.integrationKey, in: scope)
        return .json(try control.beginDeployment(of: script, in: scope).json, status: .accepted)
    }

    func dryrun(_ call: Call) async throws -> Response { try job(.dryrun, call) }

    func deployment(_ call: Call) async throws -> Response { try job(.deployment, call) }

    private func job(_ kind: FunctionJob.Kind, _ call: Call) throws -> Response {
        guard let job = control.job(call.parameter("jobId"), kind, in: try call.scope) else {
            throw TerapiError(
                .notFound,
                "There is no such \(kind.rawValue). They are kept for an hour, and until the server restarts."
            )
        }
        return .json(job.json)
    }

    private func readScript(_ body: inout BodyReader, needsName: Bool) -> SentScript {
        let key = body.requiredText("integration_id", .integrationKey)
        let kind = body.requiredChoice("type", of: ScriptInvocation.Kind.written)
        let name = needsName ? body.requiredText("name", .syncName) : body.text("name", .syncName)
        let language = body.choice("language", of: ScriptLanguage.allCases)
        let code = body.requiredText("code", .text(1...10_000_000))
        return SentScript(
            id: ScriptID(integrationKey: key, kind: kind ?? .action, name: name ?? "dryrun"),
            language: language ?? .typeScript,
            code: code
        )
    }
}

extension FunctionJob {
    fileprivate var json: JSONValue {
        var json: JSONObject = [
            "id": .string(id), "status": .string(status.rawValue), "created_at": JSONValue(createdAt),
        ]
        json["ended_at"] = endedAt.map { JSONValue($0) }
        json["result"] = result
        json["error"] = error?.json["error"]
        return .object(json)
    }
}
