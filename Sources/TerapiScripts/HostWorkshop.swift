public import TerapiCore

/// Takes in scripts that were sent to the server; see ``ScriptWorkshop``.
public struct HostWorkshop: ScriptWorkshop {
    /// What the names of files begin with in messages, as in a folder of integrations.
    private static let shownFolder = "integrations"

    private let host: ScriptHost
    private let mapsFolder: String
    private let packagesFolder: String
    private let environment: [String: String]
    private let esbuild: String?

    /// - Parameters:
    ///   - mapsFolder: for source maps, which are read when a script fails. Made anew by ``load(_:modules:)``.
    ///   - packagesFolder: where, and above which, shared packages are looked for.
    ///   - environment: `PATH` and `NODE_PATH` of the operator.
    ///   - esbuild: where the program is, if that is set; see ``Esbuild``.
    public init(
        host: ScriptHost,
        mapsFolder: String,
        packagesFolder: String,
        environment: [String: String],
        esbuild: String? = nil
    ) {
        self.host = host
        self.mapsFolder = mapsFolder
        self.packagesFolder = packagesFolder
        self.environment = environment
        self.esbuild = esbuild
    }

    /// Removes the source maps of scripts that were loaded by an earlier process.
    public func removeOldMaps() {
        FileContents.removeFolder(mapsFolder)
    }

    public func inspect(
        _ scripts: [SentScript],
        modules: [String: String],
        in scope: EnvironmentScope
    ) async throws -> [InspectedScript] {
        var mistakes: [DefinitionMistake] = []
        var declared: [ScriptFile: JSONObject] = [:]
        var codes: [ScriptFile: String] = [:]
        let known = Self.checked(modules)
        for script in scripts {
            let file = ScriptFile(script)
            if file.language == .yaml || file.language == .yml {
                let (found, own) = Self.declared(inYAML: script, file)
                mistakes += own
                declared[file] = found
            } else if let missing = script.modules.first(where: { !known.contains($0.value) })?.key {
                mistakes.append(Self.mistake("the text of the module \"\(missing)\" did not come with it", file))
            } else {
                codes[file] = Self.runnable(script, map: nil, mapText: script.sourceMap)
            }
        }
        for (hash, text) in modules where known.contains(hash) { host.modules.add(Array(text.utf8)) }

        let describer = ScriptDescriber(host: host, cache: nil, environmentID: scope.environmentID)
        for (file, answer) in await describer.descriptions(of: codes) {
            if case .success(let value) = answer, let object = value.object {
                declared[file] = object
            } else {
                mistakes += Self.mistakes(answer, file)
            }
        }
        for (file, found) in declared { mistakes += Self.mistakes(.success(.object(found)), file) }
        guard mistakes.isEmpty else { throw SyncFile.error(mistakes.sorted(by: DefinitionMistake.isBefore)) }
        return scripts.compactMap { script in
            declared[ScriptFile(script)].map { InspectedScript(script: script, declared: $0) }
        }
    }

    public func load(_ scripts: [DeployedScript], modules: [String: String]) throws -> ScriptDefinitions {
        for text in modules.values { host.modules.add(Array(text.utf8)) }
        var definitions = ScriptDefinitions()
        var reader = DescriptionReader(folder: Self.shownFolder, readsFiles: false, dropsWrongEndpoints: true)
        for script in scripts {
            let sent = SentScript(script)
            let file = ScriptFile(sent)
            guard file.language != .yaml, file.language != .yml else {
                let (definition, mistakes) = Self.definition(inYAML: sent, file)
                guard let definition, mistakes.isEmpty else { throw SyncFile.error(mistakes) }
                definitions.syncs.append(definition)
                continue
            }
            let map = script.sourceMap.flatMap(mapFile)
            let code = Self.runnable(sent, map: map, mapText: map == nil ? script.sourceMap : nil)
            reader.read(.success(.object(script.declared)), of: file, code: code, into: &definitions)
        }
        guard reader.mistakes.isEmpty else { throw SyncFile.error(reader.mistakes) }
        return definitions
    }

    public func compile(_ script: SentScript) async throws -> (script: SentScript, modules: [String: String]) {
        let file = ScriptFile(script)
        guard file.language != .yaml, file.language != .yml else { return (script, [:]) }
        let bundler = ScriptBundler(
            folder: packagesFolder,
            cache: nil,
            modules: host.modules,
            environment: environment,
            esbuild: esbuild
        )
        let compiled = try await bundler.compileAlone(Array(script.code.utf8), as: file)
        guard compiled.mistakes.isEmpty else {
            throw SyncFile.error(
                compiled.mistakes.map { mistake in
                    var mistake = mistake
                    mistake.file = "\(Self.shownFolder)/\(file.path)"
                    return mistake
                }
            )
        }
        var sent = script
        sent.code = compiled.code
        sent.sourceMap = compiled.map
        sent.modules = compiled.modules
        let texts = compiled.modules.values.map { hash in
            (hash, String(decoding: host.modules[hash] ?? [], as: UTF8.self))
        }
        return (sent, Dictionary(texts) { first, _ in first })
    }

    public func shownCode(_ code: String) -> String {
        ScriptHeader.without(code)
    }

    // MARK: Sent scripts

    /// The hashes that are those of their texts.
    private static func checked(_ modules: [String: String]) -> Set<String> {
        Set(modules.filter { SharedModules.hash(Array($0.value.utf8)) == $0.key }.keys)
    }

    /// The code with a first line of our own. One that came with it is a comment behind it, and means nothing: it could
    /// name any file of this machine as its source map.
    private static func runnable(_ script: SentScript, map: String?, mapText: String?) -> String {
        ScriptHeader(
            source: ScriptFile(script).fileName,
            map: map,
            mapText: mapText,
            modules: script.modules.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        ).line + script.code
    }

    private func mapFile(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        let path = "\(mapsFolder)/\(SharedModules.hash(bytes)).js.map"
        return FileContents.exists(path) || FileContents.write(bytes, to: path) ? path : nil
    }

    private static func definition(
        inYAML script: SentScript,
        _ file: ScriptFile
    ) -> (SyncDefinition?, [DefinitionMistake]) {
        guard file.kind == .sync else { return (nil, [mistake("expected a script: only syncs are YAML", file)]) }
        let (sync, mistakes) = SyncFile.read(
            script.code,
            file: "\(shownFolder)/\(file.path)",
            integrationKey: file.integrationKey,
            name: file.name
        )
        return (sync?.definition, mistakes)
    }

    /// What the same sync would declare as a script.
    private static func declared(inYAML script: SentScript, _ file: ScriptFile) -> (JSONObject?, [DefinitionMistake]) {
        let (definition, mistakes) = definition(inYAML: script, file)
        guard let definition, mistakes.isEmpty else { return (nil, mistakes) }
        var declared: JSONObject =
            [
                "type": "sync",
                "description": .string(definition.description),
                "frequency": .string(definition.frequency.text),
                "version": .string(definition.version),
                "autoStart": .bool(definition.startsAutomatically),
                "trackDeletes": .bool(definition.tracksDeletes),
                "allowMassDeletion": .bool(definition.allowsMassDeletion),
                "scopes": JSONValue(definition.scopes),
                "models": .object(JSONObject(definition.models.map { ($0, .null) })),
            ]
        if definition.isStrict { declared["strict"] = true }
        if !definition.endpoints.isEmpty { declared["endpoints"] = .array(definition.endpoints.map(\.json)) }
        return (declared, [])
    }

    private static func mistakes(_ answer: ScriptDescriber.Answer, _ file: ScriptFile) -> [DefinitionMistake] {
        var definitions = ScriptDefinitions()
        var reader = DescriptionReader(folder: shownFolder, readsFiles: false)
        reader.read(answer, of: file, code: "", into: &definitions)
        return reader.mistakes
    }

    private static func mistake(_ message: String, _ file: ScriptFile) -> DefinitionMistake {
        DefinitionMistake(file: "\(shownFolder)/\(file.path)", line: 1, column: 1, message: message)
    }
}

extension ScriptFile {
    fileprivate init(_ script: SentScript) {
        self.init(
            integrationKey: script.id.integrationKey,
            kind: script.id.kind,
            name: script.id.name,
            language: script.language
        )
    }
}

extension SentScript {
    fileprivate init(_ script: DeployedScript) {
        self.init(
            id: script.id,
            language: script.language,
            code: script.code,
            sourceMap: script.sourceMap,
            modules: script.modules
        )
    }
}
