import ArgumentParser
import TerapiCore
import TerapiProviders

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// External APIs, as a server knows them and as files describe them.
struct Providers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the providers of a server, check provider files, and take over those of other platforms.",
        subcommands: [List.self, Show.self, Check.self, Import.self]
    )

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tell every mistake in provider files, and every key that has no effect.",
            discussion: """
                The path is a file with one provider, a file with many, or a folder of such files. Mistakes and warnings \
                are printed as file:line:column; with a mistake the command ends with status 1.
                """
        )

        @Argument(help: "A provider file, or a folder of them.")
        var path: String

        @Flag(help: "Print {\"providers\": n, \"errors\": [...], \"warnings\": [...]}.")
        var json = false

        func run() throws {
            let reading: ProviderCatalog.Reading
            do {
                reading = try ProviderCatalog.check(path)
            } catch let error as TerapiError {
                throw ExitWithMessage(error)
            }
            if json { say(reading.json.text()) } else { reading.tell() }
            if !reading.errors.isEmpty { throw ExitCode(1) }
        }
    }

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Copy a file with one or many providers into the folder that the server reads.",
            discussion: """
                The file is checked first; with a mistake in it nothing is written. A server that runs on that folder \
                takes the providers over within a second.
                """
        )

        @Argument(help: "A provider file, of Terapi's own or with a map of many providers.")
        var file: String

        @Option(help: "The folder; without it the one of the setting \"providers\", or else ./providers.")
        var to: String?

        @Option(help: "Take only these providers, each into a file of its own. Names, separated by commas.")
        var only: String?

        @Flag(help: "Replace files that are there already.")
        var replace = false

        func run() async throws {
            do {
                try await take()
            } catch let error as TerapiError {
                throw ExitWithMessage(error)
            }
        }

        private func take() async throws {
            let environment = ProcessInfo.processInfo.environment
            let configured = try await Settings.text("providers", environment: environment)
            let folder = to ?? configured ?? "providers"
            let reading = try ProviderCatalog.check(file)
            guard reading.errors.isEmpty else {
                reading.tell()
                throw ExitCode(1)
            }
            let files = try only.map { try chosen($0, from: reading) } ?? ProviderCatalog.files(at: file)
            try write(files, to: folder)
            for warning in reading.warnings where only == nil { say("warning: \(warning)") }
            let count = only == nil ? reading.providers.count : files.count
            say("\(count) providers are in \(folder) now.")
        }

        private func chosen(_ names: String, from reading: ProviderCatalog.Reading) throws -> [ProviderCatalog.File] {
            try names.split(separator: ",").map { name in
                guard let provider = reading.providers.first(where: { $0.name == name.trimmed }) else {
                    throw TerapiError(.unknownProvider, "\(file) has no provider \"\(name.trimmed)\".")
                }
                let path = "\(provider.name).yaml"
                return ProviderCatalog.File(path: path, name: provider.name, text: provider.file)
            }
        }

        private func write(_ files: [ProviderCatalog.File], to folder: String) throws {
            let places = files.map { file in
                (file.text, "\(folder)/\(file.path.split(separator: "/").last ?? "")")
            }
            for (_, path) in places where !replace && FileManager.default.fileExists(atPath: path) {
                throw TerapiError(
                    .invalidConfiguration,
                    "\(path) exists already. To put the new one in its place, add --replace."
                )
            }
            do {
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                for (text, path) in places {
                    // Whole or not at all: a server may look at any moment.
                    try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
                }
            } catch {
                throw TerapiError(.invalidConfiguration, "\(folder) cannot be written to: \(error).", cause: error)
            }
        }
    }
}

extension ProviderCatalog.Reading {
    var json: JSONValue {
        [
            "providers": JSONValue(providers.count),
            "errors": .array(errors.map(\.json)),
            "warnings": .array(warnings.map(\.json)),
        ]
    }

    func tell() {
        for error in errors { say("error: \(error)") }
        for warning in warnings { say("warning: \(warning)") }
        say("\(providers.count) providers, \(errors.count) errors, \(warnings.count) warnings.")
    }
}

extension CatalogProblem {
    fileprivate var json: JSONValue {
        ["file": .string(file), "line": JSONValue(line), "column": JSONValue(column), "message": .string(message)]
    }
}
