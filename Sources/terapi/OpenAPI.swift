import ArgumentParser
import TerapiCore
import TerapiScripts

/// Describes what an environment offers below `/v1`.
struct OpenAPI: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "openapi",
        abstract: "Print the OpenAPI document of the records and actions at addresses of your own."
    )

    @OptionGroup var server: RemoteOptions

    @Option(help: "Only what this integration offers.")
    var integration: String?

    func run() async throws {
        let document = try await server.ask {
            try await $0.send("GET", "/v1/openapi.json", query: [("provider_config_key", integration)])
        }
        print(document.layout)
    }
}
