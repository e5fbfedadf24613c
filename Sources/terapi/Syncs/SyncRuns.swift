import ArgumentParser
import TerapiCore

extension Syncs {
    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Run syncs now.",
            discussion: "A sync that is at work runs once more after that."
        )

        @OptionGroup var trigger: TriggerOptions

        func run() async throws { try await trigger.send([:]) }
    }

    struct Reset: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Forget the places of syncs, and read everything again from the beginning.",
            discussion: "Records stay unless --empty-cache is given; what was not changed is not told again."
        )

        @OptionGroup var trigger: TriggerOptions
        @OptionGroup var consent: ConsentOptions

        @Flag(help: "Delete the records first: your backend gets all of them once more, as added.")
        var emptyCache = false

        func run() async throws {
            if emptyCache {
                try consent.ask(to: "delete", "the records of these syncs", otherwise: "Nothing was reset")
            }
            try await trigger.send(["reset": true, "emptyCache": .bool(emptyCache)])
        }
    }
}

/// What running now needs to know.
struct TriggerOptions: ParsableArguments {
    @OptionGroup var server: RemoteOptions
    @OptionGroup var answer: AnswerOptions
    @OptionGroup var selection: SyncSelectionOptions

    @Flag(help: "Let this run delete more records than a run may by itself.")
    var confirmDeletions = false

    @Flag(help: "Wait until the runs have ended; a run that fails is a failure of the command.")
    var wait = false

    func validate() throws { try selection.check() }

    func send(_ options: JSONObject) async throws {
        let body = selection.body.merging([
            "opts": .object(options.merging(["confirm_deletions": .bool(confirmDeletions)]))
        ])
        let found = try await server.ask { client in
            let before = try await selection.status(client)
            let accepted = try await client.send("POST", "/sync/trigger", body: .object(body))
            return wait ? try await RunWatch(before: before).end { try await selection.status(client) } : accepted
        }
        guard wait else { return answer.show(found) { "Requested. terapi syncs list shows what becomes of it." } }
        answer.show(found) { SyncReport(found).list }
        guard SyncReport.syncs(of: found).allSatisfy({ $0["latestExecutionStatus"]?.string == "SUCCESS" }) else {
            throw ExitWithMessage("Not every run was a success. terapi logs tells why.")
        }
    }
}

/// Waits for runs that were asked for.
struct RunWatch {
    /// A run that was at work before is not the one that was asked for, which begins right after it.
    private static let calmPolls = 4

    private let ended: [String: String]
    private let running: Set<String>

    /// - Parameter before: the state before they were asked for.
    init(before: JSONValue) {
        let syncs = SyncReport.syncs(of: before)
        ended = Dictionary(syncs.map { ($0["id"].cell, $0["finishedAt"].cell) }) { $1 }
        running = Set(syncs.filter { $0["status"]?.string == "RUNNING" }.map { $0["id"].cell })
    }

    /// - Returns: the state when all have ended.
    func end(_ status: () async throws -> JSONValue) async throws -> JSONValue {
        var calm: [String: Int] = [:]
        while true {
            let found = try await status()
            let syncs = SyncReport.syncs(of: found)
            for sync in syncs {
                let id = sync["id"].cell
                let isCalm = sync["status"]?.string != "RUNNING" && sync["finishedAt"].cell != ended[id] ?? ""
                calm[id] = isCalm ? (calm[id] ?? 0) + 1 : 0
            }
            let isDone = syncs.allSatisfy { sync in
                let id = sync["id"].cell
                return calm[id] ?? 0 >= (running.contains(id) ? Self.calmPolls : 1)
            }
            if isDone { return found }
            try await Task.sleep(for: .milliseconds(300))
        }
    }
}
