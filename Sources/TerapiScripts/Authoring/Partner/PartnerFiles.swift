public import TerapiCore

/// The files of a partner's platform, made of its answers: the provider, a sync for each kind of data, and the script
/// that keeps who connected.
public struct PartnerFiles: Sendable {
    /// What a script is tried with before its test is written.
    public struct Trial: Sendable {
        public var file: ScriptFile
        /// What it begins with; see ``ScriptTest/factNames``.
        public var facts: JSONObject
        /// The answer to its first request.
        public var answer: JSONValue
        /// The answer to every other one: the end of the list.
        public var end: JSONValue
        /// What it saves must be of this model; `nil` for what saves nothing.
        public var model: StandardModel?
    }

    /// The time at which the tests run.
    private static let now = "2026-01-15T12:00:00Z"

    public let answers: PartnerAnswers
    /// By the kind of data.
    public let guesses: [(type: String, guess: ModelGuess)]

    /// - Parameter without: by kind of data the members that must not be guessed.
    /// - Throws: `TerapiError(.invalidConfiguration)` for a kind of data whose records have nothing to tell them apart.
    public init(_ answers: PartnerAnswers, without: [String: Set<String>] = [:]) throws {
        self.answers = answers
        guesses = answers.types.map { type in
            let guess = ModelGuess(
                of: type.item, as: type.model, given: type.map, without: without[type.name] ?? [])
            return (type.name, guess)
        }
        let nameless = guesses.filter { $0.guess.missing.contains("id") }
        guard nameless.isEmpty else {
            throw TerapiError(
                .invalidConfiguration,
                "Nothing in an example tells its records apart.",
                issues: nameless.map { type, _ in
                    TerapiError.Issue(
                        code: "invalid_answer",
                        message: "Say what a record's id is, over item: String(item.key), or item.day + item.kind.",
                        path: ["data_types", type, "map", "id"])
                })
        }
    }

    /// Relative to the project's folder; the tests of the scripts are not among them.
    public var files: [TemplateFile] {
        var files = [TemplateFile(path: "providers/\(answers.name).yaml", text: provider)]
        for sync in syncs {
            files.append(TemplateFile(path: "integrations/\(file(sync.type.name, .sync).path)", text: sync.text))
        }
        if let userScript {
            files.append(TemplateFile(path: "integrations/\(file("user-id", .onEvent).path)", text: userScript))
        }
        return files
    }

    private var syncs: [PartnerSync] {
        zip(answers.types, guesses).map { PartnerSync(answers: answers, type: $0, guess: $1.guess) }
    }

    private func file(_ name: String, _ kind: ScriptInvocation.Kind) -> ScriptFile {
        ScriptFile(
            integrationKey: answers.name, kind: kind, name: name, language: kind == .sync ? .yaml : .javaScript)
    }

    /// Kinds of data that are not pushed, or of which an event only says that something has changed.
    public var readAtEvents: [String] { syncs.filter { $0.event != nil && $0.appliedRecord == nil }.map(\.type.name) }
    public var isPushed: Bool { answers.push != nil }

    // MARK: Tests

    public var trials: [Trial] {
        var trials = syncs.map { sync in
            var facts: JSONObject = ["now": .string(Self.now)]
            if sync.type.user != nil { facts["metadata"] = ["user_id": "user-1"] }
            if let range = sync.type.range { facts["checkpoint"] = ["since": Self.begin(range.format)] }
            var end = Self.with([], at: sync.type.items, in: sync.type.example)
            for name in ["cursor_path", "link_path"] {
                if let path = sync.type.paging?[name]?.string { end = Self.with(.null, at: path, in: end) }
            }
            return Trial(
                file: file(sync.type.name, .sync), facts: facts, answer: sync.type.example, end: end,
                model: sync.type.model)
        }
        switch answers.userID {
        case .token(let path)?:
            let connection: JSONValue = ["connection_config": .object(JSONObject([(path, "user-1")])), "metadata": [:]]
            trials.append(
                Trial(file: file("user-id", .onEvent), facts: ["connection": connection], answer: [:], end: [:]))
        case .request(_, let path)?:
            let answer = Self.with("user-1", at: path, in: [:])
            trials.append(Trial(file: file("user-id", .onEvent), facts: [:], answer: answer, end: answer))
        case nil: break
        }
        return trials
    }

    private static func begin(_ format: String) -> JSONValue {
        switch format {
        case "date": "2020-01-01"
        case "unix": .number("1577836800")
        case "unix_ms": .number("1577836800000")
        default: "2020-01-01T00:00:00Z"
        }
    }

    private static func with(_ value: JSONValue, at path: String, in document: JSONValue) -> JSONValue {
        guard let step = path.split(separator: ".").first.map(String.init) else { return value }
        var object = document.object ?? [:]
        let rest = String(path.dropFirst(step.count + 1))
        object[step] = with(value, at: rest, in: object[step] ?? [:])
        return .object(object)
    }

    // MARK: Who connected

    private var userScript: String? {
        let lines: [String]
        let place: String
        switch answers.userID {
        case .token(let path)?:
            lines = [
                "const { connection_config: config } = await terapi.getConnection();",
                "const id = config[\(JSONValue.string(path).text())];",
            ]
            place = "the token answer has no \(path)"
        case .request(let endpoint, let path)?:
            let value = ExampleField.expression("data?", path.split(separator: ".").map(String.init))
                .replacing("data?[", with: "data?.[")
            lines = [
                "const { data } = await terapi.get({ endpoint: \(JSONValue.string(endpoint).text()), retries: 3 });",
                "const id = \(value);",
            ]
            place = "the answer of \(endpoint) has no \(path)"
        case nil: return nil
        }
        return """
            'use strict';

            const { createOnEvent } = require('terapi');

            // Requests and events name the person by it. Syncs begin when this has run.
            module.exports = createOnEvent({
                description: \(JSONValue.string("Keeps by which id \(answers.displayName) knows the person").text()),
                event: 'post-connection-creation',
                exec: async (terapi) => {
            \(lines.map { "        \($0)" }.joined(separator: "\n"))
                    if (id === undefined || id === null || id === '') {
                        throw new Error(\(JSONValue.string("Nobody knows who connected: \(place).").text()));
                    }
                    await terapi.updateMetadata({ user_id: String(id) });
                },
            });

            """
    }

    // MARK: The provider

    private var provider: String {
        var lines = ["# Made by terapi partner init."]
        lines += [
            "display_name: \(JSONValue.string(answers.displayName).text())", "categories: [partner]",
            "docs: \(JSONValue.string(answers.docs).text())",
        ]
        var proxy = ["proxy:", "  base_url: \(JSONValue.string(answers.baseURL).text())"]
        switch answers.authorization {
        case .oauth2(let oauth):
            lines += [
                "auth_mode: OAUTH2", "authorization_url: \(JSONValue.string(oauth.authorizationURL).text())",
                "token_url: \(JSONValue.string(oauth.tokenURL).text())",
            ]
            if let refresh = oauth.refreshURL { lines.append("refresh_url: \(JSONValue.string(refresh).text())") }
            lines += [
                "authorization_params: { response_type: code }", "token_params: { grant_type: authorization_code }",
                "refresh_params: { grant_type: refresh_token }",
            ]
            if !oauth.scopes.isEmpty { lines.append("default_scopes: \(YAMLText.list(oauth.scopes))") }
            if !oauth.usesPKCE { lines.append("disable_pkce: true") }
            if oauth.usesBasic { lines.append("token_request_auth_method: basic") }
            if case .token(let path)? = answers.userID {
                lines.append("token_response_metadata: \(YAMLText.list([path]))")
            }
        case .apiKey(let place):
            lines.append("auth_mode: API_KEY")
            switch place {
            case .query(let name): proxy += ["  query:", "    \(JSONValue.string(name).text()): \"${apiKey}\""]
            case .header(let name): proxy += ["  headers:", "    \(name.lowercased()): \"${apiKey}\""]
            case .bearer, .path: proxy += ["  headers:", "    authorization: \"Bearer ${apiKey}\""]
            }
        }
        if case .request(let endpoint, _)? = answers.userID {
            proxy.append("  verification: { method: GET, endpoints: \(YAMLText.list([endpoint])) }")
        }
        return (lines + proxy + webhook).joined(separator: "\n") + "\n"
    }

    private var webhook: [String] {
        guard let push = answers.push else { return [] }
        var lines = ["webhook:", "  # The integration's config holds it as webhook_secret.", "  key: user_defined"]
        let header = "header:\(push.signature.header)"
        if let digest = push.signature.digest {
            let time = push.signature.timeHeader
            let message = time.map { YAMLText.list(["header:\($0)", "lit:.", "body"]) } ?? "[body]"
            lines += ["  verify:", "    hmac: \(digest)", "    msg: \(message)"]
            var sig = "in: header, name: \(push.signature.header)"
            if !push.signature.prefix.isEmpty { sig += ", prefix: \(JSONValue.string(push.signature.prefix).text())" }
            lines.append("    sig: { \(sig), enc: \(push.signature.encoding) }")
            if let time { lines.append("    ts: { in: \"header:\(time)\", unit: s, tolerance: 300 }") }
        } else {
            var token = "token: \(JSONValue.string(header).text())"
            if !push.signature.prefix.isEmpty { token += ", prefix: \(JSONValue.string(push.signature.prefix).text())" }
            lines.append("  verify: { \(token) }")
        }
        if let type = push.type { lines.append("  event: \(JSONValue.string("body:\(type)").text())") }
        if let id = push.id { lines.append("  id: \(JSONValue.string("body:\(id)").text())") }
        lines.append("  route: { value: \(JSONValue.string("body:\(push.user)").text()), match: user_id }")
        let read = syncs.filter { $0.event != nil && $0.appliedRecord == nil }
        if !read.isEmpty {
            lines += ["  # These events do not bring the whole record: it is read.", "  triggers:"]
            for sync in read {
                for name in sync.event?.names ?? [] {
                    lines.append("    - { event: \(JSONValue.string(name).text()), sync: \(sync.type.name) }")
                }
            }
        }
        return lines
    }
}
