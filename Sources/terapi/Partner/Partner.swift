import ArgumentParser
import Foundation
import TerapiCore
import TerapiProviders
import TerapiScripts

/// Takes a partner's platform in.
struct Partner: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take a partner's platform in: provider, syncs, webhooks and tests out of a few answers.",
        subcommands: [PartnerInit.self]
    )
}

struct PartnerInit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Write the provider file, a sync for each kind of data, and their tests.",
        discussion: """
            Answers come from a file, from flags, which go over it, and at a terminal from questions about what is \
            still missing. docs/partners.md describes them all. A mapping onto the standard model is proposed from one \
            example answer; every guess is marked in the file, and what has no clear unit is left out. Files that are \
            there are never changed.
            """
    )

    @Argument(help: "The project's folder.")
    var folder = "."

    @OptionGroup var flags: PartnerFlags

    @Flag(help: "Print one JSON document: the files, and each guess. Asks nothing.")
    var json = false

    func run() async throws {
        do {
            let given = try flags.answers()
            let answers = json || isatty(STDIN_FILENO) != 1 ? given : PartnerQuestions().completed(given)
            let files = try await made(PartnerAnswers(answers, file: flags.read))
            report(files.partner, files.written)
        } catch let error as TerapiError {
            guard json else { throw ExitWithMessage(error) }
            say(Self.document(of: error).text())
            throw ExitCode(1)
        }
    }

    private static func document(of error: TerapiError) -> JSONValue {
        let issues = error.issues.map { issue -> JSONValue in
            ["at": .string(issue.path.joined(separator: ".")), "message": .string(issue.message)]
        }
        return ["error": ["message": .string(error.message), "issues": .array(issues)]]
    }

    // MARK: Writing

    private func made(_ answers: PartnerAnswers) async throws -> (partner: PartnerFiles, written: [TemplateFile]) {
        let (partner, tests) = try await PartnerTrial().tests(of: answers)
        let files = partner.files + tests
        let there = files.map(\.path).filter { FileManager.default.fileExists(atPath: "\(folder)/\($0)") }
        guard there.isEmpty else {
            throw TerapiError(
                .invalidConfiguration,
                "Nothing was written: \(there.joined(separator: ", ")) exists already. Choose another name, or move it "
                    + "away."
            )
        }
        try checkProvider(partner.files[0])
        for file in files where try !OwnedFile.write(file, in: folder) {
            throw TerapiError(.invalidConfiguration, "\(file.path) was made by somebody else at this moment.")
        }
        return (partner, files)
    }

    /// What `terapi providers check` would say of it.
    private func checkProvider(_ file: TemplateFile) throws {
        let scratch = FileManager.default.temporaryDirectory.appending(path: "terapi-partner-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: scratch) }
        let path = scratch.path(percentEncoded: false)
        _ = try OwnedFile.write(file, in: path)
        let reading = try ProviderCatalog.check("\(path)/\(file.path)")
        guard reading.errors.isEmpty else {
            throw TerapiError(
                .invalidConfiguration, "The provider would not be right: change these answers.",
                issues: reading.errors.map { .init(code: "invalid_provider", message: $0.message, path: []) })
        }
    }

    // MARK: Telling

    private func report(_ partner: PartnerFiles, _ files: [TemplateFile]) {
        guard !json else { return say(PartnerReport(partner, files).json.text()) }
        say("Made in \(folder):")
        for file in files { say("  \(file.path)") }
        for line in PartnerReport(partner, files).lines { say(line) }
        let enter = folder == "." ? "" : "cd \(folder) && "
        say("Next: \(enter)terapi test, then compare each guess with the partner's documents.")
    }
}

/// What came of it, for people and for machines.
struct PartnerReport {
    let partner: PartnerFiles
    let files: [TemplateFile]

    init(_ partner: PartnerFiles, _ files: [TemplateFile]) {
        self.partner = partner
        self.files = files
    }

    var json: JSONValue {
        var guesses: [JSONValue] = []
        var leftOut: [JSONValue] = []
        var missing: [JSONValue] = []
        var unmapped: [JSONValue] = []
        for (type, guess) in partner.guesses {
            for field in guess.fields {
                guard let from = field.from else { continue }
                guesses.append([
                    "sync": .string(type), "field": .string(field.field), "expression": .string(field.expression),
                    "from": .string(from), "example": .string(field.example), "because": .string(field.because),
                    "confidence": .string(field.confidence.rawValue),
                ])
            }
            for one in guess.leftOut {
                leftOut.append([
                    "sync": .string(type), "field": .string(one.field), "from": .string(one.from),
                    "example": .string(one.example), "because": .string(one.because),
                ])
            }
            missing += guess.missing.map { ["sync": .string(type), "field": .string($0)] }
            unmapped += guess.unmapped.map { ["sync": .string(type), "from": .string($0)] }
        }
        return [
            "files": JSONValue(files.map(\.path)), "guesses": .array(guesses), "left_out": .array(leftOut),
            "missing": .array(missing), "unmapped": .array(unmapped), "read_at_events": JSONValue(partner.readAtEvents),
        ]
    }

    var lines: [String] {
        var lines: [String] = []
        for (type, guess) in partner.guesses {
            let guessed = guess.fields.filter { $0.from != nil }
            lines.append("\(type) (\(guess.model)): \(guessed.count) guesses, each marked in its file")
            for field in guessed {
                lines.append("  \(field.field): \(field.expression)  [\(field.confidence.rawValue)] \(field.because)")
            }
            for name in guess.missing { lines.append("  REQUIRED and not found: \(name)") }
            for one in guess.leftOut { lines.append("  left out: \(one.field) from \(one.from): \(one.because)") }
        }
        for type in partner.readAtEvents {
            lines.append("\(type): its events do not bring the whole record, so each lets the sync read at once")
        }
        if partner.isPushed { lines.append("The shared secret goes into the integration's config as webhook_secret.") }
        return lines
    }
}
