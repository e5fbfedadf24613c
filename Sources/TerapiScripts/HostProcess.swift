import CJavaScriptCore
import Dispatch
import Synchronization
import TerapiCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What a host process tells about one run.
enum RunEvent: Sendable {
    case frame(FrameHeader.Kind, call: UInt32, body: [UInt8])
    case hostEnded(HostEnding)
    case timedOut
}

enum HostEnding: Sendable {
    case died
    case wentOverMemory(run: UInt32?)
    case stopped
}

/// One child process that runs the scripts of one environment.
///
/// A thread of its own reads what the child sends; a serial queue writes. Neither waits for the other, so both sides may
/// send large frames at once.
final class HostProcess: Sendable {
    private struct Run {
        var events: AsyncStream<RunEvent>.Continuation
        /// Calls that the script waits for.
        var openCalls = 0
        /// Nobody waits for the run any more; it stays here until the host has let it go.
        var isAbandoned = false
    }

    private struct State {
        var runs: [UInt32: Run] = [:]
        var lastRun: UInt32 = 0
        var isAlive = true
        /// It lives, but has said or been told that it ends.
        var isEnding = false
        var ending: HostEnding?
        var watch: (any DispatchSourceTimer)?
        /// Hashes of the modules that the host has been sent.
        var modules: Set<String> = []
    }

    let processID: pid_t
    private let socket: FrameSocket
    private let limits: ScriptLimits
    private let writes: DispatchQueue
    private let state = Mutex(State())

    init(executable: String, arguments: [String], limits: ScriptLimits) throws {
        self.limits = limits
        var ends: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &ends) { bytes in
            socketpair(AF_UNIX, Self.streamType, 0, bytes.bindMemory(to: Int32.self).baseAddress)
        }
        guard made == 0 else {
            throw TerapiError(.serverError, "A script host cannot be started: no socket (\(errno)).")
        }
        defer { close(ends.1) }
        do {
            processID = try Self.spawn(executable, arguments, limits: limits, socket: ends.1)
        } catch {
            close(ends.0)
            throw error
        }
        socket = FrameSocket(descriptor: ends.0)
        writes = DispatchQueue(label: "terapi.script-host.write")
        startThread { [self] in readAll() }
    }

    var isAlive: Bool { state.withLock { $0.isAlive } }

    /// Whether it takes new runs.
    var isUsable: Bool { state.withLock { $0.isAlive && !$0.isEnding } }

    /// Enters a run; its events arrive in `events` until the process ends or ``end(run:)``.
    /// - Returns: the run's number, or `nil` when the process is gone.
    func begin(events: AsyncStream<RunEvent>.Continuation) -> UInt32? {
        state.withLock { state in
            guard state.isAlive, !state.isEnding else { return nil }
            state.lastRun &+= 1
            state.runs[state.lastRun] = Run(events: events)
            if state.watch == nil { state.watch = makeWatch() }
            return state.lastRun
        }
    }

    func end(run: UInt32) {
        state.withLock { state in
            state.runs[run] = nil
            guard state.runs.isEmpty else { return }
            state.watch?.cancel()
            state.watch = nil
        }
    }

    /// Stops a run that nobody waits for. A host that does not let it go soon is stuck in it, and ends.
    func abandon(run: UInt32) {
        state.withLock { $0.runs[run]?.isAbandoned = true }
        send(.cancel, run: run, [])
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(500)) { [weak self] in
            guard let self, state.withLock({ $0.runs[run] != nil }) else { return }
            kill(because: .died)
        }
    }

    func send(_ kind: FrameHeader.Kind, run: UInt32, call: UInt32 = 0, _ parts: [[UInt8]]) {
        if call != 0 { state.withLock { $0.runs[run]?.openCalls -= 1 } }
        writes.async { [self] in
            // The reader closes the socket on this queue, so the descriptor is ours while the process lives.
            if isAlive { socket.write(kind, run: run, call: call, parts) }
        }
    }

    /// Sends what a script needs before it starts, unless the host has it already.
    func sendModules(_ header: ScriptHeader, from modules: SharedModules) throws {
        for (name, hash) in header.modules where state.withLock({ $0.modules.insert(hash).inserted }) {
            guard let text = modules[hash] else {
                throw TerapiError(.scriptError, "\(header.source) requires \(name), which was not bundled with it.")
            }
            send(.module, run: 0, [Array("\(hash)\n".utf8), text])
        }
    }

    /// Ends the process at once. Its runs learn it when the reader has seen the end.
    func kill(because ending: HostEnding) {
        state.withLock { state in
            // Once reaped, the number may belong to another process.
            guard state.isAlive else { return }
            state.isEnding = true
            if state.ending == nil { state.ending = ending }
            _ = Self.sendKill(processID)
        }
    }

    private func endIfAbandoned(run: UInt32) {
        if state.withLock({ $0.runs[run]?.isAbandoned == true }) { end(run: run) }
    }

    private func readAll() {
        while let header = socket.readHeader(maxLength: limits.maxFrameBytes + 4096),
            let body = socket.readBody(header.length)
        {
            let events = state.withLock { state in
                switch header.kind {
                case .request, .change, .call: state.runs[header.run]?.openCalls += 1
                case .limitExceeded where header.call == FrameHeader.lastWords: state.isEnding = true
                default: break
                }
                return state.runs[header.run]?.events
            }
            if header.kind == .finished || header.kind == .failed || header.kind == .limitExceeded {
                endIfAbandoned(run: header.run)
            }
            events?.yield(.frame(header.kind, call: header.call, body: body))
        }
        kill(because: .died)
        let (runs, ending) = state.withLock { state in
            var status: Int32 = 0
            while waitpid(processID, &status, 0) < 0, errno == EINTR {}
            state.isAlive = false
            state.watch?.cancel()
            state.watch = nil
            defer { state.runs = [:] }
            return (state.runs, state.ending ?? .died)
        }
        for run in runs.values {
            run.events.yield(.hostEnded(ending))
            run.events.finish()
        }
        shutdown(socket.descriptor, Int32(SHUT_RDWR))
        writes.async { [socket] in _ = close(socket.descriptor) }
    }

    /// The host watches its own memory while a script computes; this is the hold behind it that no script can reach.
    private func makeWatch() -> any DispatchSourceTimer {
        let timer = DispatchSource.makeTimerSource(queue: .global())
        timer.schedule(deadline: .now() + .milliseconds(100), repeating: .milliseconds(100), leeway: .milliseconds(20))
        timer.setEventHandler { [weak self] in self?.checkMemory() }
        timer.resume()
        return timer
    }

    private func checkMemory() {
        // A little above the host's own limit, which knows which run it was.
        guard let used = residentBytes(of: processID), used > limits.memoryBytes + limits.memoryBytes / 8 else {
            return
        }
        let computing = state.withLock { state in
            let runs = state.runs.count == 1 ? state.runs : state.runs.filter { $0.value.openCalls == 0 }
            return runs.count == 1 ? runs.first?.key : nil
        }
        kill(because: .wentOverMemory(run: computing))
    }
}

extension HostProcess {
    #if canImport(Glibc)
    private static let streamType = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    #else
    private static let streamType = SOCK_STREAM
    #endif

    private static func sendKill(_ processID: pid_t) -> Int32 {
        #if canImport(Glibc)
        Glibc.kill(processID, SIGKILL)
        #else
        Darwin.kill(processID, SIGKILL)
        #endif
    }

    /// Starts the child with descriptor 3 as its socket and nothing else of ours.
    private static func spawn(
        _ executable: String,
        _ arguments: [String],
        limits: ScriptLimits,
        socket: Int32
    ) throws -> pid_t {
        #if canImport(Glibc)
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        #else
        var actions: posix_spawn_file_actions_t?
        var attributes: posix_spawnattr_t?
        #endif
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        for descriptor in Int32(0)...2 {
            posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0)
        }
        posix_spawn_file_actions_adddup2(&actions, socket, 3)
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        // A group of its own: Ctrl-C at the terminal asks the server to stop, and the server then ends its scripts.
        var flags = Int32(POSIX_SPAWN_SETPGROUP) | Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF)
        #if canImport(Glibc)
        posix_spawn_file_actions_addclosefrom_np(&actions, 4)
        #else
        flags |= Int32(POSIX_SPAWN_CLOEXEC_DEFAULT)
        #endif
        posix_spawnattr_setflags(&attributes, Int16(truncatingIfNeeded: flags))
        posix_spawnattr_setpgroup(&attributes, 0)

        let environment = [
            "TERAPI_HOST_TURN_SECONDS=\(limits.turn.secondsAsDouble)",
            "TERAPI_HOST_MEMORY_BYTES=\(limits.memoryBytes)",
            "TERAPI_HOST_OUTPUT_BYTES=\(limits.maxOutputBytes)",
            "JSC_useWebAssembly=0",
            // The library sizes its heap by the machine; a host is to stay small, which costs no speed.
            "JSC_forceRAMSize=\(96 << 20)",
            // Fewer helper threads: a host serves one small script at a time and shares the machine.
            "JSC_numberOfGCMarkers=1",
        ]
        var processID: pid_t = 0
        let status = withCStrings([executable] + arguments) { argumentPointers in
            withCStrings(environment) { environmentPointers in
                posix_spawn(&processID, executable, &actions, &attributes, argumentPointers, environmentPointers)
            }
        }
        guard status == 0 else {
            throw TerapiError(.serverError, "A script host cannot be started from \(executable): error \(status).")
        }
        return processID
    }
}

func withCStrings<Result>(
    _ strings: [String],
    _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
    let pointers = strings.map { strdup($0) }
    defer { for pointer in pointers { free(pointer) } }
    return body(pointers + [nil])
}

/// The resident memory of a process, or `nil` where the system does not tell.
func residentBytes(of processID: pid_t? = nil) -> Int? {
    #if canImport(Glibc)
    let file = open("/proc/\(processID.map(String.init) ?? "self")/statm", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    return withUnsafeTemporaryAllocation(byteCount: 128, alignment: 1) { bytes in
        let count = read(file, bytes.baseAddress, bytes.count)
        guard count > 0 else { return nil }
        let fields = bytes[..<count].split(separator: UInt8(ascii: " "))
        guard fields.count > 1 else { return nil }
        return Int(String(decoding: fields[1], as: UTF8.self)).map { $0 * Int(getpagesize()) }
    }
    #else
    return nil
    #endif
}
