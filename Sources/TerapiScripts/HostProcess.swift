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
    /// - Parameter hasActed: the run had asked the server for something before.
    case hostEnded(HostEnding, hasActed: Bool)
    case timedOut
}

/// Why a host ended, and at whose fault.
struct HostEnding: Sendable {
    enum Cause: Sendable {
        /// A signal that nobody here sent: a fault in the engine, or the system was out of memory.
        case crashed(signal: Int32)
        case died
        case limit(String)
        /// It did not let go of a run that was over.
        case stuck
        case stopped
    }

    enum Culprit: Sendable, Equatable {
        case run(UInt32)
        case nobody
        case unknown
    }

    var cause: Cause
    var culprit: Culprit
}

/// How far a run is to blame for the end of its host.
enum Blame: Sendable {
    case none, suspected, known
}

/// One child process that runs the scripts of one environment.
///
/// A thread of its own reads what the child sends; a serial queue writes what does not go out at once. Neither waits for
/// the other, so both sides may send large frames at once.
final class HostProcess: Sendable {
    private struct Run {
        var events: AsyncStream<RunEvent>.Continuation
        /// It has asked for something: what began may not begin again by itself.
        var hasActed = false
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
        var residentBytes = 0
        var watch: (any DispatchSourceTimer)?
    }

    private struct Outgoing {
        /// Frames that wait in the queue: later ones wait behind them.
        var waiting = 0
        /// The number of the descriptor may belong to another file.
        var isClosed = false
    }

    /// Frames up to this length are handed to the system where they come from, if it takes them without waiting.
    private static let smallFrame = 32 << 10

    let processID: pid_t
    private let socket: FrameSocket
    private let limits: ScriptLimits
    private let page: TurnPage?
    private let resident: ResidentMemory
    private let writes: DispatchQueue
    private let outgoing = Mutex(Outgoing())
    /// Hashes of the modules that the host has been sent.
    private let sentModules = Mutex<Set<String>>([])
    private let state = Mutex(State())

    /// - Parameter onReady: learns which parts of the cage the kernel refused.
    init(
        executable: String, arguments: [String], limits: ScriptLimits,
        onReady: @escaping @Sendable (_ refused: String) -> Void
    ) throws {
        self.limits = limits
        var ends: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &ends) { bytes in
            socketpair(AF_UNIX, Self.streamType, 0, bytes.bindMemory(to: Int32.self).baseAddress)
        }
        guard made == 0 else {
            throw TerapiError(.serverError, "A script host cannot be started: no socket (\(errno)).")
        }
        let pageDescriptor = TurnPage.makeDescriptor()
        defer {
            close(ends.1)
            if pageDescriptor >= 0 { close(pageDescriptor) }
        }
        page = TurnPage(descriptor: pageDescriptor)
        do {
            processID = try Self.spawn(
                executable, arguments, limits: limits, socket: ends.1, page: pageDescriptor
            )
        } catch {
            close(ends.0)
            throw error
        }
        resident = ResidentMemory(of: processID)
        socket = FrameSocket(descriptor: ends.0)
        writes = DispatchQueue(label: "terapi.script-host.write")
        startThread { [self] in readAll(onReady: onReady) }
    }

    var isAlive: Bool { state.withLock { $0.isAlive } }

    /// Whether it takes new runs.
    var isUsable: Bool { state.withLock { $0.isAlive && !$0.isEnding } }

    /// Whether its runs hold so much memory that another would come too close to the limit.
    var isHeavy: Bool { state.withLock { $0.residentBytes > limits.memoryBytes / 2 } }

    /// How far a run is to blame for this host's end; none while it lives.
    func blame(of run: UInt32) -> Blame {
        guard let ending = state.withLock({ $0.ending }) else { return .none }
        return switch ending.culprit {
        case .run(run): .known
        case .unknown: .suspected
        case .run, .nobody: .none
        }
    }

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
            kill(because: HostEnding(cause: .stuck, culprit: .run(run)))
        }
    }

    func send(_ kind: FrameHeader.Kind, run: UInt32, call: UInt32 = 0, _ parts: [[UInt8]]) {
        outgoing.withLock { outgoing in
            guard !outgoing.isClosed else { return }
            if outgoing.waiting == 0, parts.reduce(0, { $0 + $1.count }) <= Self.smallFrame {
                let frame = FrameSocket.frame(kind, run: run, call: call, parts)
                let sent = socket.writeWithoutWaiting(frame)
                if sent < frame.count { queue(&outgoing) { $0.write(frame[sent...]) } }
            } else {
                queue(&outgoing) { $0.write(kind, run: run, call: call, parts) }
            }
        }
    }

    /// The reader closes the socket on the same queue, so the descriptor is ours while the process lives.
    private func queue(_ outgoing: inout Outgoing, _ write: @escaping @Sendable (FrameSocket) -> Void) {
        outgoing.waiting += 1
        writes.async { [self] in
            if isAlive { write(socket) }
            self.outgoing.withLock { $0.waiting -= 1 }
        }
    }

    /// Sends what a script needs before it starts, unless the host has it already.
    func sendModules(_ header: ScriptHeader, from modules: SharedModules) throws {
        // Whoever finds a module noted finds it sent, too: its own start goes behind it.
        try sentModules.withLock { sent in
            for (name, hash) in header.modules where !sent.contains(hash) {
                guard let text = modules[hash] else {
                    throw TerapiError(.scriptError, "\(header.source) requires \(name), which was not bundled with it.")
                }
                send(.module, run: 0, [Array("\(hash)\n".utf8), text])
                sent.insert(hash)
            }
        }
    }

    func stop() {
        kill(because: HostEnding(cause: .stopped, culprit: .nobody))
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

    private func readAll(onReady: (String) -> Void) {
        while let header = socket.readHeader(maxLength: limits.maxFrameBytes + 4096),
            let body = socket.readBody(header.length)
        {
            if header.kind == .ready { onReady(String(decoding: body, as: UTF8.self)) }
            let events = state.withLock { state in
                switch header.kind {
                case .request, .change, .call: state.runs[header.run]?.hasActed = true
                case .limitExceeded where header.call == FrameHeader.lastWords:
                    state.isEnding = true
                    if state.ending == nil {
                        state.ending = HostEnding(
                            cause: .limit(String(decoding: body, as: UTF8.self)),
                            culprit: header.run == 0
                                ? .unknown : state.runs[header.run] == nil ? .nobody : .run(header.run)
                        )
                    }
                default: break
                }
                return state.runs[header.run]?.events
            }
            if header.kind == .finished || header.kind == .failed || header.kind == .limitExceeded {
                endIfAbandoned(run: header.run)
            }
            events?.yield(.frame(header.kind, call: header.call, body: body))
        }
        let (runs, ending) = reap()
        for run in runs {
            run.events.yield(.hostEnded(ending, hasActed: run.hasActed))
            run.events.finish()
        }
        shutdown(socket.descriptor, Int32(SHUT_RDWR))
        writes.async { [self] in
            outgoing.withLock { outgoing in
                outgoing.isClosed = true
                _ = close(socket.descriptor)
            }
        }
    }

    private func reap() -> ([Run], HostEnding) {
        // It has closed its socket or sent what no host sends; one that ended by itself is not changed by this.
        let hadEnded = state.withLock { $0.ending != nil }
        if !hadEnded { waitBriefly() }
        state.withLock { state in
            state.isEnding = true
            _ = Self.sendKill(processID)
        }
        return state.withLock { state in
            var status: Int32 = 0
            while waitpid(processID, &status, 0) < 0, errno == EINTR {}
            state.isAlive = false
            state.watch?.cancel()
            state.watch = nil
            let signal = status & 0x7F
            let ending =
                state.ending
                ?? HostEnding(
                    cause: signal == 0 ? .died : .crashed(signal: signal),
                    culprit: culprit(among: state.runs)
                )
            state.ending = ending
            defer { state.runs = [:] }
            return (Array(state.runs.values), ending)
        }
    }

    /// A process that crashes closes its socket a moment before it can be reaped: its own signal is to be seen, not ours.
    private func waitBriefly() {
        for _ in 0..<50 {
            if terapi_has_ended(processID) != 0 { return }
            usleep(1000)
        }
    }

    /// Whose turn it was. Without a word from the host: the only run, if there is only one.
    private func culprit(among runs: [UInt32: Run]) -> HostEnding.Culprit {
        if let page {
            let run = page.run
            // A run that is over does no harm while its host clears up after it.
            return runs[run] == nil ? .nobody : .run(run)
        }
        return runs.count == 1 ? runs.first.map { .run($0.key) } ?? .nobody : .unknown
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
        guard let used = resident.bytes else { return }
        let runs = state.withLock { state in
            state.residentBytes = used
            return state.runs
        }
        // A little above the host's own limit, which knows better which run it was.
        guard used > limits.memoryBytes + limits.memoryBytes / 8 else { return }
        let culprit = runs.count == 1 ? runs.first.map { .run($0.key) } ?? .nobody : culprit(among: runs)
        kill(because: HostEnding(cause: .limit("memory"), culprit: culprit == .nobody ? .unknown : culprit))
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

    /// Starts the child with the descriptors of ``HostDescriptor`` and nothing else of ours.
    private static func spawn(
        _ executable: String,
        _ arguments: [String],
        limits: ScriptLimits,
        socket: Int32,
        page: Int32
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
        posix_spawn_file_actions_adddup2(&actions, socket, HostDescriptor.socket)
        if page >= 0 { posix_spawn_file_actions_adddup2(&actions, page, HostDescriptor.turn) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        // A group of its own: Ctrl-C at the terminal asks the server to stop, and the server then ends its scripts.
        var flags = Int32(POSIX_SPAWN_SETPGROUP) | Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF)
        #if canImport(Glibc)
        posix_spawn_file_actions_addclosefrom_np(&actions, page >= 0 ? HostDescriptor.turn + 1 : HostDescriptor.turn)
        #else
        flags |= Int32(POSIX_SPAWN_CLOEXEC_DEFAULT)
        #endif
        posix_spawnattr_setflags(&attributes, Int16(truncatingIfNeeded: flags))
        posix_spawnattr_setpgroup(&attributes, 0)

        let environment = [
            "TERAPI_HOST_TURN_SECONDS=\(limits.turn.secondsAsDouble)",
            "TERAPI_HOST_MEMORY_BYTES=\(limits.memoryBytes)",
            "TERAPI_HOST_OUTPUT_BYTES=\(limits.maxOutputBytes)",
            "TERAPI_HOST_FRAME_BYTES=\(limits.maxFrameBytes)",
            // A script's local time is the same on every machine, and needs no file to be known.
            "TZ=UTC",
            "JSC_useWasm=0",
            // A crash ends the process at once and with its own signal. The runtime would stop for a trace, which needs
            // what the cage forbids, and die of that.
            "SWIFT_BACKTRACE=enable=no",
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
