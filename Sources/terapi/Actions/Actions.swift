import ArgumentParser
import TerapiCore

/// Scripts that answer their caller.
struct Actions: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List and run actions.",
        subcommands: [List.self, Run.self, Result.self]
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the actions of an integration.")

        @OptionGroup var server: RemoteOptions
        @OptionGroup var answer: AnswerOptions

        @Option(help: "The integration.")
        var integration: String

        func run() async throws {
            let found = try await server.ask { client in
                var actions: [JSONValue] = []
                while true {
                    let answer = try await client.send(
                        "GET", "\(Integrations.path(integration))/functions",
                        query: [("type", "action"), ("limit", "100"), ("page", String(actions.count / 100))]
                    )
                    let page = answer["data"]?.array ?? []
                    actions += page
                    if page.count < 100 { return JSONValue.object(["data": .array(actions)]) }
                }
            }
            answer.show(found) {
                var table = Table(["ACTION", "STATE", "DESCRIPTION"])
                for one in found["data"]?.array ?? [] {
                    table.add([one["name"].cell, one["enabled"]?.bool == true ? "on" : "off", one["description"].cell])
                }
                return table.text(empty: "The integration has no action. terapi deploy sends some.")
            }
        }
    }
}
