import ArgumentParser
import TerapiCore

extension Syncs {
    struct Variant: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make and delete variants: further syncs of one definition on one connection.",
            subcommands: [Create.self, Delete.self]
        )

        struct Create: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Make a variant; it runs at once.")

            @OptionGroup var server: RemoteOptions
            @OptionGroup var answer: AnswerOptions
            @OptionGroup var variant: VariantOptions

            func run() async throws {
                let made = try await server.ask { try await variant.send("POST", $0) }
                answer.show(made) { "\(SyncReport.title(made)) is made." }
            }
        }

        struct Delete: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Delete a variant with its records.")

            @OptionGroup var server: RemoteOptions
            @OptionGroup var consent: ConsentOptions
            @OptionGroup var variant: VariantOptions

            func run() async throws {
                let title = "\(variant.sync.name)::\(variant.variant)"
                try consent.ask(to: "delete", "\(title) with its records", otherwise: "Nothing was deleted")
                _ = try await server.ask { try await variant.send("DELETE", $0) }
                print("\(title) is deleted.")
            }
        }
    }
}

/// Which variant.
struct VariantOptions: ParsableArguments {
    @OptionGroup var sync: OneSyncOptions

    @Argument(help: "The name of the variant.")
    var variant: String

    func send(_ method: String, _ client: RemoteClient) async throws -> JSONValue {
        let names = [sync.name, variant].map(PercentEncoding.encode)
        return try await client.send(method, "/sync/\(names[0])/variant/\(names[1])", body: .object(sync.body))
    }
}
