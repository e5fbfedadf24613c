#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The timers of the scripts in a host. Where several have timers due they take turns, so that a script with a million
/// timers stays its own problem.
struct TimerQueue {
    struct Timer {
        var run: UInt32
        var id: UInt32
    }

    private var runs: [(run: UInt32, timers: TimerHeap)] = []
    /// Whose turn it is next.
    private var next = 0
    private var lastOrder: UInt64 = 0

    /// For `poll`: 0 when one is due; `nil` without timers.
    var millisecondsToNext: Int32? {
        runs.lazy.compactMap(\.timers.nextDue).min().map { due in
            let now = Self.now
            return due <= now ? 0 : Int32(clamping: (due - now + 999_999) / 1_000_000)
        }
    }

    mutating func add(run: UInt32, id: UInt32, milliseconds: Double) {
        let wait = milliseconds.isFinite ? min(max(milliseconds, 0), 2_147_483_647) : 0
        lastOrder += 1
        let entry = TimerHeap.Entry(due: Self.now + UInt64(wait * 1_000_000), order: lastOrder, id: id)
        // A run that sets a timer most often sets many.
        if let place = runs.lastIndex(where: { $0.run == run }) {
            runs[place].timers.add(entry)
        } else {
            runs.append((run, TimerHeap(entry)))
        }
    }

    /// A timer whose moment has come.
    mutating func takeDue() -> Timer? {
        let now = Self.now
        for step in 0..<runs.count {
            let place = (next + step) % runs.count
            guard let due = runs[place].timers.nextDue, due <= now else { continue }
            let timer = Timer(run: runs[place].run, id: runs[place].timers.takeNext())
            next = place + 1
            if runs[place].timers.nextDue == nil {
                runs.remove(at: place)
                next = place
            }
            return timer
        }
        return nil
    }

    mutating func remove(run: UInt32) {
        runs.removeAll { $0.run == run }
    }

    private static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// The timers of one run, the next one first.
private struct TimerHeap {
    struct Entry {
        var due: UInt64
        /// Timers of the same moment fire in the order in which they were set.
        var order: UInt64
        var id: UInt32

        static func < (one: Entry, other: Entry) -> Bool {
            (one.due, one.order) < (other.due, other.order)
        }
    }

    private var entries: [Entry]

    init(_ entry: Entry) {
        entries = [entry]
    }

    var nextDue: UInt64? { entries.first?.due }

    mutating func add(_ entry: Entry) {
        entries.append(entry)
        var child = entries.count - 1
        while child > 0, entries[child] < entries[(child - 1) / 2] {
            entries.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// There must be one.
    mutating func takeNext() -> UInt32 {
        entries.swapAt(0, entries.count - 1)
        let taken = entries.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < entries.count && entries[child] < entries[least] {
                least = child
            }
            guard least != parent else { return taken.id }
            entries.swapAt(parent, least)
            parent = least
        }
    }
}
