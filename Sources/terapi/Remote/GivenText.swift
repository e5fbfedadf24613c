import ArgumentParser
import Dispatch
import SystemPackage
import TerapiCore

/// Reads what a person gives to a command.
enum GivenText {
    /// - Parameter text: JSON, or `@FILE`, or `@-` for standard input.
    static func json(_ text: String, option: String) throws -> JSONValue {
        try text.hasPrefix("@")
            ? json(file: String(text.dropFirst()), option: option) : read(Array(text.utf8), "\(option) is")
    }

    /// - Parameter file: its path; `-` for standard input.
    static func json(file: String, option: String) throws -> JSONValue {
        if file == "-" { return try read(try StandardInput.all(), "Standard input is") }
        guard let bytes = OwnedFile.read(file) else {
            throw ValidationError("\(option): the file \(file) cannot be read.")
        }
        return try read(bytes, "\(file) is")
    }

    private static func read(_ bytes: [UInt8], _ subject: String) throws -> JSONValue {
        do {
            return try JSONReader.read(bytes)
        } catch {
            // What it is may be secret: only the place is told.
            throw ValidationError("\(subject) not JSON: \(error)")
        }
    }

    /// - Parameter pairs: such as `region=eu`.
    static func members(_ pairs: [String]) throws -> JSONObject {
        JSONObject(
            try pairs.map { pair in
                guard let mark = pair.firstIndex(of: "="), mark != pair.startIndex else {
                    throw ValidationError("Expected NAME=VALUE and not \"\(pair)\".")
                }
                return (String(pair[..<mark]), .string(String(pair[pair.index(after: mark)...])))
            }
        )
    }
}

enum StandardInput {
    static func all() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let piece = try piece() { bytes += piece }
        return bytes
    }

    /// The lines as they come, without those that are empty.
    static func lines() -> AsyncStream<[UInt8]> {
        let (lines, feed) = AsyncStream.makeStream(of: [UInt8].self)
        // Reading waits: not on a thread that others need.
        DispatchQueue.global().async {
            var rest: [UInt8] = []
            while let piece = try? piece() {
                rest += piece
                while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                    if end > 0 { feed.yield(Array(rest[..<end])) }
                    rest.removeSubrange(...end)
                }
            }
            if !rest.isEmpty { feed.yield(rest) }
            feed.finish()
        }
        return lines
    }

    /// - Returns: `nil` at the end.
    private static func piece() throws -> [UInt8]? {
        let piece = try [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
            count = try FileDescriptor.standardInput.read(into: UnsafeMutableRawBufferPointer(buffer))
        }
        return piece.isEmpty ? nil : piece
    }
}
