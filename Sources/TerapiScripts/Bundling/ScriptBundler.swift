import TerapiCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Makes of each script in a folder of integrations one text that a script host can run.
///
/// TypeScript, and JavaScript that imports something, goes through esbuild. What has not changed comes from the cache.
public struct ScriptBundler: Sendable {
    /// How many scripts esbuild gets at once: more would be too long for a command line.
    private static let chunk = 500

    private let name: String
    private let root: String
    private let cache: BundleCache?
    private let modules: SharedModules
    let esbuild: Esbuild
    private let nodePath: [String]
    private let key: String

    /// - Parameters:
    ///   - folder: the folder of integrations, as it is to be shown in messages.
    ///   - cache: `nil` keeps nothing.
    ///   - modules: gets what the scripts share.
    ///   - environment: `PATH` and `NODE_PATH` of the person.
    ///   - esbuild: where the program is, if that is set; see ``Esbuild``.
    public init(
        folder: String,
        cache: BundleCache?,
        modules: SharedModules,
        environment: [String: String],
        esbuild program: String? = nil
    ) {
        name = folder
        root = FileContents.realPath(folder)
        self.cache = cache
        self.modules = modules
        esbuild = Esbuild(folder: root, environment: environment, program: program)
        nodePath = (environment["NODE_PATH"] ?? "").split(separator: ":").map(String.init)
        let places = cache?.isPortable == true ? [] : nodePath
        key = SharedModules.hash(Array((["1"] + Esbuild.options + places).joined(separator: "\n").utf8))
    }

    /// - Returns: the text of each script that could be made, and the mistakes of all others.
    /// - Throws: `TerapiError(.invalidConfiguration)` when esbuild is needed and missing.
    public func bundle(
        _ files: [ScriptFile]
    ) async throws -> (codes: [ScriptFile: String], mistakes: [DefinitionMistake]) {
        var hashes = FileHashes()
        var entries: [ScriptFile: BundleCache.Entry] = [:]
        var missing: [ScriptFile] = []
        for file in files {
            if let entry = plain(file) ?? cache?.read(file.cacheName, key: key, root: root, hashes: &hashes) {
                entries[file] = entry
            } else {
                missing.append(file)
            }
        }
        var mistakes: [DefinitionMistake] = []
        for start in stride(from: 0, to: missing.count, by: Self.chunk) {
            let part = Array(missing[start..<min(start + Self.chunk, missing.count)])
            mistakes += try await bundle(part, into: &entries, hashes: &hashes)
        }
        let shared = try await shareModules(of: entries, hashes: &hashes)
        mistakes += shared.mistakes
        var codes: [ScriptFile: String] = [:]
        for (file, entry) in entries {
            let wanted = entry.requires.compactMap { require in
                shared.hashes[Requirement(module: require.module, folder: file.folder)].map { (require.module, $0) }
            }
            guard wanted.count == entry.requires.count else { continue }
            let header = ScriptHeader(
                source: file.fileName,
                map: entry.map,
                mapText: entry.mapText,
                modules: wanted
            )
            codes[file] = header.line + String(decoding: entry.code, as: UTF8.self)
        }
        return (codes, mistakes)
    }

    /// A file that needs no bundling: it imports nothing but what the host provides.
    private func plain(_ file: ScriptFile) -> BundleCache.Entry? {
        guard file.language == .javaScript, let code = FileContents.read("\(root)/\(file.path)") else { return nil }
        guard !ImportScan.needsBundling(code) else { return nil }
        return BundleCache.Entry(code: code, map: nil, requires: [])
    }

    // MARK: Scripts

    private func bundle(
        _ files: [ScriptFile],
        into entries: inout [ScriptFile: BundleCache.Entry],
        hashes: inout FileHashes
    ) async throws -> [DefinitionMistake] {
        try await inScratchFolder { scratch in
            let out = "\(scratch)/out"
            let mistakes = try await esbuild.run(
                files.map { "./\($0.path)" } + Esbuild.options + Esbuild.externalShared
                    + ["--outdir=\(out)", "--outbase=.", "--metafile=\(scratch)/meta.json", try settings(in: scratch)],
                in: root
            )
            guard mistakes.isEmpty else { return mistakes.map(shown) }
            let outputs = try outputs(scratch)
            for file in files {
                guard let output = outputs[file.path], let code = FileContents.read("\(out)/\(file.outputPath)") else {
                    throw TerapiError(.serverError, "esbuild wrote no bundle of \(name)/\(file.path).")
                }
                var entry = BundleCache.Entry(code: code, map: nil, requires: output.requires)
                let map = FileContents.read("\(out)/\(file.outputPath).map").flatMap {
                    named($0, in: FilePath.folder(of: "\(out)/\(file.outputPath)"), for: file)
                }
                entry.map = cache?.write(
                    entry,
                    map: map,
                    name: file.cacheName,
                    key: key,
                    inputs: output.inputs,
                    root: root,
                    hashes: &hashes
                )
                if entry.map == nil { entry.mapText = map.map { String(decoding: $0, as: UTF8.self) } }
                entries[file] = entry
            }
            return []
        }
    }

    private struct Output {
        /// Relative to the folder of integrations.
        var inputs: [String]
        var requires: [(module: String, importer: String)] = []
    }

    /// What esbuild says about its outputs, by the path of the script.
    private func outputs(_ scratch: String) throws -> [String: Output] {
        guard let bytes = FileContents.read("\(scratch)/meta.json"), let meta = try? JSONReader.read(bytes) else {
            throw TerapiError(.serverError, "esbuild wrote no list of its inputs.")
        }
        // A dictionary: the members of an object are looked up one by one.
        let inputs = Dictionary(
            (meta["inputs"]?.object?.members ?? []).map { ($0.name, $0.value) },
            uniquingKeysWith: { first, _ in first }
        )
        var outputs: [String: Output] = [:]
        for (_, output) in meta["outputs"]?.object?.members ?? [] {
            guard let entryPoint = output["entryPoint"]?.string else { continue }
            let used = (output["inputs"]?.object?.names ?? [])
            var found = Output(inputs: Self.reached(from: entryPoint, inputs))
            for name in used {
                for imported in inputs[name]?["imports"]?.array ?? [] {
                    guard let module = imported["path"]?.string, imported["external"]?.bool == true,
                        Esbuild.isShared(module), !found.requires.contains(where: { $0.module == module })
                    else { continue }
                    found.requires.append((module, name))
                }
            }
            outputs[entryPoint] = found
        }
        return outputs
    }

    /// Every file that the script imports, also where nothing of it came into the bundle.
    private static func reached(from path: String, _ inputs: [String: JSONValue]) -> [String] {
        var seen: Set<String> = [path]
        var left = [path]
        while let next = left.popLast() {
            for imported in inputs[next]?["imports"]?.array ?? [] where imported["external"]?.bool != true {
                guard let path = imported["path"]?.string, inputs[path] != nil, seen.insert(path).inserted else {
                    continue
                }
                left.append(path)
            }
        }
        return Array(seen)
    }

    /// The source map with the names that a person knows the files by.
    private func named(_ map: [UInt8], in folder: String, for file: ScriptFile) -> [UInt8]? {
        guard let json = try? JSONReader.read(map), let mappings = json["mappings"],
            let sources = json["sources"]?.array
        else { return nil }
        let names = sources.map { source in
            let path = FilePath.whole(source.string ?? "", from: folder)
            return FilePath.inside(path, of: "\(root)/\(file.folder)") ?? FilePath.inside(path, of: root) ?? path
        }
        return JSONValue.object(["version": 3, "sources": JSONValue(names), "mappings": mappings]).encoded()
    }

    // MARK: Shared modules

    private struct Requirement: Hashable {
        var module: String
        /// Of the script, relative to the folder of integrations.
        var folder: String
    }

    private func shareModules(
        of entries: [ScriptFile: BundleCache.Entry],
        hashes: inout FileHashes
    ) async throws -> (hashes: [Requirement: String], mistakes: [DefinitionMistake]) {
        var found: [Requirement: String] = [:]
        var failed: Set<Requirement> = []
        var byPackage: [String: String] = [:]
        var mistakes: [DefinitionMistake] = []
        for (file, entry) in entries.sorted(by: { $0.key.path < $1.key.path }) {
            for (module, importer) in entry.requires {
                let requirement = Requirement(module: module, folder: file.folder)
                guard found[requirement] == nil, !failed.contains(requirement) else { continue }
                let home = home(of: module, from: "\(root)/\(file.folder)")
                let package = "\(module) in \(home ?? "")"
                do {
                    let hash: String
                    if let known = byPackage[package] {
                        hash = known
                    } else {
                        let folders = FilePath.foldersUp(from: "\(root)/\(file.folder)")
                        hash = try await share(module, home: home, folders: folders, hashes: &hashes)
                        byPackage[package] = hash
                    }
                    found[requirement] = hash
                } catch let missing as MissingModule {
                    failed.insert(requirement)
                    mistakes.append(place(ofImport: module, in: importer, message: missing.message))
                }
            }
        }
        return (found, mistakes)
    }

    struct MissingModule: Error {
        var message: String
    }

    /// A package for a script that stands in no folder: looked for in this one and above it, and in `NODE_PATH`.
    func shareAlone(_ module: String, hashes: inout FileHashes) async throws -> String {
        let folders = FilePath.foldersUp(from: root)
        return try await share(module, home: home(of: module, from: root), folders: folders, hashes: &hashes)
    }

    /// The folder `node_modules` that has the module's package, as Node would find it.
    private func home(of module: String, from folder: String) -> String? {
        let package = module.split(separator: "/").prefix(module.hasPrefix("@") ? 2 : 1).joined(separator: "/")
        let places = FilePath.foldersUp(from: folder).map { "\($0)/node_modules" } + nodePath
        return places.first { FileContents.exists("\($0)/\(package)") }
    }

    /// A package inside the folder moves with it; all others share one name.
    private func cacheName(_ module: String, home: String) -> String {
        guard cache?.isPortable == true else {
            return "modules/\(module.replacing("/", with: "-"))-\(SharedModules.hash(Array(home.utf8)).prefix(16))"
        }
        let place = FilePath.inside(home, of: root).map { "-in-\($0.replacing("/", with: "-"))" } ?? ""
        return "modules/\(module.replacing("/", with: "-"))\(place)"
    }

    /// - Parameters:
    ///   - home: the folder `node_modules` that has it, or `nil`.
    ///   - folders: where it was looked for.
    private func share(
        _ module: String,
        home: String?,
        folders: [String],
        hashes: inout FileHashes
    ) async throws -> String {
        // On a machine without the package, what was bundled elsewhere is still good.
        let homes = home.map { [$0] } ?? folders.map { "\($0)/node_modules" }
        let moduleKey = cache?.isPortable == true ? key : key + (home ?? "")
        for home in homes {
            let name = cacheName(module, home: home)
            if let entry = cache?.ofModules.read(name, key: moduleKey, root: root, hashes: &hashes) {
                return modules.add(entry.code)
            }
        }
        guard let home else { throw MissingModule(message: Esbuild.missing(module: module)) }
        return try await inScratchFolder { scratch in
            let entry = "\(scratch)/entry.js"
            guard FileContents.write(Array("module.exports = require('\(module)');\n".utf8), to: entry) else {
                throw Self.noScratch(scratch)
            }
            var esbuild = esbuild
            esbuild.setNodePath(home)
            let mistakes = try await esbuild.run(
                [entry] + Esbuild.options.filter { !$0.hasPrefix("--source") }
                    + ["--outfile=\(scratch)/out.js", "--metafile=\(scratch)/meta.json", try settings(in: scratch)],
                in: root
            )
            if let mistake = mistakes.first {
                throw MissingModule(message: "the module \"\(module)\" cannot be bundled: \(mistake.message)")
            }
            guard let code = FileContents.read("\(scratch)/out.js"),
                let meta = FileContents.read("\(scratch)/meta.json").flatMap({ try? JSONReader.read($0) })
            else { throw TerapiError(.serverError, "esbuild wrote no bundle of \(module).") }
            let inputs = (meta["inputs"]?.object?.names ?? []).filter { FilePath.whole($0, from: root) != entry }
            // Whole paths mean the same for every folder, relative ones on every machine.
            let named = cache?.isPortable == true ? inputs : inputs.map { FilePath.whole($0, from: root) }
            _ = cache?.ofModules.write(
                BundleCache.Entry(code: code, map: nil, requires: []),
                map: nil,
                name: cacheName(module, home: home),
                key: moduleKey,
                inputs: named,
                root: root,
                hashes: &hashes
            )
            return modules.add(code)
        }
    }

    /// Where a file imports the module, for the message that it is missing.
    private func place(ofImport module: String, in path: String, message: String) -> DefinitionMistake {
        let text = FileContents.read(FilePath.whole(path, from: root)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            for quote in ["'", "\""] {
                guard let found = line.firstRange(of: quote + module + quote) else { continue }
                let column = line[..<found.lowerBound].utf8.count + 1
                return shown(DefinitionMistake(file: path, line: index + 1, column: column, message: message))
            }
        }
        return shown(DefinitionMistake(file: path, line: 1, column: 1, message: message))
    }

    // MARK: Folders

    /// The mistake with its file's path as the person gave it.
    private func shown(_ mistake: DefinitionMistake) -> DefinitionMistake {
        var mistake = mistake
        mistake.file = mistake.file.isEmpty || mistake.file.hasPrefix("/") ? mistake.file : "\(name)/\(mistake.file)"
        return mistake
    }

    /// A person's tsconfig.json may ask for imports to be kept that are only types: ours takes its place.
    func settings(in scratch: String) throws -> String {
        let path = "\(scratch)/tsconfig.json"
        guard FileContents.write(Array("{}".utf8), to: path) else { throw Self.noScratch(scratch) }
        return "--tsconfig=\(path)"
    }

    func inScratchFolder<Result>(_ body: (String) async throws -> Result) async throws -> Result {
        let base = FileContents.realPath(esbuild.environment["TMPDIR"] ?? "/tmp")
        var template = Array("\(base)/terapi-bundle-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Self.noScratch(base) }
        let scratch = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        defer { FileContents.removeFolder(scratch) }
        return try await body(scratch)
    }

    static func noScratch(_ path: String) -> TerapiError {
        TerapiError(.storageUnavailable, "Nothing can be written to \(path), where bundles are made.")
    }
}

extension ScriptFile {
    /// Relative to the folder of integrations.
    var folder: String { FilePath.folder(of: path) }
    /// Where esbuild puts the bundle, relative to its folder.
    var outputPath: String { "\(folder)/\(name).js" }
    var cacheName: String { path }
}
