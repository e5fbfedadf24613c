import ArgumentParser
import TerapiScripts

@main
struct Terapi: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "terapi",
        abstract: "Connects your product to your customers' other tools.",
        version: "0.1.0",
        subcommands: [
            Serve.self, Init.self, New.self, Dev.self, Dryrun.self, Test.self, Compile.self, Docs.self, Deploy.self,
            Rollback.self, Deployments.self, Templates.self, Models.self, Providers.self, Partner.self,
            Integrations.self, Connections.self, Syncs.self, Records.self, Export.self, Actions.self, MCP.self,
            OpenAPI.self, Proxy.self,
            Webhooks.self, ProviderWebhooks.self, Demo.self, Sandbox.self, Logs.self, Keys.self, Variables.self,
            Config.self,
        ]
    )

    static func main() async {
        // Script hosts are this same binary. They start many times a day, so they skip the command line's parsing.
        if CommandLine.arguments.dropFirst().first == ScriptHostProcess.argument {
            ScriptHostProcess.main()
        }
        await main(nil)
    }
}
