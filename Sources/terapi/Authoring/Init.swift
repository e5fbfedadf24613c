import ArgumentParser
import Foundation
import TerapiCore
import TerapiScripts

/// Makes a project of integrations.
struct Init: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a project of integrations, with an example that runs and the types of the script API."
    )

    @Argument(help: "The project's folder. It is made when it does not exist.")
    var folder = "."

    @Flag(help: "Add what is missing to a folder that has files already. None of them is changed.")
    var add = false

    func run() throws {
        let path = URL(filePath: folder).standardizedFileURL.path(percentEncoded: false)
        try checkEmpty()
        let name = path.split(separator: "/").last.map(String.init) ?? "integrations"
        var made: [String] = []
        for file in ProjectTemplate.files(name: name) where try OwnedFile.write(file, in: folder) {
            made.append(file.path)
        }
        guard !made.isEmpty else { return print("Everything is there already.") }
        print("Made in \(folder):")
        for path in made { print("  \(path)") }
        let enter = folder == "." ? "" : "cd \(folder) && "
        print("Next: \(enter)npm install && terapi test. README.md goes on from there.")
    }

    private func checkEmpty() throws {
        var isFolder = ObjCBool(false)
        guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder) else { return }
        guard isFolder.boolValue else { throw ExitWithMessage("\(folder) is a file. Name a folder for the project.") }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        // A repository that was just begun is as good as empty.
        guard add || names.allSatisfy({ $0 == ".git" }) else {
            throw ExitWithMessage(
                "\(folder) is not empty. Name another folder, or add what is missing with terapi init --add "
                    + "\(folder): files that are there stay as they are."
            )
        }
    }
}

/// Makes one script with its test.
struct New: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a script from a template, with a test beside it.",
        discussion: "For example: terapi new sync github issues"
    )

    @Option(name: [.customLong("integrations-dir"), .customLong("integrations")], help: "Folder of integrations.")
    var integrations = "integrations"

    @Argument(help: "sync, action or on-event.")
    var kind: String

    @Argument(help: "The integration, a folder in the folder of integrations.")
    var integration: String

    @Argument(help: "The script's name, without suffix.")
    var name: String

    func run() throws {
        guard let kind = ScriptInvocation.Kind(rawValue: kind), kind != .describe else {
            throw ExitWithMessage("\"\(kind)\" is no kind of script. Allowed: sync, action, on-event.")
        }
        let files: [TemplateFile]
        do {
            files = try ScriptTemplate(kind, integrationKey: integration, name: name).files
        } catch let error as TerapiError {
            throw ExitWithMessage(error.message)
        }
        if let known = ScriptFile.find(name, kind: kind, integrationKey: integration, in: integrations) {
            throw ExitWithMessage("\(integrations)/\(known.path) exists already. Nothing was changed.")
        }
        // Before anything is made: half of the two would help nobody.
        for file in files where FileManager.default.fileExists(atPath: "\(integrations)/\(file.path)") {
            throw ExitWithMessage("\(integrations)/\(file.path) exists already. Choose another name.")
        }
        for file in files where try OwnedFile.write(file, in: integrations) { print("\(integrations)/\(file.path)") }
        print("Next: terapi test \(integration)/\(name)")
    }
}

/// Files that belong to the person from the moment they are written.
enum OwnedFile {
    /// - Returns: whether it was written; a file that exists stays as it is.
    static func write(_ file: TemplateFile, in folder: String) throws -> Bool {
        let url = URL(filePath: folder).appending(path: file.path)
        guard !FileManager.default.fileExists(atPath: url.path(percentEncoded: false)) else { return false }
        do {
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(file.text.utf8).write(to: url, options: .withoutOverwriting)
        } catch {
            throw ExitWithMessage("\(folder)/\(file.path) cannot be written: \(error.localizedDescription)")
        }
        return true
    }

    static func replace(_ path: String, with text: String) throws {
        let url = URL(filePath: path)
        do {
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: url, options: .atomic)
        } catch {
            throw ExitWithMessage("\(path) cannot be written: \(error.localizedDescription)")
        }
    }

    /// - Returns: `nil` when there is no such file.
    static func read(_ path: String) -> [UInt8]? {
        (try? Data(contentsOf: URL(filePath: path))).map(Array.init)
    }
}
