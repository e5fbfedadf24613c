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
        terapi_give_up_privileges()
        let none = rlimit(rlim_cur: 0, rlim_max: 0)
        withUnsafePointer(to: none) { none in
            #if canImport(Glibc)
            _ = setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), none)
            _ = setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), none)
            #else
            _ = setrlimit(RLIMIT_CORE, none)
            _ = setrlimit(RLIMIT_FSIZE, none)
            #endif
        }
        let loop = ScriptLoop(
            socket: FrameSocket(descriptor: 3),
            turn: setting("TERAPI_HOST_TURN_SECONDS").flatMap(Double.init) ?? 5,
            memoryBytes: setting("TERAPI_HOST_MEMORY_BYTES").flatMap(Int.init) ?? 256 << 20,
            outputBytes: setting("TERAPI_HOST_OUTPUT_BYTES").flatMap(Int.init) ?? 2 << 20
        )
        ScriptLoop.current = loop
        loop.run()
        // Without the library's own end: a thread of it may be busy.
        _exit(0)
    }

    private static func setting(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }
}
