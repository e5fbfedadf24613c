public import TerapiCore

/// What a script declares, before anything is made of it.
public struct ScriptDescription: Sendable, Equatable {
    public var file: ScriptFile
    /// As the script says it; `models`, `input` and `output` as JSON Schemas where they can be printed.
    public var declared: JSONValue

    public init(file: ScriptFile, declared: JSONValue) {
        self.file = file
        self.declared = declared
    }
}

/// Tells people in Markdown what the scripts of an integration do, take and give.
public struct ScriptDocument: Sendable {
    /// The first line of each document: what does not begin with it was written by a person.
    public static let mark = "<!-- Written by terapi docs. -->"

    private static let maxDepth = 6
    private static let unprintable = "Without a schema that can be printed."

    public let integrationKey: String
    public let scripts: [ScriptDescription]

    public init(integrationKey: String, scripts: [ScriptDescription]) {
        self.integrationKey = integrationKey
        self.scripts = scripts
    }

    public var text: String {
        var lines = [Self.mark, "", "# \(integrationKey)", ""]
        for (kind, title) in [(ScriptInvocation.Kind.sync, "Syncs"), (.action, "Actions"), (.onEvent, "Events")] {
            let found = scripts.filter { $0.file.kind == kind }.sorted { $0.file.name < $1.file.name }
            guard !found.isEmpty else { continue }
            lines += ["## \(title)", ""]
            for script in found { lines += section(script) }
        }
        return lines.joined(separator: "\n")
    }

    private func section(_ script: ScriptDescription) -> [String] {
        let declared = script.declared
        var lines = ["### \(script.file.name)", ""]
        if let description = declared["description"]?.string, !description.isEmpty { lines += [description, ""] }
        lines += facts(script)
        if script.file.kind == .sync {
            for (model, schema) in declared["models"]?.object?.members ?? [] {
                lines += ["#### Model `\(model)`", ""] + table(schema)
            }
        }
        for (name, title) in [("input", "Input"), ("output", "Output"), ("metadata", "Metadata that it reads")] {
            if let schema = declared[name], !schema.isNull {
                lines += ["#### \(title)", ""] + table(schema)
            } else if name != "metadata", script.file.kind == .action {
                lines += ["#### \(title)", "", Self.unprintable, ""]
            }
        }
        return lines
    }

    private func facts(_ script: ScriptDescription) -> [String] {
        let declared = script.declared
        var rows: [(String, String)] = [("file", "`\(script.file.path)`")]
        func add(_ title: String, _ text: String?) {
            if let text, !text.isEmpty { rows.append((title, text)) }
        }
        add("version", declared["version"]?.string)
        add("event", declared["event"]?.string.map { "`\($0)`" })
        if script.file.kind == .sync {
            add("frequency", declared["frequency"]?.string)
            add("reads", declared["request"]?.string.map { "`\($0)`" })
            add("starts", declared["autoStart"]?.bool == false ? "when it is asked to" : "with each connection")
            if declared["trackDeletes"]?.bool == true { add("deletions", "what a full reading no longer finds") }
        }
        let scopes = declared["scopes"]?.array ?? declared["scopes"].map { [$0] } ?? []
        add("scopes", scopes.compactMap(\.string).map { "`\($0)`" }.joined(separator: ", "))
        let endpoints = (declared["endpoints"]?.array ?? []) + [declared["endpoint"]].compactMap(\.self)
        add("endpoints", endpoints.compactMap(Self.endpoint).map { "`\($0)`" }.joined(separator: ", "))
        let webhooks = declared["webhookSubscriptions"]?.array ?? []
        add("provider webhooks", webhooks.compactMap(\.string).map { "`\($0)`" }.joined(separator: ", "))
        return ["| | |", "| --- | --- |"] + rows.map { "| \($0) | \(Self.cell($1)) |" } + [""]
    }

    private static func endpoint(_ value: JSONValue) -> String? {
        if let path = value["path"]?.string { return "\(value["method"]?.string ?? "GET") \(path)" }
        return value.string
    }

    // MARK: Schemas

    private func table(_ schema: JSONValue) -> [String] {
        let rows = fields(schema, of: "", in: schema, depth: 0)
        guard !rows.isEmpty else {
            return [schema.isNull ? Self.unprintable : type(schema, in: schema, depth: 0) + ".", ""]
        }
        return ["| field | type | | |", "| --- | --- | --- | --- |"] + rows + [""]
    }

    /// A row for each member, those of objects inside it too.
    private func fields(_ schema: JSONValue, of prefix: String, in root: JSONValue, depth: Int) -> [String] {
        let schema = resolved(schema, in: root)
        guard depth < Self.maxDepth else { return [] }
        if let branch = onlyBranch(schema) { return fields(branch, of: prefix, in: root, depth: depth + 1) }
        if let items = schema["items"], items.object != nil {
            return fields(items, of: prefix + "[]", in: root, depth: depth + 1)
        }
        let required = Set((schema["required"]?.array ?? []).compactMap(\.string))
        return (schema["properties"]?.object?.members ?? []).flatMap { name, member in
            let path = prefix.isEmpty ? name : "\(prefix).\(name)"
            let member = resolved(member, in: root)
            let cells = [
                "`\(path)`",
                type(member, in: root, depth: 0),
                required.contains(name) ? "required" : "",
                member["description"]?.string ?? "",
            ]
            return ["| " + cells.map(Self.cell).joined(separator: " | ") + " |"]
                + fields(member, of: path, in: root, depth: depth + 1)
        }
    }

    private func type(_ schema: JSONValue, in root: JSONValue, depth: Int) -> String {
        let schema = resolved(schema, in: root)
        guard depth < Self.maxDepth else { return "…" }
        if let value = schema["const"] { return "`\(value.text())`" }
        if let values = schema["enum"]?.array { return values.map { "`\($0.text())`" }.joined(separator: " or ") }
        for (name, word) in [("anyOf", " or "), ("oneOf", " or "), ("allOf", " and ")] {
            guard let branches = schema[name]?.array else { continue }
            var types: [String] = []
            for branch in branches {
                let type = type(branch, in: root, depth: depth + 1)
                if !types.contains(type) { types.append(type) }
            }
            return types.joined(separator: word)
        }
        if let names = schema["type"]?.array { return names.compactMap(\.string).joined(separator: " or ") }
        switch schema["type"]?.string {
        case "array":
            guard let items = schema["items"], items.object != nil else { return "list" }
            return "list of " + type(items, in: root, depth: depth + 1)
        case "object":
            guard let values = schema["additionalProperties"], values.object?.isEmpty == false else { return "object" }
            return "object of " + type(values, in: root, depth: depth + 1)
        case let name?:
            return name + (schema["format"]?.string.map { " (\($0))" } ?? "")
        case nil:
            return schema["properties"] == nil ? "anything" : "object"
        }
    }

    /// The one branch that is not `null`: `nullable()` makes such a choice.
    private func onlyBranch(_ schema: JSONValue) -> JSONValue? {
        let branches = (schema["anyOf"]?.array ?? []).filter { $0["type"]?.string != "null" }
        return branches.count == 1 ? branches[0] : nil
    }

    private func resolved(_ schema: JSONValue, in root: JSONValue) -> JSONValue {
        var schema = schema
        var steps = 0
        while let reference = schema["$ref"]?.string, steps < Self.maxDepth {
            steps += 1
            let path = String(reference.drop { $0 == "#" || $0 == "/" }.replacing("/", with: "."))
            guard let target = path.isEmpty ? root : root.value(at: path) else { break }
            schema = target
        }
        return schema
    }

    private static func cell(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).joined(separator: " ").replacing("|", with: "\\|")
    }
}
