import ArgumentParser
import TerapiCore

extension Connections {
    struct Link: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print a link with which an end user connects; it holds for half an hour.",
            discussion: """
                terapi connections link --end-user user123 --integration github
                terapi connections link --integration github --reconnect 6f1d…     the same connection once more
                """
        )

        @OptionGroup var server: RemoteOptions
        @OptionGroup var answer: AnswerOptions

        @Option(help: "An integration to choose from; several times for several. Without any: all of the environment.")
        var integration: [String] = []

        @Option(help: "The end user's id.")
        var endUser: String?

        @Option(help: "The end user's e-mail address.")
        var email: String?

        @Option(help: "The end user's name.")
        var displayName: String?

        @Option(help: "The id of a connection that its end user has to authorise anew.")
        var reconnect: String?

        func validate() throws {
            guard reconnect != nil || endUser != nil else {
                throw ValidationError("Say whose connection it will be, with --end-user.")
            }
            guard reconnect == nil || integration.count == 1 else {
                throw ValidationError("--reconnect needs the one --integration of the connection.")
            }
            guard endUser != nil || (email == nil && displayName == nil) else {
                throw ValidationError("--email and --display-name go with --end-user.")
            }
        }

        func run() async throws {
            var body: JSONObject = [:]
            body["end_user"] = endUser.map { id in
                var user: JSONObject = ["id": .string(id)]
                user["email"] = email.map(JSONValue.string)
                user["display_name"] = displayName.map(JSONValue.string)
                return .object(user)
            }
            if let reconnect {
                body["connection_id"] = .string(reconnect)
                body["integration_id"] = .string(integration[0])
            } else if !integration.isEmpty {
                body["allowed_integrations"] = JSONValue(integration)
            }
            let path = reconnect == nil ? "/connect/sessions" : "/connect/sessions/reconnect"
            let made = try await server.ask { [body] in try await $0.send("POST", path, body: .object(body)) }
            answer.show(made) { made["data"]?["connect_link"].cell ?? "" }
        }
    }
}
