import ArgumentParser
import TerapiCore
import TerapiTemplates

/// Lists the scripts that ship, and switches them on and off on a server.
struct Templates: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the syncs and actions that ship with Terapi, and switch them on and off on a server.",
        discussion: "A template is off until an integration enables it. terapi new --from copies one to be changed.",
        subcommands: [ListTemplates.self, EnableTemplate.self, DisableTemplate.self],
        defaultSubcommand: ListTemplates.self
    )
}

struct ListTemplates: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List what ships; of one provider, or all."
    )

    @Argument(help: "The provider: github.")
    var provider: String?

    func run() throws {
        let found = ShippedTemplates.all.filter { provider == nil || $0.provider == provider }
        guard !found.isEmpty else {
            let providers = Set(ShippedTemplates.all.map(\.provider)).sorted().joined(separator: ", ")
            throw ExitWithMessage("Nothing ships for \"\(provider ?? "")\". There are templates for \(providers).")
        }
        for template in found { print("\(template.kind.rawValue)  \(template.provider)/\(template.name)") }
    }
}

/// What enabling and disabling need to know.
struct TemplateOptions: ParsableArguments {
    @OptionGroup var server: RemoteOptions

    @Option(help: "sync or action, where the name is not enough.")
    var kind: String?

    @Argument(help: "The integration of the environment.")
    var integration: String

    @Argument(help: "The name of the template, without its provider: issues.")
    var name: String

    func set(_ isEnabled: Bool) async throws {
        let place = "/integrations/\(PercentEncoding.encode(integration))/functions/\(PercentEncoding.encode(name))"
        let answer = try await server.ask {
            try await $0.send("PATCH", place, query: [("type", kind)], body: ["enabled": .bool(isEnabled)])
        }
        let id = answer["data"]?["id"]?.string ?? "\(integration)/\(name)"
        print("\(id) is \(answer["data"]?["enabled"]?.bool == true ? "on" : "off").")
    }
}

struct EnableTemplate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable",
        abstract: "Switch a template on for an integration; a sync begins on its connections at once.",
        discussion: "Again for one that is on takes the form in which it ships now."
    )

    @OptionGroup var options: TemplateOptions

    func run() async throws { try await options.set(true) }
}

struct DisableTemplate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable",
        abstract: "Switch a template off for an integration; a sync keeps its place and its records."
    )

    @OptionGroup var options: TemplateOptions

    func run() async throws { try await options.set(false) }
}
