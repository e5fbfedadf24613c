import Foundation
import TerapiCore

extension ProviderCatalog {
    /// The built-in catalogue with a file or the files of a folder over it.
    ///
    /// A folder's `<name>.yaml` adds the provider of that name or replaces it; a file may also hold many providers, by
    /// their names.
    /// - Throws: `TerapiError` with `.invalidDefinition` for mistakes in files, `.invalidConfiguration` when they cannot be
    ///   read.
    public static func load(_ path: String? = nil) throws -> ProviderCatalog {
        try ProviderCatalog(files: builtIn + (path.map(files) ?? []))
    }

    /// What is wrong with a file or the files of a folder, and what in them has no effect.
    /// - Returns: the providers of these files and not the built-in ones.
    public static func check(_ path: String) throws -> Reading {
        let files = try files(at: path)
        var reading = read(builtIn + files)
        reading.providers = reading.providers.filter { reading.added.contains($0.name) }
        return reading
    }

    /// The provider files at a path: itself, or those of a folder.
    /// - Throws: `TerapiError` with `.invalidConfiguration` when they cannot be read.
    public static func files(at path: String) throws -> [File] {
        do {
            return try ProviderFolder(path).paths().map { path in
                let text = try String(contentsOfFile: path, encoding: .utf8)
                let file = path.split(separator: "/").last ?? ""
                let name = ProviderFolder.endings.first(where: file.hasSuffix).map { file.dropLast($0.count) } ?? file
                return File(path: path, name: String(name), text: text)
            }
        } catch {
            throw TerapiError(
                .invalidConfiguration,
                "The provider files at \"\(path)\" cannot be read: is it a YAML file, or a folder of them?",
                cause: error
            )
        }
    }
}

/// A file of providers, or a folder of such files.
public struct ProviderFolder: Sendable {
    static let endings = [".yaml", ".yml"]

    private let path: String

    public init(_ path: String) {
        self.path = path
    }

    /// What each file looks like from outside, by its path; one that changes gets another trace.
    public typealias Traces = [String: String]

    /// - Returns: nothing for a path that cannot be read.
    public func traces() -> Traces {
        let paths = (try? paths()) ?? []
        return paths.reduce(into: [:]) { traces, path in
            guard let facts = try? FileManager.default.attributesOfItem(atPath: path) else { return }
            let changedAt = (facts[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
            let size = (facts[.size] as? NSNumber)?.intValue ?? 0
            // A file that is put in another's place may have its size and time.
            let number = (facts[.systemFileNumber] as? NSNumber)?.intValue ?? 0
            traces[path] = "\(number) \(size) \(changedAt)"
        }
    }

    func paths() throws -> [String] {
        var isFolder: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        guard isFolder.boolValue else { return [path] }
        return try FileManager.default.contentsOfDirectory(atPath: path).sorted()
            .filter { name in Self.endings.contains { name.hasSuffix($0) } && !name.hasPrefix(".") }
            .map { path + (path.hasSuffix("/") ? "" : "/") + $0 }
    }
}
