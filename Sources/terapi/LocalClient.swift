import TerapiCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Asks the server that runs on a data folder, through the socket in it.
struct LocalClient: Sendable {
    let socketPath: String

    /// - Returns: the answer's JSON.
    /// - Throws: `TerapiError` with the server's message, or `.storageUnavailable` when no server runs there.
    func send(_ method: String, _ path: String, body: JSONValue? = nil) throws -> JSONValue {
        let descriptor = try connect()
        defer { close(descriptor) }
        let content = body?.encoded() ?? []
        var request = Array(
            """
            \(method) \(path) HTTP/1.1\r
            Host: terapi\r
            Connection: close\r
            Content-Type: application/json\r
            Content-Length: \(content.count)\r
            \r

            """.utf8
        )
        request.append(contentsOf: content)
        try write(request[...], to: descriptor)
        return try Self.parse(try readAll(descriptor))
    }

    private func connect() throws -> Int32 {
        let descriptor = socket(AF_UNIX, Self.streamType, 0)
        guard descriptor >= 0 else { throw unreachable }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: socketPath.utf8.prefix($0.count - 1)) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                connectSocket(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else {
            close(descriptor)
            throw unreachable
        }
        return descriptor
    }

    private func write(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Self.send(descriptor, $0) }
            guard count > 0 else { throw unreachable }
            rest = rest.dropFirst(count)
        }
    }

    private func readAll(_ descriptor: Int32) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count >= 0 else { throw unreachable }
            if count == 0 { return bytes }
            bytes.append(contentsOf: buffer[..<count])
        }
    }

    private static func parse(_ bytes: [UInt8]) throws -> JSONValue {
        let marker = Array("\r\n\r\n".utf8)
        guard let end = bytes.indices.first(where: { bytes[$0...].starts(with: marker) }),
            let status = Int(String(decoding: bytes.dropFirst(9).prefix(3), as: UTF8.self))
        else { throw TerapiError(.serverError, "The server's answer cannot be read.") }
        let head = String(decoding: bytes[..<end], as: UTF8.self).lowercased()
        var body = Array(bytes[(end + marker.count)...])
        if head.contains("transfer-encoding: chunked") { body = unchunked(body) }
        let json = (try? JSONReader.read(body)) ?? .null
        guard status < 400 else { throw TerapiError(answer: json, status: status, server: "The server") }
        return json
    }

    private static func unchunked(_ bytes: [UInt8]) -> [UInt8] {
        var rest = bytes[...]
        var body: [UInt8] = []
        while let lineEnd = rest.firstIndex(of: UInt8(ascii: "\r")),
            let size = Int(String(decoding: rest[..<lineEnd], as: UTF8.self), radix: 16), size > 0
        {
            let start = lineEnd + 2
            body.append(contentsOf: rest[start..<min(start + size, rest.endIndex)])
            rest = rest[min(start + size + 2, rest.endIndex)...]
        }
        return body
    }

    private var unreachable: TerapiError {
        TerapiError(
            .storageUnavailable,
            "No server answers at \(socketPath). Start one with terapi serve, or name its folder with --data."
        )
    }

    // The methods above hide the functions of the same names.
    private func connectSocket(_ descriptor: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> Int32 {
        #if canImport(Glibc)
        Glibc.connect(descriptor, address, length)
        #else
        Darwin.connect(descriptor, address, length)
        #endif
    }

    private static func send(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        #if canImport(Glibc)
        Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        #else
        Darwin.send(descriptor, bytes.baseAddress, bytes.count, 0)
        #endif
    }

    private static var streamType: Int32 {
        #if canImport(Glibc)
        Int32(SOCK_STREAM.rawValue)
        #else
        SOCK_STREAM
        #endif
    }
}
