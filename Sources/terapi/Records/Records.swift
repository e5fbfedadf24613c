import ArgumentParser
import TerapiCore

/// Reads what syncs have saved.
struct Records: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read the records of one connection: what was added, updated and deleted, in its order.",
        discussion: """
            terapi records ticket --integration github --connection alice
            terapi records ticket --integration github --connection alice --cursor ... --json     what came since
            terapi records ticket --integration github --connection alice --follow                goes on with what comes
            With --json one record a line, its cursor in _terapi_metadata. terapi export writes all of several models.
            """
    )

    @OptionGroup var server: RemoteOptions
    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The model.")
    var model: String

    @Option(help: "The variant of the sync.")
    var variant: String?

    @Option(help: "Goes on behind this record's cursor.")
    var cursor: String?

    @Option(help: "Only what was added, updated or deleted; several joined by commas.")
    var filter: String?

    @Option(help: "Only what changed after this moment.")
    var modifiedAfter: String?

    @Option(help: "How many at most; all without it.")
    var limit: Int?

    @Flag(name: .shortAndLong, help: "Go on with what comes.")
    var follow = false

    @Flag(help: "Print each record as JSON, one a line.")
    var json = false

    func validate() throws {
        guard limit ?? 1 > 0 else { throw ValidationError("--limit is at least 1.") }
    }

    func run() async throws {
        let last = try await server.ask { client in
            var feed = RecordFeed(
                client: client, connection: connection, model: model, cursor: cursor,
                query: [("variant", variant), ("filter", filter), ("modified_after", modifiedAfter)]
            )
            var left = limit ?? .max
            while left > 0 {
                let records = try await feed.next(limit: left)
                left -= records.count
                try StandardOutput.write(records.map { (json ? $0.text() : Self.line($0)) + "\n" }.joined())
                guard feed.isAtEnd else { continue }
                guard follow else { break }
                try await Task.sleep(for: .seconds(1))
            }
            return feed.cursor
        }
        if !json, let last { try StandardOutput.write("The next ones: --cursor \(last)\n") }
    }

    /// What happened to it, when, and what it says.
    private static func line(_ record: JSONValue) -> String {
        let facts = record["_terapi_metadata"]
        let rest = JSONObject(
            record.object?.members.map { ($0.name, $0.value) }.filter { $0.0 != "_terapi_metadata" } ?? [])
        let action = (facts?["last_action"].cell ?? "").lowercased()
        let padded = action + String(repeating: " ", count: max(0, "updated".count - action.count))
        return
            "\(facts?["last_modified_at"].momentCell ?? "")  \(padded)  \(Table.shown(JSONValue.object(rest).text()))"
    }
}
