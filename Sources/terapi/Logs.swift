import ArgumentParser
import TerapiCore

/// Shows what the server has done, and with `-f` what it does.
struct Logs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show the messages of a running server.")

    @Option(help: "The server's data folder.")
    var data = "./terapi-data"

    @Flag(name: .shortAndLong, help: "Go on showing new messages.")
    var follow = false

    func run() async throws {
        let client = LocalClient(socketPath: try DataFolder(path: data).socketPath)
        var feed = LogFeed(client: client)
        while true {
            for line in try feed.next() { print(line) }
            guard follow else { return }
            try await Task.sleep(for: .milliseconds(500))
        }
    }
}

/// The messages of a running server, each once, as lines for people.
struct LogFeed: Sendable {
    private static let pageSize = 1000

    let client: LocalClient
    private var after = 0

    init(client: LocalClient) {
        self.client = client
    }

    /// Leaves out what is there already.
    mutating func skip() throws {
        _ = try next()
    }

    mutating func next() throws -> [String] {
        var lines: [String] = []
        while true {
            let page = try client.send("GET", "/admin/logs/messages?after=\(after)&limit=\(Self.pageSize)")
            let messages = page["data"]?.array ?? []
            for message in messages {
                after = message["id"]?.int ?? after
                lines.append(Self.line(message))
            }
            guard messages.count == Self.pageSize else { return lines }
        }
    }

    private static func line(_ message: JSONValue) -> String {
        let level = (message["level"]?.string ?? "info").uppercased()
        let padded = level + String(repeating: " ", count: max(0, 5 - level.count))
        let operation = (message["operation_id"]?.string ?? "").prefix(8)
        let meta = message["meta"].flatMap { $0.object?.isEmpty == false ? " \($0.text())" : nil } ?? ""
        return
            "\(message["created_at"]?.string ?? "") \(padded) \(operation)  \(message["message"]?.string ?? "")\(meta)"
    }
}
