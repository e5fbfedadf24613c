import Synchronization
import TerapiCore

/// The text of modules that many scripts use, such as zod: kept once here, sent once to each script host.
///
/// A script names the modules that it wants by their hash, in its ``ScriptHeader``.
public final class SharedModules: Sendable {
    private let texts = Mutex<[String: [UInt8]]>([:])

    public init() {}

    /// - Returns: the hash by which scripts name the module.
    @discardableResult
    public func add(_ text: [UInt8]) -> String {
        let hash = Self.hash(text)
        texts.withLock { $0[hash] = text }
        return hash
    }

    subscript(hash: String) -> [UInt8]? {
        texts.withLock { $0[hash] }
    }

    static func hash(_ text: [UInt8]) -> String {
        hex(sha256(text))
    }
}

/// What a bundle says about itself in a comment on its first line.
struct ScriptHeader: Sendable, Equatable {
    private static let mark = "//# terapi "

    /// The file that the bundle was made from, for messages: `issues.ts`.
    var source: String
    /// Where the source map is; a whole path.
    var map: String?
    /// The source map itself where no file could be written.
    var mapText: String?
    /// Modules that the script requires and that stand in ``SharedModules``: name and hash.
    var modules: [(name: String, hash: String)] = []

    init(
        source: String,
        map: String? = nil,
        mapText: String? = nil,
        modules: [(name: String, hash: String)] = []
    ) {
        self.source = source
        self.map = map
        self.mapText = mapText
        self.modules = modules
    }

    /// - Returns: `nil` when the text begins otherwise: it was not bundled.
    init?(of code: String) {
        guard code.hasPrefix(Self.mark) else { return nil }
        let line = code.utf8.dropFirst(Self.mark.utf8.count).prefix { $0 != UInt8(ascii: "\n") }
        guard let json = try? JSONReader.read(Array(line)), let source = json["source"]?.string
        else { return nil }
        self.source = source
        map = json["map"]?.string
        mapText = json["mapText"]?.string
        modules = (json["modules"]?.object?.members ?? []).compactMap { member in
            member.value.string.map { (member.name, $0) }
        }
    }

    /// The text without the line with which it begins, if it has one.
    static func without(_ code: String) -> String {
        guard ScriptHeader(of: code) != nil, let end = code.utf8.firstIndex(of: UInt8(ascii: "\n")) else { return code }
        return String(decoding: code.utf8[code.utf8.index(after: end)...], as: UTF8.self)
    }

    /// The line, with its end.
    var line: String {
        var json: JSONObject = ["source": .string(source)]
        json["map"] = map.map(JSONValue.string)
        json["mapText"] = mapText.map(JSONValue.string)
        if !modules.isEmpty { json["modules"] = .object(JSONObject(modules.map { ($0.name, .string($0.hash)) })) }
        return Self.mark + JSONValue.object(json).text() + "\n"
    }

    /// A place in the bundle as a place in what the author wrote: `issues.ts:42:17`.
    /// - Parameter place: line and column, `1200:7`, the header's line not counted.
    func shown(_ place: String) -> String {
        let numbers = place.split(separator: ":").compactMap { Int($0) }
        guard let line = numbers.first, let bytes = mapText.map({ Array($0.utf8) }) ?? map.flatMap(FileContents.read),
            let found = SourceMap(bytes)?.place(line: line, column: numbers.count > 1 ? numbers[1] : 1)
        else { return "\(source):\(place)" }
        return "\(found.source):\(found.line):\(found.column)"
    }

    static func == (left: ScriptHeader, right: ScriptHeader) -> Bool {
        left.line == right.line
    }
}
