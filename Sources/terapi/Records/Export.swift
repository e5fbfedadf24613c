import ArgumentParser
import TerapiCore
import TerapiScripts

/// Writes the records of one connection.
struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write the records of one connection: one JSON document a line, or a bundle of FHIR R4.",
        discussion: """
            With --fhir, records of the models activity, sleep, daily and body become Observations with LOINC codes and \
            UCUM units, in one bundle. The person is the connection's id, or what --patient says.
            """
    )

    @OptionGroup var server: RemoteOptions

    @OptionGroup var connection: ConnectionOptions

    @Option(help: "A model; several times for several. With --fhir: all of health where none is given.")
    var model: [String] = []

    @Flag(help: "As a bundle of FHIR R4.")
    var fhir = false

    @Option(help: "With --fhir: how the person is known where the bundle goes.")
    var patient: String?

    @Option(help: "A file; \"-\" prints.")
    var output = "-"

    func run() async throws {
        let text = try await fhir ? bundle() : lines()
        if output == "-" { return print(text, terminator: "") }
        try OwnedFile.replace(output, with: text)
    }

    private func bundle() async throws -> String {
        let known = FHIRBundle.models
        let names = model.isEmpty ? known.map(\.name) : model
        var bundle = FHIRBundle(patient: patient ?? connection.connection, source: connection.integration)
        for name in names {
            guard let standard = known.first(where: { $0.name == name }) else {
                throw ExitWithMessage(
                    "\"\(name)\" has no form in FHIR. Models that have are \(known.map(\.name).joined(separator: ", "))."
                )
            }
            try await read(name) { bundle.add($0, of: standard) }
        }
        return bundle.json.layout + "\n"
    }

    private func lines() async throws -> String {
        guard !model.isEmpty else { throw ExitWithMessage("Say which model, with --model.") }
        var text = ""
        for name in model { try await read(name) { text += $0.text() + "\n" } }
        return text
    }

    private func read(_ model: String, _ body: (JSONValue) -> Void) async throws {
        try await server.ask { client in
            var feed = RecordFeed(client: client, connection: connection, model: model)
            repeat { try await feed.next().forEach(body) } while !feed.isAtEnd
        }
    }
}
