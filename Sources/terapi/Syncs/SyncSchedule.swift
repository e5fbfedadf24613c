import ArgumentParser
import TerapiCore

extension Syncs {
    struct Start: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let syncs that were paused run by their schedule again, at once."
        )

        @OptionGroup var options: SwitchOptions

        func run() async throws { try await options.send("/sync/start") }
    }

    struct Pause: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let syncs run no more until they are started; a run that is at work ends."
        )

        @OptionGroup var options: SwitchOptions

        func run() async throws { try await options.send("/sync/pause") }
    }

    struct SetFrequency: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "frequency",
            abstract: "Set how often a sync runs on one connection.",
            discussion: """
                terapi syncs frequency tickets "every 10 minutes" --integration desk --connection alice
                terapi syncs frequency tickets "0 6 * * 1-5 Europe/Berlin" --integration desk --connection alice
                terapi syncs frequency tickets --integration desk --connection alice      its own again
                """
        )

        @OptionGroup var server: RemoteOptions
        @OptionGroup var answer: AnswerOptions
        @OptionGroup var sync: OneSyncOptions

        @Option(help: "This variant of the sync.")
        var variant: String?

        @Argument(help: "Such as \"every hour\"; without it the sync's own.")
        var frequency: String?

        func run() async throws {
            var body = sync.body
            body["sync_name"] = .string(sync.name)
            body["sync_variant"] = variant.map(JSONValue.string)
            body["frequency"] = JSONValue(frequency)
            let set = try await server.ask { [body] in
                try await $0.send("PUT", "/sync/update-connection-frequency", body: .object(body))
            }
            answer.show(set) { "\(sync.name) runs: \(set["frequency"].cell)" }
        }
    }
}

/// What starting and pausing need to know.
struct SwitchOptions: ParsableArguments {
    @OptionGroup var server: RemoteOptions
    @OptionGroup var answer: AnswerOptions
    @OptionGroup var selection: SyncSelectionOptions

    func validate() throws { try selection.check() }

    func send(_ path: String) async throws {
        let found = try await server.ask { client in
            _ = try await client.send("POST", path, body: .object(selection.body))
            return try await selection.status(client)
        }
        answer.show(found) { SyncReport(found).list }
    }
}
