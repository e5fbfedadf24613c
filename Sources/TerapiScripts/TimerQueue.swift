#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The timers of the scripts in a host, the next one first.
struct TimerQueue {
    struct Timer {
        var due: UInt64
        var run: UInt32
        var id: UInt32
    }

    private var timers: [Timer] = []

    /// For `poll`: 0 when one is due; `nil` without timers.
    var millisecondsToNext: Int32? {
        timers.first.map { timer in
            let now = Self.now
            return timer.due <= now ? 0 : Int32(clamping: (timer.due - now + 999_999) / 1_000_000)
        }
    }

    mutating func add(run: UInt32, id: UInt32, milliseconds: Double) {
        let wait = milliseconds.isFinite ? min(max(milliseconds, 0), 2_147_483_647) : 0
        let timer = Timer(due: Self.now + UInt64(wait * 1_000_000), run: run, id: id)
        // Timers of the same moment fire in the order in which they were set.
        let place = timers.firstIndex { $0.due > timer.due } ?? timers.endIndex
        timers.insert(timer, at: place)
    }

    mutating func takeDue() -> [Timer] {
        let now = Self.now
        let due = timers.prefix { $0.due <= now }
        timers.removeFirst(due.count)
        return Array(due)
    }

    mutating func remove(run: UInt32) {
        timers.removeAll { $0.run == run }
    }

    private static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
