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
        var after = 0
        while true {
            let page = try client.send("GET", "/admin/logs/messages?after=\(after)&limit=1000")
            let messages = page["data"]?.array ?? []
            for message in messages {
                after = message["id"]?.int ?? after
                print(Self.line(message))
            }
            if messages.count == 1000 { continue }
            guard follow else { return }
            try await Task.sleep(for: .milliseconds(500))
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
