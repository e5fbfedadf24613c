import TerapiCore

/// Makes definitions of what scripts declare, and names every mistake with its place in the author's file.
struct DescriptionReader {
    /// As it is to be shown.
    let folder: String
    /// Whether the authors' files lie on this machine. Otherwise no path that a script gave is looked at.
    let readsFiles: Bool
    /// Whether an endpoint that is none is left out without a word: what was deployed once must load for ever.
    let dropsWrongEndpoints: Bool
    private(set) var mistakes: [DefinitionMistake] = []

    init(folder: String, readsFiles: Bool = true, dropsWrongEndpoints: Bool = false) {
        self.folder = folder
        self.readsFiles = readsFiles
        self.dropsWrongEndpoints = dropsWrongEndpoints
    }

    mutating func read(
        _ answer: ScriptDescriber.Answer,
        of file: ScriptFile,
        code: String,
        into definitions: inout ScriptDefinitions
    ) {
        switch answer {
        case .failure(let error):
            addFailure(error, file)
        case .success(let declared):
            let before = mistakes.count
            checkKind(declared, file)
            checkNames(declared, file)
            guard mistakes.count == before else { return }
            switch file.kind {
            case .action: readAction(declared, file, code, into: &definitions)
            case .onEvent: readOnEvent(declared, file, code, into: &definitions)
            default: readSync(declared, file, code, into: &definitions)
            }
        }
    }

    private mutating func readSync(
        _ declared: JSONValue,
        _ file: ScriptFile,
        _ code: String,
        into definitions: inout ScriptDefinitions
    ) {
        let models = declared["models"]?.object?.names ?? []
        if models.isEmpty { add("expected models: the records that the sync saves, by name", at: "models", file) }
        for model in models where !Self.isName(model) {
            let message = "the name \"\(model)\" is not made of letters, digits, \".\", \"_\" and \"-\""
            add(message, at: model, file)
        }
        guard let text = declared["frequency"]?.string else {
            add("expected frequency, such as \"every hour\"", at: "frequency", file)
            return
        }
        let frequency: Frequency
        do {
            frequency = try Frequency(text)
        } catch {
            add((error as? TerapiError)?.message ?? "\"\(text)\" is not a frequency", at: "frequency", file)
            return
        }
        let endpoints = readEndpoints(declared, .get, file) { try $0.forSync(saving: models) }
        definitions.syncs.append(
            SyncDefinition(
                integrationKey: file.integrationKey,
                name: file.name,
                description: declared["description"]?.string ?? "",
                models: models,
                frequency: frequency,
                startsAutomatically: declared["autoStart"]?.bool ?? true,
                tracksDeletes: declared["trackDeletes"]?.bool ?? false,
                readsEverything: declared["trackDeletes"]?.bool ?? false,
                allowsMassDeletion: declared["allowMassDeletion"]?.bool ?? false,
                version: declared["version"]?.string ?? "0.0.1",
                scopes: Self.texts(declared["scopes"]),
                schemas: JSONObject(
                    (declared["models"]?.object?.members ?? []).filter { !$0.value.isNull }
                        .map { ($0.name, StandardModel.resolved($0.value)) }
                ),
                isStrict: declared["strict"]?.bool ?? false,
                endpoints: endpoints,
                webhookSubscriptions: declared["hasWebhookFunction"]?.bool == true
                    ? Self.texts(declared["webhookSubscriptions"]) : [],
                code: code
            )
        )
    }

    private mutating func readAction(
        _ declared: JSONValue,
        _ file: ScriptFile,
        _ code: String,
        into definitions: inout ScriptDefinitions
    ) {
        definitions.actions.append(
            ActionDefinition(
                integrationKey: file.integrationKey,
                name: file.name,
                description: declared["description"]?.string ?? "",
                version: declared["version"]?.string ?? "0.0.1",
                scopes: Self.texts(declared["scopes"]),
                input: declared["input"].flatMap { $0.isNull ? nil : StandardModel.resolved($0) },
                output: declared["output"].flatMap { $0.isNull ? nil : StandardModel.resolved($0) },
                endpoints: readEndpoints(declared, .post, file),
                code: code
            )
        )
    }

    private mutating func readOnEvent(
        _ declared: JSONValue,
        _ file: ScriptFile,
        _ code: String,
        into definitions: inout ScriptDefinitions
    ) {
        let named = declared["event"]?.string
        guard let event = named.flatMap(OnEventDefinition.Event.init(rawValue:)) else {
            let known = OnEventDefinition.Event.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
            let found = named.map { "\"\($0)\"" } ?? "nothing"
            add("expected event to be one of \(known), found \(found)", at: "event", file)
            return
        }
        definitions.onEvents.append(
            OnEventDefinition(
                integrationKey: file.integrationKey,
                name: file.name,
                description: declared["description"]?.string ?? "",
                event: event,
                code: code
            )
        )
    }

    /// Under either name, one or several.
    private mutating func readEndpoints(
        _ declared: JSONValue,
        _ method: ScriptEndpoint.Method,
        _ file: ScriptFile,
        check: (ScriptEndpoint) throws -> ScriptEndpoint = { $0 }
    ) -> [ScriptEndpoint] {
        var endpoints: [ScriptEndpoint] = []
        for name in ["endpoint", "endpoints"] {
            guard let value = declared[name], !value.isNull else { continue }
            for value in value.array ?? [value] {
                do {
                    endpoints.append(try check(ScriptEndpoint(value, defaultMethod: method)))
                } catch {
                    if !dropsWrongEndpoints { add((error as? TerapiError)?.message ?? "\(error)", at: name, file) }
                }
            }
        }
        return endpoints
    }

    // MARK: Checks

    private mutating func checkKind(_ declared: JSONValue, _ file: ScriptFile) {
        guard let type = declared["type"]?.string else { return }
        guard type != file.kind.rawValue else { return }
        add(
            "the folder \(file.kind.folder) holds scripts of the kind \(file.kind.rawValue); this one "
                + "is declared as \(type)",
            at: "export default",
            file
        )
    }

    private mutating func checkNames(_ declared: JSONValue, _ file: ScriptFile) {
        if !Self.isName(file.name) {
            add("the file's name is not made of letters, digits, \"_\" and \"-\"", at: nil, file)
        }
        if let version = declared["version"], version.string.map(Self.isVersion) != true {
            add("expected version to be like \"1.0.0\", found \(version.text())", at: "version", file)
        }
    }

    /// The script did not even load. Its location is a place in a file, `issues.ts:42:17`.
    private mutating func addFailure(_ error: TerapiError, _ file: ScriptFile) {
        let message = error.payload?["message"]?.string ?? error.message
        guard let location = error.payload?["location"]?.string else { return add(message, at: nil, file) }
        let parts = location.split(separator: ":").map(String.init)
        guard parts.count == 3, let line = Int(parts[1]), let column = Int(parts[2]) else {
            return add(message, at: nil, file)
        }
        let inFolder = "\(folder)/\(file.folder)/\(parts[0])"
        // A source beside the script is named alone, any other with its path in the folder.
        let isInFolder = readsFiles ? FileContents.exists(inFolder) : !parts[0].contains("/")
        let path = isInFolder ? inFolder : "\(folder)/\(parts[0])"
        mistakes.append(DefinitionMistake(file: path, line: line, column: column, message: message))
    }

    private mutating func add(_ message: String, at word: String?, _ file: ScriptFile) {
        mistakes.append(mistake(message, at: word, file))
    }

    /// - Parameter word: a key, or words, whose first place in the file is shown.
    func mistake(_ message: String, at word: String?, _ file: ScriptFile) -> DefinitionMistake {
        let path = "\(folder)/\(file.path)"
        let bytes = readsFiles ? FileContents.read(path) : nil
        let text = bytes.map { String(decoding: $0, as: UTF8.self) } ?? ""
        let isKey = ["models", "frequency", "version", "event"].contains(word)
        if let word {
            for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                guard let found = line.firstRange(of: word), !line.drop(while: \.isWhitespace).hasPrefix("//"),
                    line[found.upperBound...].first.map({ !$0.isLetter && !$0.isNumber }) ?? true,
                    !isKey || line[found.upperBound...].first(where: { $0 != " " }) == ":",
                    line[..<found.lowerBound].last.map({ !$0.isLetter && !$0.isNumber }) ?? true
                else { continue }
                let column = line[..<found.lowerBound].utf8.count + 1
                return DefinitionMistake(file: path, line: index + 1, column: column, message: message)
            }
        }
        return DefinitionMistake(file: path, line: 1, column: 1, message: message)
    }

    private static func isName(_ text: String) -> Bool {
        text.wholeMatch(of: #/[A-Za-z0-9][A-Za-z0-9._-]*/#) != nil
    }

    private static func isVersion(_ text: String) -> Bool {
        text.wholeMatch(of: #/[0-9]+\.[0-9]+\.[0-9]+/#) != nil
    }

    private static func texts(_ value: JSONValue?) -> [String] {
        if let text = value?.string { return [text] }
        return (value?.array ?? []).compactMap(\.string)
    }
}

/// Finds models of one integration that more than one sync declares: each would delete the other's records.
struct ModelOwners {
    let mistakes: [DefinitionMistake]

    init(_ syncs: [SyncDefinition], files: [ScriptFile], reader: DescriptionReader) {
        var owners: [String: String] = [:]
        var mistakes: [DefinitionMistake] = []
        for sync in syncs.sorted(by: { ($0.integrationKey, $0.name) < ($1.integrationKey, $1.name) }) {
            let file = files.first {
                $0.integrationKey == sync.integrationKey && $0.name == sync.name && $0.kind == .sync
            }
            for model in sync.models {
                let key = "\(sync.integrationKey)/\(model)"
                guard let owner = owners[key], let file else {
                    owners[key] = sync.name
                    continue
                }
                mistakes.append(
                    reader.mistake(
                        "the sync \"\(owner)\" of this integration saves the model \"\(model)\" too",
                        at: model,
                        file
                    )
                )
            }
        }
        self.mistakes = mistakes
    }
}

/// Finds endpoints that more than one script of an integration declares: only one of them could answer.
struct EndpointOwners {
    let mistakes: [DefinitionMistake]

    init(_ definitions: ScriptDefinitions, files: [ScriptFile], reader: DescriptionReader) {
        let offered =
            definitions.syncs.map { ($0.integrationKey, ScriptInvocation.Kind.sync, $0.name, $0.endpoints) }
            + definitions.actions.map { ($0.integrationKey, ScriptInvocation.Kind.action, $0.name, $0.endpoints) }
        var owners: [(key: String, name: String, endpoint: ScriptEndpoint)] = []
        var mistakes: [DefinitionMistake] = []
        for (key, kind, name, endpoints) in offered.sorted(by: { ($0.0, $0.2) < ($1.0, $1.2) }) {
            for endpoint in endpoints {
                let owner = owners.first { $0.key == key && $0.endpoint.meets(endpoint) }
                let file = files.first { $0.integrationKey == key && $0.kind == kind && $0.name == name }
                guard let owner, let file else {
                    owners.append((key, name, endpoint))
                    continue
                }
                mistakes.append(
                    reader.mistake(
                        "\"\(owner.name)\" of this integration is offered at \(endpoint.text) too", at: "endpoint", file
                    )
                )
            }
        }
        self.mistakes = mistakes
    }
}
