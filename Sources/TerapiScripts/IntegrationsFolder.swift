import Foundation
import TerapiCore

/// A folder of definitions: `<folder>/<integration>/syncs/<name>.yaml`.
public enum IntegrationsFolder {
    /// Reads every sync in the folder, in the order of their names.
    /// - Throws: `TerapiError(.invalidDefinition)` with all mistakes of all files.
    public static func load(_ path: String) throws -> [SyncFile] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
            throw TerapiError(.invalidDefinition, "There is no folder of integrations at \(path).")
        }
        var syncs: [SyncFile] = []
        var mistakes: [DefinitionMistake] = []
        for integration in try names(in: path) {
            let folder = "\(path)/\(integration)/syncs"
            guard FileManager.default.fileExists(atPath: folder) else { continue }
            for file in try names(in: folder) {
                guard let name = ["yaml", "yml"].compactMap({ file.withoutSuffix(".\($0)") }).first else { continue }
                let shown = "\(folder)/\(file)"
                let bytes = try read(shown)
                guard let text = String(validating: bytes, as: UTF8.self) else {
                    mistakes.append(.init(file: shown, line: 1, column: 1, message: "expected text in UTF-8"))
                    continue
                }
                let (sync, found) = SyncFile.read(text, file: shown, integrationKey: integration, name: name)
                mistakes += found
                if let sync { syncs.append(sync) }
            }
        }
        guard mistakes.isEmpty else { throw SyncFile.error(mistakes) }
        return syncs
    }

    private static func names(in folder: String) throws -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasPrefix(".") }.sorted()
        } catch {
            throw TerapiError(.invalidDefinition, "The folder \(folder) cannot be read.", cause: error)
        }
    }

    private static func read(_ file: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: file) else {
            throw TerapiError(.invalidDefinition, "The file \(file) cannot be read.")
        }
        return Array(data)
    }
}

extension String {
    fileprivate func withoutSuffix(_ suffix: String) -> String? {
        hasSuffix(suffix) && count > suffix.count ? String(dropLast(suffix.count)) : nil
    }
}
