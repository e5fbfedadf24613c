import TerapiScripts

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Tries as native code what a script that broke out of the engine would try.
enum CageCheck {
    /// Raw system calls: `syscall` takes variable arguments, which Swift does not call by name.
    private typealias SystemCall = @convention(c) (Int, Int, Int, Int, Int, Int, Int) -> Int

    /// `caged` or `free`, then the attempt. Prints `done`, or `refused` and the system's error number.
    static func main(_ arguments: ArraySlice<String>) -> Never {
        let attempt = arguments.last ?? ""
        if arguments.first == "caged" {
            let refused = Cage.enter() + Cage.close()
            guard refused.isEmpty else { say("the kernel refuses \(refused)", exitCode: 2) }
        }
        let result = perform(attempt)
        say(result >= 0 ? "done" : "refused \(errno)", exitCode: 0)
    }

    private static func perform(_ attempt: String) -> Int {
        #if canImport(Glibc) && (arch(x86_64) || arch(arm64))
        guard let symbol = dlsym(nil, "syscall") else { return -1 }
        let call = unsafeBitCast(symbol, to: SystemCall.self)
        func syscall(_ number: Int, _ one: Int = 0, _ two: Int = 0, _ three: Int = 0, _ four: Int = 0) -> Int {
            call(number, one, two, three, four, 0, 0)
        }
        func path(_ text: String) -> Int { Int(bitPattern: strdup(text)) }
        let parent = Int(getppid())
        let here = Int(AT_FDCWD)
        switch attempt {
        case "socket": return syscall(Number.socket, Int(AF_INET), Int(SOCK_STREAM.rawValue))
        case "local socket": return syscall(Number.socket, Int(AF_UNIX), Int(SOCK_STREAM.rawValue))
        case "read a file": return syscall(Number.openat, here, path("/etc/passwd"), Int(O_RDONLY))
        case "write a file":
            let file = path("/tmp/terapi-cage-\(getpid())")
            defer { _ = syscall(Number.unlinkat, here, file) }
            return syscall(Number.openat, here, file, Int(O_CREAT | O_RDWR), 0o600)
        case "execute":
            let arguments: [UnsafeMutablePointer<CChar>?] = [strdup("echo"), strdup("done"), nil]
            return arguments.withUnsafeBufferPointer {
                syscall(Number.execve, path("/bin/echo"), Int(bitPattern: $0.baseAddress))
            }
        case "fork":
            let child = syscall(Number.clone, Int(SIGCHLD))
            if child == 0 { _exit(0) }
            return child
        case "signal the parent": return syscall(Number.kill, parent)
        case "signal a thread of the parent": return syscall(Number.tgkill, parent, parent)
        case "trace the parent":
            // PTRACE_SEIZE, which does not stop it.
            return syscall(Number.ptrace, 0x4206, parent)
        case "read the parent's memory":
            var byte: UInt8 = 0
            return withUnsafeMutablePointer(to: &byte) { byte in
                var own = iovec(iov_base: byte, iov_len: 1)
                var other = iovec(iov_base: nil, iov_len: 0)
                return withUnsafePointer(to: &own) { own in
                    withUnsafePointer(to: &other) { other in
                        call(
                            Number.processVMReadv, parent, Int(bitPattern: own), 1, Int(bitPattern: other), 1, 0)
                    }
                }
            }
        case "a descriptor of the parent": return syscall(Number.pidfdOpen, parent)
        case "a namespace": return syscall(Number.unshare, 0x1000_0000)
        case "become root": return syscall(Number.setuid, 0)
        case "io_uring":
            let room = UnsafeMutableRawPointer.allocate(byteCount: 120, alignment: 8)
            room.initializeMemory(as: UInt8.self, repeating: 0, count: 120)
            return syscall(Number.ioUringSetup, 1, Int(bitPattern: room))
        case "nothing": return syscall(Number.getpid)
        default: return -1
        }
        #else
        return -1
        #endif
    }

    private static func say(_ text: String, exitCode: Int32) -> Never {
        let line = Array("\(text)\n".utf8)
        _ = line.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
        _exit(exitCode)
    }

    private enum Number {
        #if arch(x86_64)
        static let socket = 41, openat = 257, unlinkat = 263, execve = 59, clone = 56, kill = 62, tgkill = 234
        static let ptrace = 101, processVMReadv = 310, unshare = 272, setuid = 105, getpid = 39
        #else
        static let socket = 198, openat = 56, unlinkat = 35, execve = 221, clone = 220, kill = 129, tgkill = 131
        static let ptrace = 117, processVMReadv = 270, unshare = 97, setuid = 146, getpid = 172
        #endif
        static let pidfdOpen = 434, ioUringSetup = 425
    }
}
