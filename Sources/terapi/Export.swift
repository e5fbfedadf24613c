import ArgumentParser
import TerapiCore
import TerapiScripts

/// Writes the records of one connection.
struct Export: AsyncParsableCommand {
    private static let pageSize = 1_000

    static let configuration = CommandConfiguration(
        abstract: "Write the records of one connection: one JSON document a line, or a bundle of FHIR R4.",
        discussion: """
            With --fhir, records of the models activity, sleep, daily and body become Observations with LOINC codes and \
            UCUM units, in one bundle. The person is the connection's id, or what --patient says.
            """
    )

    @OptionGroup var server: RemoteOptions

    @Option(help: "The integration.")
    var integration: String

    @Option(help: "The connection.")
    var connectionId: String

    @Option(help: "A model; several times for several. With --fhir: all of health where none is given.")
    var model: [String] = []

    @Flag(help: "As a bundle of FHIR R4.")
    var fhir = false

    @Option(help: "With --fhir: how the person is known where the bundle goes.")
    var patient: String?

    @Option(help: "A file; \"-\" prints.")
    var output = "-"

    func run() async throws {
        do {
            let text = try await fhir ? bundle() : lines()
            if output == "-" { return print(text, terminator: "") }
            try OwnedFile.replace(output, with: text)
        } catch let error as TerapiError {
            throw ExitWithMessage(error)
        }
    }

    private func bundle() async throws -> String {
        let known = FHIRBundle.models
        let names = model.isEmpty ? known.map(\.name) : model
        var bundle = FHIRBundle(patient: patient ?? connectionId, source: integration)
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
        let client = try server.client()
        let headers = [(name: "Provider-Config-Key", value: integration), (name: "Connection-Id", value: connectionId)]
        let place = "/records?model=\(PercentEncoding.encode(model))&limit=\(Self.pageSize)"
        var cursor: String?
        repeat {
            let next = cursor.map { "&cursor=\(PercentEncoding.encode($0))" } ?? ""
            let answer = try await client.send("GET", place + next, headers: headers)
            for record in answer["records"]?.array ?? [] { body(record) }
            cursor = answer["next_cursor"]?.string
        } while cursor != nil
        await client.close()
    }
}
