import ArgumentParser
import TerapiCore
import TerapiScripts

/// Shows the standard models.
struct Models: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the standard models, or print one as JSON Schema.",
        discussion: "To change one: terapi models ticket > integrations/models/ticket.json"
    )

    @Argument(help: "The model: ticket.")
    var name: String?

    func run() throws {
        guard let name else {
            for model in StandardModel.all { print("\(model.name)  \(model.version)  \(model.description)") }
            return
        }
        guard let model = StandardModel.named(name) else {
            let names = StandardModel.all.map(\.name).joined(separator: ", ")
            throw ExitWithMessage("There is no standard model \"\(name)\". There are \(names).")
        }
        print(model.document.layout)
    }
}
