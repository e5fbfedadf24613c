import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A thread that ends the process when a turn uses too much: the library's own limit of CPU time stops neither one long
/// native call nor a chain of microtasks without end, and nothing in it limits memory.
final class Watchdog: Sendable {
    private static let interval: UInt32 = 10_000
    /// The library's limit comes first where it works: it counts more exactly.
    private static let grace = 0.25

    private let socket: FrameSocket
    private let turn: Double
    private let memoryBytes: Int
    /// The run whose turn it is in the upper half (0: none), and a number that changes with each turn.
    private let current = Atomic<UInt64>(0)
    private let isWriting = Mutex(())
    /// What the host had in memory when the turn began, without what its run was known to hold.
    private let foreignBytes = Atomic<Int>(0)
    private let isAlone = Atomic<Bool>(true)
    private let watched: ThreadClock
    private let parent = getppid()
    private let page = TurnPage(descriptor: HostDescriptor.turn)
    private let resident: ResidentMemory
    private let bytesAtStart: Int

    /// Watches the thread that makes it.
    init(socket: FrameSocket, turn: Double, memoryBytes: Int) {
        self.socket = socket
        self.turn = turn
        self.memoryBytes = memoryBytes
        watched = ThreadClock()
        resident = ResidentMemory()
        bytesAtStart = resident.bytes ?? 0
        if page != nil { _ = close(HostDescriptor.turn) }
    }

    var residentBytes: Int { resident.bytes ?? 0 }

    func start() {
        startThread { [self] in
            var seen: UInt64 = 0
            var begin = 0.0
            while true {
                usleep(Self.interval)
                if getppid() != parent { _exit(0) }
                let now = current.load(ordering: .acquiring)
                guard now >> 32 != 0 else { continue }
                let used = watched.seconds
                if now != seen {
                    seen = now
                    begin = used
                }
                if used - begin > turn + Self.grace { end(now, "cpu") }
                let bytes = residentBytes
                if bytes > memoryBytes { end(now, "memory", isCertain: isHog(bytes)) }
            }
        }
    }

    /// - Parameters:
    ///   - run: whose turn it is.
    ///   - foreignBytes: what is in memory and not known as this run's.
    ///   - isAlone: no other run lives in this host.
    func turnBegins(of run: UInt32, foreignBytes: Int, isAlone: Bool) {
        self.foreignBytes.store(foreignBytes, ordering: .relaxed)
        self.isAlone.store(isAlone, ordering: .relaxed)
        page?.run = run
        let number = current.load(ordering: .relaxed) &+ 1
        current.store(UInt64(run) << 32 | number & 0xFFFF_FFFF, ordering: .releasing)
    }

    func turnEnds() {
        current.store(current.load(ordering: .relaxed) & 0xFFFF_FFFF, ordering: .releasing)
        page?.run = 0
    }

    /// Whether the memory is that of the run whose turn it is, and not of neighbours that wait.
    private func isHog(_ bytes: Int) -> Bool {
        isAlone.load(ordering: .relaxed)
            || bytes - foreignBytes.load(ordering: .relaxed) > (memoryBytes - bytesAtStart) / 2
    }

    /// Keeps the watchdog's last words from falling into the middle of a frame.
    func whileWriting(_ body: () -> Void) {
        isWriting.withLock { _ in body() }
    }

    private func end(_ observed: UInt64, _ limit: String, isCertain: Bool = true) {
        _ = isWriting.withLockIfAvailable { _ in
            // The turn may just have ended.
            guard current.load(ordering: .acquiring) == observed else { return }
            sayLastWords(run: isCertain ? UInt32(observed >> 32) : 0, limit: limit)
        }
    }

    /// From the watched thread.
    func endProcess(run: UInt32, limit: String) {
        isWriting.withLock { _ in sayLastWords(run: run, limit: limit) }
    }

    private func sayLastWords(run: UInt32, limit: String) -> Never {
        socket.write(.limitExceeded, run: run, call: FrameHeader.lastWords, [Array(limit.utf8)])
        _exit(75)
    }
}

/// The CPU time of the thread that made it, readable from other threads.
private struct ThreadClock: Sendable {
    #if canImport(Glibc)
    private let clock: clockid_t

    init() {
        var clock = clockid_t()
        pthread_getcpuclockid(pthread_self(), &clock)
        self.clock = clock
    }

    var seconds: Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
    #else
    private let thread = pthread_mach_thread_np(pthread_self())

    var seconds: Double {
        var facts = thread_basic_info()
        var count = mach_msg_type_number_t(MemoryLayout<thread_basic_info>.size / MemoryLayout<integer_t>.size)
        _ = withUnsafeMutablePointer(to: &facts) { facts in
            facts.withMemoryRebound(to: integer_t.self, capacity: Int(count)) {
                thread_info(thread, thread_flavor_t(THREAD_BASIC_INFO), $0, &count)
            }
        }
        let microseconds = Int(facts.user_time.microseconds) + Int(facts.system_time.microseconds)
        return Double(Int(facts.user_time.seconds) + Int(facts.system_time.seconds)) + Double(microseconds) / 1e6
    }
    #endif
}
