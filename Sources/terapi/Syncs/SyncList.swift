import ArgumentParser
import TerapiCore

extension Syncs {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List syncs: their state, their last run and their next."
        )

        @OptionGroup var server: RemoteOptions
        @OptionGroup var answer: AnswerOptions
        @OptionGroup var selection: SyncSelectionOptions

        func run() async throws {
            let found = try await server.ask { try await selection.status($0) }
            answer.show(found) { SyncReport(found).list }
        }
    }

    struct History: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "backfill",
            abstract: "Show how far syncs have come in reading their history.",
            discussion: "terapi syncs reset begins it anew."
        )

        @OptionGroup var server: RemoteOptions
        @OptionGroup var answer: AnswerOptions
        @OptionGroup var selection: SyncSelectionOptions

        @Flag(help: "Wait until all of it is read.")
        var wait = false

        func run() async throws {
            let found = try await server.ask { client in
                while true {
                    let found = try await selection.status(client)
                    let open = SyncReport.syncs(of: found).contains { $0["backfill"]?["finished_at"]?.isNull == true }
                    guard wait, open else { return found }
                    try await Task.sleep(for: .seconds(1))
                }
            }
            answer.show(found) { SyncReport(found).history }
        }
    }
}

/// The state of syncs, for people.
struct SyncReport {
    private let syncs: [JSONValue]

    /// - Parameter answer: of `GET /sync/status`.
    init(_ answer: JSONValue) {
        syncs = Self.syncs(of: answer)
    }

    static func syncs(of answer: JSONValue) -> [JSONValue] { answer["syncs"]?.array ?? [] }

    static func title(_ sync: JSONValue) -> String {
        let variant = sync["variant"].cell
        return sync["name"].cell + (variant == "base" ? "" : "::\(variant)")
    }

    var list: String {
        var table = Table([
            "CONNECTION", "SYNC", "STATE", "LAST RUN", "RESULT", "NEXT RUN", "FREQUENCY", "HISTORY",
        ])
        for sync in syncs {
            table.add([
                sync["connection_id"].cell, Self.title(sync), sync["status"].cell.lowercased(),
                sync["finishedAt"].momentCell, Self.result(sync), sync["nextScheduledSyncAt"].momentCell,
                sync["frequency"].cell, Self.percent(sync),
            ])
        }
        return table.text(empty: "There is no such sync. terapi deploy and terapi templates enable bring some.")
    }

    var history: String {
        var table = Table(["CONNECTION", "SYNC", "READ", "PARTS", "FROM", "REACHED", "UNTIL", "FINISHED"])
        for sync in syncs {
            guard let history = sync["backfill"], !history.isNull else { continue }
            table.add([
                sync["connection_id"].cell, Self.title(sync), Self.percent(sync),
                "\(history["windows_done"].cell) of \(history["windows"].cell)", history["from"].momentCell,
                history["reached"].momentCell, history["until"].momentCell, history["finished_at"].momentCell,
            ])
        }
        return table.text(empty: "None of these syncs has a history to read.")
    }

    private static func percent(_ sync: JSONValue) -> String {
        sync["backfill"]?["percent"].map { "\($0.text()) %" } ?? ""
    }

    /// Such as `364 added, 2 deleted`.
    private static func result(_ sync: JSONValue) -> String {
        guard let status = sync["latestExecutionStatus"]?.string else { return "" }
        guard status == "SUCCESS" else { return status.lowercased() }
        let counts = (sync["latestResult"]?.object?.members ?? []).map(\.value)
        let parts = ["added", "updated", "deleted"].compactMap { name -> String? in
            let count = counts.reduce(0) { $0 + ($1[name]?.int ?? 0) }
            return count == 0 ? nil : "\(count) \(name)"
        }
        return parts.isEmpty ? "nothing new" : parts.joined(separator: ", ")
    }
}
