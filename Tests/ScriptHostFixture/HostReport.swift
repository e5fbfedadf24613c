import TerapiCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A host that runs no script: it answers its first run with what it found when it was started.
enum HostReport {
    static func main() -> Never {
        var head = [UInt8](repeating: 0, count: 16)
        receive(&head)
        let length = head[0..<4].reversed().reduce(0) { $0 << 8 | Int($1) }
        var body = [UInt8](repeating: 0, count: length)
        receive(&body)

        var answer = JSONValue.object([
            "environment": .array(environment.map(JSONValue.string)),
            "descriptors": .array((Int32(0)..<1024).filter { fcntl($0, F_GETFD) >= 0 }.map { JSONValue(Int($0)) }),
            "group": .bool(getpgrp() == getpid()),
        ])
        .encoded()
        for (index, shift) in stride(from: 0, to: 32, by: 8).enumerated() {
            head[index] = UInt8(truncatingIfNeeded: answer.count >> shift)
        }
        // The kind `finished`, for the same run.
        head[4] = 19
        answer = head + answer
        _ = answer.withUnsafeBytes { write(3, $0.baseAddress, $0.count) }
        _ = read(3, &head, 1)
        _exit(0)
    }

    private static var environment: [String] {
        var names: [String] = []
        var entry = environ
        while let text = entry.pointee {
            names.append(String(String(cString: text).prefix { $0 != "=" }))
            entry += 1
        }
        return names.sorted()
    }

    private static func receive(_ bytes: inout [UInt8]) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeMutableBytes { read(3, $0.baseAddress.map { $0 + done }, $0.count - done) }
            guard count > 0 else { _exit(1) }
            done += count
        }
    }
}
