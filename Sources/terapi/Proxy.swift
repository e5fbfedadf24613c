import ArgumentParser
import SystemPackage
import TerapiCore

/// One request to a provider, through a connection of a running server.
struct Proxy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send a request to a provider with the credentials of a connection.",
        discussion: "The body of the answer goes to standard output; an answer of 400 or more is a failure."
    )

    @Argument(help: "Such as GET.")
    var method: String

    @Argument(help: "Path and query at the provider, such as \"/user?page=2\".")
    var path: String

    @OptionGroup var connection: ConnectionOptions

    @Option(help: "The body: a text, @FILE, or @- for standard input.")
    var data: String?

    @Option(name: .customLong("header"), help: "A header for the provider, such as \"Accept: text/csv\".")
    var headers: [String] = []

    @Option(help: "How often to try again after a failure that allows it, up to 10.")
    var retries = 0

    @Option(help: "Another root than the provider's.")
    var baseURLOverride: String?

    @OptionGroup var remote: RemoteOptions

    func run() async throws {
        let status = try await remote.ask { client in
            let answer = try await client.open(
                method.uppercased(),
                "/proxy/" + path.drop { $0 == "/" },
                headers: try allHeaders(),
                body: try body()
            )
            try await answer.readBody { _ = try FileDescriptor.standardOutput.writeAll($0) }
            return answer.status
        }
        guard status >= 400 else { return }
        try FileDescriptor.standardError.writeAll("\nThe answer's status is \(status).\n".utf8)
        throw ExitCode.failure
    }

    private func allHeaders() throws -> [(name: String, value: String)] {
        var all = connection.headers + [("Retries", "\(retries)")]
        if let baseURLOverride { all.append(("Base-Url-Override", baseURLOverride)) }
        for header in headers {
            let parts = header.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else {
                throw ValidationError("Expected \"NAME: VALUE\" and not \"\(header)\".")
            }
            all.append(("Terapi-Proxy-\(parts[0].trimmed)", parts[1].trimmed))
        }
        return all
    }

    private func body() throws -> ByteFlow? {
        guard let data else { return nil }
        guard data.hasPrefix("@") else {
            let bytes = Array(data.utf8)
            return ByteFlow(length: bytes.count) { take in try await take(bytes) }
        }
        let name = String(data.dropFirst())
        guard name != "-" else { return Self.flow(from: .standardInput, length: nil) }
        do {
            let file = try FileDescriptor.open(FilePath(name), .readOnly)
            // With its length the server can keep a small body, and send it again.
            let length = try file.seek(offset: 0, from: .end)
            _ = try file.seek(offset: 0, from: .start)
            return Self.flow(from: file, length: Int(length))
        } catch {
            throw ValidationError("The file \(name) cannot be read: \(error).")
        }
    }

    private static func flow(from file: FileDescriptor, length: Int?) -> ByteFlow {
        ByteFlow(length: length) { take in
            while true {
                let piece = try [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
                    count = try file.read(into: UnsafeMutableRawBufferPointer(buffer))
                }
                if piece.isEmpty { return }
                try await take(piece)
            }
        }
    }
}
