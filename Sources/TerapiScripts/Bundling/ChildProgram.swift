import CJavaScriptCore
import TerapiCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Runs another program to its end and reads what it says.
enum ChildProgram {
    struct Ending: Sendable {
        /// The exit status; 128 and the signal's number when a signal ended it.
        var status: Int32
        var errorText: String
    }

    /// - Parameters:
    ///   - executable: a whole path.
    ///   - folder: where the program begins.
    /// - Throws: `TerapiError(.serverError)` when the program cannot be started.
    static func run(
        _ executable: String,
        _ arguments: [String],
        in folder: String,
        environment: [String: String]
    ) async throws -> Ending {
        try await withCheckedThrowingContinuation { continuation in
            startThread {
                continuation.resume(
                    with: Result {
                        try runToEnd(executable, arguments, in: folder, environment: environment)
                    }
                )
            }
        }
    }

    private static func runToEnd(
        _ executable: String,
        _ arguments: [String],
        in folder: String,
        environment: [String: String]
    ) throws -> Ending {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw failure(executable, errno) }
        defer { close(ends[0]) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        #if canImport(Glibc)
        var actions = posix_spawn_file_actions_t()
        #else
        var actions: posix_spawn_file_actions_t?
        #endif
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        posix_spawn_file_actions_addchdir_np(&actions, folder)

        var processID: pid_t = 0
        let variables = environment.map { "\($0.key)=\($0.value)" }
        let status = withCStrings([executable] + arguments) { argumentPointers in
            withCStrings(variables) { variablePointers in
                posix_spawn(&processID, executable, &actions, nil, argumentPointers, variablePointers)
            }
        }
        close(ends[1])
        guard status == 0 else { throw failure(executable, status) }

        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = read(ends[0], &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            text += buffer[..<count]
        }
        var ending: Int32 = 0
        while waitpid(processID, &ending, 0) < 0, errno == EINTR {}
        let signal = ending & 0x7F
        return Ending(
            status: signal == 0 ? (ending >> 8) & 0xFF : 128 + signal,
            errorText: String(decoding: text, as: UTF8.self)
        )
    }

    private static func failure(_ executable: String, _ status: Int32) -> TerapiError {
        TerapiError(.serverError, "\(executable) cannot be started: \(String(cString: strerror(status))).")
    }
}
