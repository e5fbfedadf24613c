import ArgumentParser
import TerapiCore
import TerapiScripts

extension Actions {
    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Run an action on a connection, and print what it returns.",
            discussion: """
                terapi actions run create-issue --integration github --connection alice --input '{"title": "Broken"}'
                terapi actions run create-issue --integration github --connection alice --input @issue.json --async
                With --async the server keeps the run in its queue, and the command prints its id for terapi actions \
                result; with --wait as well it waits for the end.
                """
        )

        @OptionGroup var server: RemoteOptions
        @OptionGroup var connection: ConnectionOptions

        @Argument(help: "The action.")
        var name: String

        @Option(help: "Its input: JSON, @FILE, or @- for standard input.")
        var input: String?

        @Flag(name: .customLong("async"), help: "By the queue.")
        var isAsync = false

        @Flag(help: "With --async: wait until it has ended.")
        var wait = false

        @Option(help: "With --async: how often to try again, up to 5.")
        var maxRetries: Int?

        @Option(help: "The same key runs it once, however often it is asked for.")
        var idempotencyKey: String?

        func validate() throws {
            guard isAsync || (!wait && maxRetries == nil) else {
                throw ValidationError("--wait and --max-retries go with --async.")
            }
        }

        func run() async throws {
            var headers = connection.headers
            if isAsync { headers.append(("X-Async", "true")) }
            if let maxRetries { headers.append(("X-Max-Retries", String(maxRetries))) }
            if let idempotencyKey { headers.append(("Idempotency-Key", idempotencyKey)) }
            var body: JSONObject = ["action_name": .string(name)]
            body["input"] = try input.map { try GivenText.json($0, option: "--input") }
            let output = try await server.ask { [body, headers] client in
                let answer = try await client.send("POST", "/action/trigger", headers: headers, body: .object(body))
                guard isAsync, wait, let id = answer["id"]?.string else { return answer }
                return try await client.result(of: id, waits: true)
            }
            print(isAsync && !wait ? output["id"].cell : output.layout)
        }
    }

    struct Result: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print what an action of the queue has returned, or why it failed.",
            discussion: "Results are kept for 24 hours. An action that is still to end is a failure of the command."
        )

        @OptionGroup var server: RemoteOptions

        @Argument(help: "The id that terapi actions run --async has printed.")
        var id: String

        @Flag(help: "Wait until it has ended.")
        var wait = false

        func run() async throws {
            print(try await server.ask { try await $0.result(of: id, waits: wait) }.layout)
        }
    }
}

extension RemoteClient {
    /// - Throws: `ExitWithMessage` when the action has not ended and is not waited for.
    fileprivate func result(of id: String, waits: Bool) async throws -> JSONValue {
        while true {
            let (status, output) = try await answer("GET", "/action/\(PercentEncoding.encode(id))")
            // An output may say anything: only the status tells.
            guard status == 202 else { return output }
            guard waits else { throw ExitWithMessage("It has not ended yet. Give --wait to wait for it.") }
            try await Task.sleep(for: .milliseconds(300))
        }
    }
}
