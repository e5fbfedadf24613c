import ArgumentParser
import Synchronization
import SystemPackage
import TerapiCore

/// Gives the actions of a connection to clients of the Model Context Protocol that start a command.
struct MCP: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mcp",
        abstract: "Give the actions of a connection as tools to a language model, over standard input and output.",
        discussion: """
            For clients of the Model Context Protocol that start a command. Each line of standard input is one message, \
            sent on to POST /mcp of the server; each answer is one line of standard output. Ends with its input.
            """
    )

    @OptionGroup var server: RemoteOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await server.ask { client in
            let bridge = MCPBridge(client: client, headers: connection.headers)
            await withDiscardingTaskGroup { group in
                // A tool that takes its time does not keep others waiting.
                for await line in StandardInput.lines() { group.addTask { await bridge.pass(on: line) } }
            }
        }
    }
}

/// Passes messages (JSON-RPC 2.0) on to a server, and its answers back.
private final class MCPBridge: Sendable {
    private enum Code {
        static let notJSON = -32_700
        static let serverFailure = -32_000
    }

    private let client: RemoteClient
    private let headers: [(name: String, value: String)]
    /// Held for each line, so that two answers do not mix.
    private let output = Mutex(FileDescriptor.standardOutput)

    init(client: RemoteClient, headers: [(name: String, value: String)]) {
        self.client = client
        self.headers = headers + [("Accept", "application/json, text/event-stream")]
    }

    func pass(on line: [UInt8]) async {
        guard let message = try? JSONReader.read(line) else {
            return write(Self.failure(Code.notJSON, "A line of standard input is not JSON.", id: nil))
        }
        do {
            let response = try await client.exchange("POST", "/mcp", headers: headers, body: line)
            let answer = try? JSONReader.read(response.body)
            // What the protocol refuses is an answer, too.
            if let answer, answer.array != nil || answer["jsonrpc"] != nil { return write(answer) }
            guard response.status >= 300 else { return }
            fail(TerapiError(answer: answer, status: response.status, server: client.host), message)
        } catch {
            fail(error, message)
        }
    }

    /// The person who set it up reads standard error, the client the answer.
    private func fail(_ error: any Error, _ message: JSONValue) {
        let text = (error as? TerapiError).map { ExitWithMessage($0).description } ?? "\(error)"
        _ = try? FileDescriptor.standardError.writeAll("\(text)\n".utf8)
        guard let id = message["id"], !id.isNull else { return }
        write(Self.failure(Code.serverFailure, text, id: id))
    }

    private static func failure(_ code: Int, _ text: String, id: JSONValue?) -> JSONValue {
        ["jsonrpc": "2.0", "id": id ?? .null, "error": ["code": JSONValue(code), "message": .string(text)]]
    }

    private func write(_ answer: JSONValue) {
        output.withLock { output in _ = try? output.writeAll(answer.encoded() + [UInt8(ascii: "\n")]) }
    }
}
