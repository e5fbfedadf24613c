import ArgumentParser
import Foundation
import TerapiCore
import TerapiScripts
import TerapiTemplates

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
        abstract: "Make a script with a test beside it, or copy one that ships with Terapi.",
        usage: """
            terapi new KIND INTEGRATION NAME
            terapi new --from PROVIDER/TEMPLATE [INTEGRATION [NAME]]
            """,
        discussion: """
            For example: terapi new sync github issues. What ships is listed by terapi templates; terapi new --from \
            github/issues copies one, with its test, to be changed.
            """
    )

    @Option(help: "A template to copy: github/issues.")
    var from: String?

    @Option(name: [.customLong("integrations-dir"), .customLong("integrations")], help: "Folder of integrations.")
    var integrations = "integrations"

    @Option(help: "With --from: sync or action, where the name is not enough.")
    var kind: String?

    @Argument(help: "The kind (sync, action or on-event), the integration and the script's name, without suffix.")
    var words: [String] = []

    func run() throws {
        do {
            let template = try chosen()
            try write(try template.files, of: template)
        } catch let error as TerapiError {
            throw ExitWithMessage(error.message)
        }
    }

    private func chosen() throws -> ScriptTemplate {
        guard let from else {
            guard words.count == 3 else {
                throw ExitWithMessage(
                    "terapi new takes a kind, an integration and a name: terapi new sync github issues")
            }
            guard let kind = ScriptInvocation.Kind(rawValue: words[0]), kind != .describe else {
                throw ExitWithMessage("\"\(words[0])\" is no kind of script. Allowed: sync, action, on-event.")
            }
            return try ScriptTemplate(kind, integrationKey: words[1], name: words[2])
        }
        guard words.count <= 2 else {
            throw ExitWithMessage("terapi new --from takes at most an integration and a name.")
        }
        let found = ShippedTemplates.named(from).filter { kind == nil || $0.kind.rawValue == kind }
        guard let shipped = found.first else {
            throw ExitWithMessage("There is no template \"\(from)\". terapi templates lists them all.")
        }
        guard found.count == 1 else {
            throw ExitWithMessage("There is a sync and an action of the name \"\(from)\". Choose one with --kind.")
        }
        return try ScriptTemplate(
            copying: shipped, integrationKey: words.first ?? shipped.provider, name: words.dropFirst().first
        )
    }

    private func write(_ files: [TemplateFile], of template: ScriptTemplate) throws {
        let (kind, integration, name) = (template.kind, template.integrationKey, template.name)
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
