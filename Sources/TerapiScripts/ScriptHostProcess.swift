import CJavaScriptCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What a script host's process does: it reads frames from descriptor 3 and runs scripts until the other side closes.
public enum ScriptHostProcess {
    /// The hidden command by which a program that is its own script host recognises such a start.
    public static let argument = "script-host"

    /// The main function of a process that ``ScriptHost`` started.
    public static func main() -> Never {
        var refused = Cage.enter()
        let socket = FrameSocket(descriptor: HostDescriptor.socket)
        let loop = ScriptLoop(
            socket: socket,
            turn: setting("TERAPI_HOST_TURN_SECONDS").flatMap(Double.init) ?? 5,
            memoryBytes: setting("TERAPI_HOST_MEMORY_BYTES").flatMap(Int.init) ?? 256 << 20,
            outputBytes: setting("TERAPI_HOST_OUTPUT_BYTES").flatMap(Int.init) ?? 2 << 20,
            frameBytes: setting("TERAPI_HOST_FRAME_BYTES").flatMap(Int.init) ?? 100 << 20
        )
        ScriptLoop.current = loop
        refused += Cage.close()
        socket.write(.ready, run: 0, [Array(refused.joined(separator: ", ").utf8)])
        loop.run()
        // Without the library's own end: a thread of it may be busy.
        _exit(0)
    }

    private static func setting(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }
}

/// What a host process finds open beside /dev/null.
enum HostDescriptor {
    static let socket: Int32 = 3
    /// A page shared with the server, in which the host notes whose turn it is. Closed where there is none.
    static let turn: Int32 = 4
}
