import Hummingbird
import TerapiCore

/// Putting a folder of scripts in force, and going back.
struct DeployRoutes: Sendable {
    static let maxScripts = 10_000
    static let maxModules = 100

    let settings: any SettingsStorage
    let deployments: any DeployControl

    func difference(_ call: Call) async throws -> Response {
        let request = try await request(call)
        let difference = try await deployments.difference(of: request)
        return .json(.object(try await answer(difference, version: difference.version, call)))
    }

    func deploy(_ call: Call) async throws -> Response {
        let request = try await request(call)
        return .json(try await answer(try await deployments.deploy(request), call))
    }

    func rollback(_ call: Call) async throws -> Response {
        var body = try await call.body()
        let version = body.integer("version", in: 1...Int.max)
        try body.finish()

        let outcome = try await deployments.rollback(to: version.map(Int64.init), in: call.scope)
        return .json(try await answer(outcome, call))
    }

    func list(_ call: Call) async throws -> Response {
        let found = try await deployments.deployments(in: call.scope)
        return .json([
            "data": .array(
                found.enumerated().map { index, deployment in
                    [
                        "version": JSONValue(deployment.version),
                        "origin": .string(deployment.origin.rawValue),
                        "restored_version": deployment.restoredVersion.map { JSONValue($0) } ?? .null,
                        "scripts": JSONValue(deployment.scriptCount),
                        "created_at": JSONValue(deployment.createdAt),
                        "in_force": .bool(index == 0),
                    ]
                }
            )
        ])
    }

    // MARK: Requests

    private func request(_ call: Call) async throws -> DeployRequest {
        var body = try await call.body()
        var seen: Set<ScriptID> = []
        let scripts = body.requiredList("scripts", maxCount: Self.maxScripts) { reader in
            let script = Self.script(&reader)
            if let script, !seen.insert(script.id).inserted {
                reader.refuse("name", code: "repeated_key", "The script \(script.id.path) is there twice.")
            }
            return script
        }
        let modules = body.textMap("modules", .code) ?? [:]
        if modules.count > Self.maxModules {
            body.refuse("modules", code: "too_big", "Expected at most \(Self.maxModules) modules.")
        }
        let prunes = body.flag("prune") ?? false
        let expected = body.integer("expected_version", in: 0...Int.max)
        try body.finish()
        return DeployRequest(
            scope: try call.scope,
            scripts: scripts.compactMap(\.self),
            modules: modules,
            prunes: prunes,
            expectedVersion: expected.map(Int64.init)
        )
    }

    private static func script(_ reader: inout BodyReader) -> SentScript? {
        let key = reader.requiredText("provider_config_key", .integrationKey)
        let kind = reader.requiredChoice("kind", of: ScriptInvocation.Kind.written)
        let name = reader.requiredText("name", .syncName)
        let language = reader.choice("language", of: ScriptLanguage.allCases)
        let code = reader.requiredText("code", .code)
        let map = reader.text("source_map", .code)
        let modules = reader.textMap("modules") ?? [:]
        guard let kind else { return nil }
        return SentScript(
            id: ScriptID(integrationKey: key, kind: kind, name: name),
            language: language ?? .javaScript,
            code: code,
            sourceMap: map,
            modules: modules
        )
    }

    // MARK: Answers

    private func answer(_ outcome: DeployOutcome, _ call: Call) async throws -> JSONValue {
        var json = try await answer(outcome.difference, version: outcome.deployment?.version, call)
        json["previous_version"] = outcome.difference.version.map { JSONValue($0) } ?? .null
        json["restored_version"] = outcome.deployment?.restoredVersion.map { JSONValue($0) } ?? .null
        json["deployed"] = .bool(!outcome.difference.isEmpty)
        return .object(json)
    }

    private func answer(_ difference: DeployDifference, version: Int64?, _ call: Call) async throws -> JSONObject {
        [
            "environment": .string(try await settings.environment(call.scope).name),
            "version": version.map { JSONValue($0) } ?? .null,
            "added": .array(difference.added.map { .object($0.json) }),
            "changed": .array(
                difference.changed.map { .object($0.id.json.merging(["changes": JSONValue($0.parts)])) }
            ),
            "removed": .array(difference.removed.map(\.json)),
            "kept": .array(difference.kept.map { .object($0.id.json) }),
            "unchanged": JSONValue(difference.unchangedCount),
            "unknown_integrations": JSONValue(difference.unknownIntegrations),
        ]
    }
}

extension ScriptID {
    fileprivate var json: JSONObject {
        ["provider_config_key": .string(integrationKey), "kind": .string(kind.rawValue), "name": .string(name)]
    }
}

extension DeployDifference.Removal {
    fileprivate var json: JSONValue {
        let records = records.sorted { $0.key < $1.key }.map { ($0.key, JSONValue($0.value)) }
        return .object(
            id.json.merging([
                "deletes": ["connections": JSONValue(connections), "records": .object(JSONObject(records))]
            ])
        )
    }
}

extension TextRule {
    /// Whole files.
    static let code = TextRule.text(0...75_000_000)
}
