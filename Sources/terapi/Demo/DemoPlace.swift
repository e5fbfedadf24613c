import TerapiCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// A temporary folder and free ports for one demo.
struct DemoPlace: Sendable {
    let path: String
    let serverPort: Int
    let sandboxPort: Int
    let receiverPort: Int

    var dataPath: String { "\(path)/data" }
    var serverURL: String { "http://localhost:\(serverPort)" }
    var sandboxURL: String { "http://127.0.0.1:\(sandboxPort)" }
    var receiverURL: String { "http://127.0.0.1:\(receiverPort)/webhooks/terapi" }

    static func make() throws -> DemoPlace {
        var template = Array("/tmp/terapi-demo-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw TerapiError(.storageUnavailable, "A temporary folder could not be made in /tmp.")
        }
        let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        let ports = try freePorts(3)
        let place = DemoPlace(path: path, serverPort: ports[0], sandboxPort: ports[1], receiverPort: ports[2])
        try place.writeFiles()
        return place
    }

    var settings: Settings {
        Settings(
            dataFolder: dataPath,
            host: "127.0.0.1",
            port: serverPort,
            publicURL: serverURL,
            encryptionKey: nil,
            providersPath: "\(path)/providers",
            integrationsFolder: "\(path)/integrations",
            outboundAllow: ["127.0.0.0/8"],
            maxSyncRuns: 4,
            scriptMemoryMegabytes: 256,
            scriptTurnSeconds: 5,
            esbuildPath: nil,
            compatibility: "none",
            logLevel: "error"
        )
    }

    func remove() {
        // Only what this demo made, by its own temporary name.
        try? FileManager.default.removeItem(atPath: path)
    }

    /// The same files that a person would write for a provider of their own.
    private func writeFiles() throws {
        for folder in ["providers", "integrations", "integrations/sandbox", "integrations/sandbox/syncs"] {
            guard mkdir("\(path)/\(folder)", 0o700) == 0 else {
                throw TerapiError(.storageUnavailable, "The folder \(path)/\(folder) could not be made.")
            }
        }
        try write(
            """
            display_name: Sandbox
            categories: [support]
            docs: \(sandboxURL)
            auth_mode: OAUTH2
            authorization_url: \(sandboxURL)/oauth/authorize
            authorization_params: { response_type: code }
            token_url: \(sandboxURL)/oauth/token
            default_scopes: [tickets]
            rotation: strict
            proxy:
              base_url: \(sandboxURL)

            """,
            to: "providers/sandbox.yaml"
        )
        try write(
            """
            description: Tickets of the sandbox, with those that were deleted.
            model: ticket
            frequency: every 5 minutes
            request:
              endpoint: /api/tickets
              params:
                per_page: 100
                include_deleted: "true"
                updated_since: ${checkpoint.updated_since}
              paginate: { type: link, rel: next, response_path: tickets }
            checkpoint:
              updated_since: max(item.updated_at)
              order: ascending
            deleted: item.deleted
            map:
              id: String(item.id)
              title: item.subject
              description: item.description
              status: 'lookup(item.status, { new: "open", open: "open", pending: "on_hold", solved: "closed" })'
              status_raw: item.status
              priority: item.priority
              reporter: person(item.requester.id, item.requester.name, item.requester.email)
              labels: item.tags
              url: item.url
              source_updated_at: item.updated_at

            """,
            to: "integrations/sandbox/syncs/tickets.yaml"
        )
    }

    private func write(_ text: String, to name: String) throws {
        guard let file = fopen("\(path)/\(name)", "w") else {
            throw TerapiError(.storageUnavailable, "The file \(path)/\(name) could not be written.")
        }
        fputs(text, file)
        fclose(file)
    }

    /// Ports that nobody listens on now; all are held until all are known, so that they differ.
    private static func freePorts(_ count: Int) throws -> [Int] {
        var descriptors: [Int32] = []
        defer { for descriptor in descriptors { close(descriptor) } }
        return try (0..<count).map { _ in
            #if canImport(Glibc)
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            #else
            let descriptor = socket(AF_INET, SOCK_STREAM, 0)
            #endif
            descriptors.append(descriptor)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let isBound = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                    bind(descriptor, pointer, length) == 0 && getsockname(descriptor, pointer, &length) == 0
                }
            }
            guard isBound else { throw TerapiError(.serverError, "No free port was found on 127.0.0.1.") }
            return Int(UInt16(bigEndian: address.sin_port))
        }
    }
}

/// Prints at once, also where the output is not a terminal.
func say(_ text: String, end: String = "\n") {
    print(text, terminator: end)
    fflush(nil)
}
