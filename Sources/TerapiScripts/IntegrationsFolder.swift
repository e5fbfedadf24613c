public import Foundation
public import TerapiCore

/// A folder of integrations: `<integration>/{syncs,actions,on-events}/<name>.ts`, `.js` or `.yaml`.
public struct IntegrationsFolder: Sendable {
    private let path: String
    private let environment: [String: String]
    private let esbuild: String?

    /// - Parameters:
    ///   - path: as it is to be shown in messages.
    ///   - environment: `PATH` and `NODE_PATH` of the person.
    ///   - esbuild: where the program is, if that is set; see ``Esbuild``.
    public init(
        _ path: String,
        environment: [String: String] = ProcessInfo.processInfo.environment,
        esbuild: String? = nil
    ) {
        self.path = path
        self.environment = environment
        self.esbuild = esbuild
    }

    /// Bundles what has changed and reads what every script declares.
    ///
    /// What was made is kept in the folder's own `.terapi`, where it can be written.
    /// - Parameters:
    ///   - host: where scripts in TypeScript and JavaScript are asked for what they declare.
    ///   - refusesSharedModels: whether it is a mistake when two syncs of an integration save one model. It works, but
    ///     few mean it.
    ///   - checksExpressions: whether what is written in JavaScript in YAML files is compiled too. Otherwise a mistake
    ///     there shows when the sync runs.
    /// - Throws: `TerapiError(.invalidDefinition)` with all mistakes of all files.
    public func load(
        host: ScriptHost,
        refusesSharedModels: Bool = false,
        checksExpressions: Bool = false
    ) async throws -> ScriptDefinitions {
        try await read(
            host: host, refusesSharedModels: refusesSharedModels, checksExpressions: checksExpressions
        ).definitions
    }

    /// The scripts as they are sent to a server, checked as ``load(host:refusesSharedModels:)`` checks them.
    /// - Returns: also the texts of the modules that the scripts share, by hash.
    /// - Throws: `TerapiError(.invalidDefinition)` with all mistakes of all files.
    public func parcel(host: ScriptHost) async throws -> (scripts: [SentScript], modules: [String: String]) {
        let reading = try await read(host: host, refusesSharedModels: true, checksExpressions: true)
        let codes = reading.texts
        var modules: [String: String] = [:]
        let scripts = codes.sorted { $0.key.path < $1.key.path }.map { file, code in
            let header = ScriptHeader(of: code)
            let mapFile = header?.map.flatMap(FileContents.read).map { String(decoding: $0, as: UTF8.self) }
            for (_, hash) in header?.modules ?? [] {
                modules[hash] = host.modules[hash].map { String(decoding: $0, as: UTF8.self) }
            }
            return SentScript(
                id: ScriptID(integrationKey: file.integrationKey, kind: file.kind, name: file.name),
                language: file.language,
                code: withModel(reading.yaml.first { $0.file == file }, ScriptHeader.without(code)),
                sourceMap: header?.mapText ?? mapFile,
                modules: Dictionary(header?.modules.map { ($0.name, $0.hash) } ?? []) { first, _ in first }
            )
        }
        return (scripts, modules)
    }

    /// A sync file that is read elsewhere takes along the model that lies beside it.
    private func withModel(_ yaml: (file: ScriptFile, sync: SyncFile)?, _ text: String) -> String {
        guard let yaml, let model = yaml.sync.definition.models.first,
            let schema = ModelFiles(of: yaml.file.integrationKey, in: path).ownSchema(model),
            !yaml.sync.hasSchema
        else { return text }
        // JSON is YAML too.
        return text + (text.hasSuffix("\n") ? "" : "\n") + "schema: \(schema.text())\n"
    }

    /// What every script declares, in the order of their paths; for documents about them.
    /// - Throws: `TerapiError(.invalidDefinition)` with all mistakes of all files.
    public func describe(host: ScriptHost) async throws -> [ScriptDescription] {
        let reading = try await read(host: host, refusesSharedModels: false, checksExpressions: false)
        let scripts =
            reading.descriptions.compactMap { file, answer in
                (try? answer.get()).map { ScriptDescription(file: file, declared: $0.withStandardModels) }
            } + reading.yaml.map { ScriptDescription(file: $0.file, declared: $0.sync.declared) }
        return scripts.sorted { $0.file.path < $1.file.path }
    }

    private struct Reading {
        var files: [ScriptFile]
        /// The bundle of a script, a definition in YAML as it is.
        var texts: [ScriptFile: String] = [:]
        var definitions = ScriptDefinitions()
        var yaml: [(file: ScriptFile, sync: SyncFile)] = []
        var descriptions: [ScriptFile: ScriptDescriber.Answer] = [:]
        var mistakes: [DefinitionMistake] = []
    }

    private func read(
        host: ScriptHost,
        refusesSharedModels: Bool,
        checksExpressions: Bool
    ) async throws -> Reading {
        var reading = Reading(files: try files())
        reading.mistakes = doubles(among: reading.files)
        var scripts: [ScriptFile] = []
        for file in reading.files {
            guard file.language == .yaml || file.language == .yml else {
                scripts.append(file)
                continue
            }
            let (text, sync, found) = try readYAML(file)
            reading.mistakes += found
            reading.texts[file] = text
            guard let sync else { continue }
            reading.yaml.append((file, sync))
            reading.definitions.syncs.append(sync.definition)
        }
        let cache = BundleCache(folder: "\(path)/.terapi", isPortable: true)
        let bundler = ScriptBundler(
            folder: path,
            cache: cache,
            modules: host.modules,
            environment: environment,
            esbuild: esbuild
        )
        let (codes, found) = try await bundler.bundle(scripts)
        reading.mistakes += found
        reading.texts.merge(codes) { $1 }

        let describer = ScriptDescriber(host: host, cache: cache)
        reading.descriptions = await describer.descriptions(of: codes)
        var reader = DescriptionReader(folder: path)
        for file in scripts {
            guard let code = codes[file], let description = reading.descriptions[file] else { continue }
            reader.read(description, of: file, code: code, into: &reading.definitions)
        }
        reading.mistakes += reader.mistakes
        if checksExpressions {
            reading.mistakes += try await ExpressionCheck(host: host).mistakes(
                in: reading.yaml.map { (file: "\(path)/\($0.file.path)", expressions: $0.sync.expressions) }
            )
        }
        if refusesSharedModels {
            let syncs = reading.definitions.syncs
            reading.mistakes += ModelOwners(syncs, files: reading.files, reader: reader).mistakes
            reading.mistakes += EndpointOwners(reading.definitions, files: reading.files, reader: reader).mistakes
        }
        guard reading.mistakes.isEmpty else {
            throw SyncFile.error(reading.mistakes.sorted(by: DefinitionMistake.isBefore))
        }
        reading.definitions.syncs.sort { ($0.integrationKey, $0.name) < ($1.integrationKey, $1.name) }
        return reading
    }

    /// Size and time of change of every file in the folder, by path. Packages and hidden files do not count.
    public typealias Traces = [String: String]

    public func traces() -> Traces {
        var traces: Traces = [:]
        FileContents.walk(path) { path, size, changed in traces[path] = "\(size) \(changed)" }
        return traces
    }

    /// Every script in the folder, in the order of their paths.
    /// - Throws: `TerapiError(.invalidDefinition)` when the folder cannot be read.
    public func files() throws -> [ScriptFile] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
            throw TerapiError(.invalidDefinition, "There is no folder of integrations at \(path).")
        }
        var files: [ScriptFile] = []
        for integration in try names(in: path) where integration != "node_modules" {
            for kind in ScriptInvocation.Kind.written {
                let folder = "\(path)/\(integration)/\(kind.folder)"
                guard FileManager.default.fileExists(atPath: folder) else { continue }
                files += try names(in: folder).compactMap {
                    ScriptFile(fileName: $0, integrationKey: integration, kind: kind)
                }
            }
        }
        return files
    }

    private func readYAML(
        _ file: ScriptFile
    ) throws -> (text: String, sync: SyncFile?, mistakes: [DefinitionMistake]) {
        let shown = "\(path)/\(file.path)"
        guard file.kind == .sync else {
            let message = "expected a script: only syncs are YAML"
            return ("", nil, [.init(file: shown, line: 1, column: 1, message: message)])
        }
        guard let bytes = FileContents.read(shown) else {
            throw TerapiError(.invalidDefinition, "The file \(shown) cannot be read.")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            return ("", nil, [.init(file: shown, line: 1, column: 1, message: "expected text in UTF-8")])
        }
        let models = ModelFiles(of: file.integrationKey, in: path)
        let (sync, mistakes) = SyncFile.read(
            text, file: shown, integrationKey: file.integrationKey, name: file.name, models: models
        )
        return (text, sync, mistakes)
    }

    /// Files that would define the same script.
    private func doubles(among files: [ScriptFile]) -> [DefinitionMistake] {
        var seen: [String: ScriptFile] = [:]
        return files.compactMap { file in
            let name = "\(file.integrationKey)/\(file.kind.rawValue)/\(file.name)"
            guard let first = seen[name] else {
                seen[name] = file
                return nil
            }
            return DefinitionMistake(
                file: "\(path)/\(file.path)",
                line: 1,
                column: 1,
                message: "\(first.fileName) beside it defines the same \(file.kind.rawValue)"
            )
        }
    }

    private func names(in folder: String) throws -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasPrefix(".") }.sorted()
        } catch {
            throw TerapiError(.invalidDefinition, "The folder \(folder) cannot be read.", cause: error)
        }
    }
}

extension DefinitionMistake {
    static func isBefore(_ left: Self, _ right: Self) -> Bool {
        (left.file, left.line, left.column) < (right.file, right.line, right.column)
    }
}

extension SyncFile {
    /// In the form in which scripts declare themselves.
    fileprivate var declared: JSONValue {
        let schema: JSONValue = [
            "type": "object",
            "properties": .object(JSONObject(fields.map { ($0, [:]) })),
            "required": JSONValue(["id"]),
        ]
        return [
            "type": "sync",
            "description": .string(definition.description),
            "version": .string(definition.version),
            "frequency": .string(definition.frequency.text),
            "autoStart": .bool(definition.startsAutomatically),
            "trackDeletes": .bool(definition.tracksDeletes),
            "scopes": JSONValue(definition.scopes),
            "request": .string("\(method) \(endpoint)"),
            "endpoints": .array(definition.endpoints.map(\.json)),
            "models": .object(
                JSONObject(definition.models.map { ($0, definition.schemas[$0] ?? (fields.isEmpty ? .null : schema)) })
            ),
        ]
    }
}

extension JSONValue {
    /// What a script declares, with the standard models that it names in full.
    fileprivate var withStandardModels: JSONValue {
        guard var declared = object else { return self }
        for name in ["input", "output"] { declared[name] = declared[name].map(StandardModel.resolved) }
        if let models = declared["models"]?.object {
            let resolved = models.members.map { ($0.name, StandardModel.resolved($0.value)) }
            declared["models"] = .object(JSONObject(resolved))
        }
        return .object(declared)
    }
}
