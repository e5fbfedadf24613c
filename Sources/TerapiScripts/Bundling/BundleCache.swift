import TerapiCore

/// Bundles on disk, each good for exactly the files that it was made from.
///
/// Beside each bundle lies a list of its input files with the hashes of their contents.
public struct BundleCache: Sendable {
    /// A whole path.
    public let folder: String
    /// Whether the folder goes to other machines with its bundles, where packages may not be installed.
    public let isPortable: Bool
    /// Where modules lie that scripts share, perhaps with those of other folders.
    private let modulesFolder: String

    public init(folder: String, isPortable: Bool, modulesFolder: String? = nil) {
        self.folder = folder
        self.isPortable = isPortable
        self.modulesFolder = modulesFolder ?? folder
    }

    var ofModules: BundleCache { BundleCache(folder: modulesFolder, isPortable: isPortable) }

    /// The cache of a person's own runs, apart for each folder of integrations; `nil` for who has no home.
    public static func ofPerson(folder: String, environment: [String: String]) -> BundleCache? {
        let base = environment["XDG_CACHE_HOME"] ?? environment["HOME"].map { "\($0)/.cache" }
        guard let base, base.hasPrefix("/") else { return nil }
        let name = SharedModules.hash(Array(FileContents.realPath(folder).utf8)).prefix(16)
        return BundleCache(folder: "\(base)/terapi/\(name)", isPortable: false, modulesFolder: "\(base)/terapi")
    }

    struct Entry {
        var code: [UInt8]
        /// The source map's path.
        var map: String?
        /// The source map itself when it has no file.
        var mapText: String?
        /// Shared modules that the bundle requires: the name, and the file that imports it.
        var requires: [(module: String, importer: String)]
    }

    /// - Parameters:
    ///   - name: a relative path without suffix.
    ///   - key: what else the bundle depends on: options and settings. `nil` takes any.
    ///   - root: what the inputs' relative paths are relative to.
    /// - Returns: `nil` when there is no bundle, or a file that it was made from has changed since.
    func read(_ name: String, key: String?, root: String, hashes: inout FileHashes) -> Entry? {
        let path = "\(folder)/\(name)"
        guard let bytes = FileContents.read("\(path).json"), let list = try? JSONReader.read(bytes),
            key == nil || list["key"]?.string == key, let inputs = list["inputs"]?.object,
            inputs.members.allSatisfy({ isUnchanged($0.name, hash: $0.value.string, root: root, hashes: &hashes) }),
            let code = FileContents.read("\(path).js"), list["code"]?.string == SharedModules.hash(code)
        else { return nil }
        let requires = (list["requires"]?.object?.members ?? []).map { ($0.name, $0.value.string ?? "") }
        let map = "\(path).js.map"
        return Entry(code: code, map: FileContents.exists(map) ? map : nil, requires: requires)
    }

    /// - Returns: the source map's path when it could be written.
    func write(
        _ entry: Entry,
        map: [UInt8]?,
        name: String,
        key: String,
        inputs: [String],
        root: String,
        hashes: inout FileHashes
    ) -> String? {
        let path = "\(folder)/\(name)"
        let listed = inputs.sorted().map { input in
            (input, hashes.hash(of: FilePath.whole(input, from: root)).map(JSONValue.string) ?? .null)
        }
        let list: JSONValue = [
            "key": .string(key),
            "code": .string(SharedModules.hash(entry.code)),
            "inputs": .object(JSONObject(listed)),
            "requires": .object(JSONObject(entry.requires.map { ($0.module, .string($0.importer)) })),
        ]
        guard FileContents.write(entry.code, to: "\(path).js") else { return nil }
        let hasMap = map.map { FileContents.write($0, to: "\(path).js.map") } ?? false
        _ = FileContents.write(list.encoded(), to: "\(path).json")
        return hasMap ? "\(path).js.map" : nil
    }

    private func isUnchanged(_ input: String, hash: String?, root: String, hashes: inout FileHashes) -> Bool {
        let path = FilePath.whole(input, from: root)
        if let now = hashes.hash(of: path) { return now == hash }
        return isPortable && (FilePath.inside(path, of: root) == nil || input.contains("node_modules/"))
    }
}

/// The hashes of files' contents, each read once.
struct FileHashes {
    private var known: [String: String?] = [:]

    /// - Returns: `nil` when there is no such file.
    mutating func hash(of path: String) -> String? {
        if let hash = known[path] { return hash }
        let hash = FileContents.read(path).map(SharedModules.hash)
        known[path] = hash
        return hash
    }
}
