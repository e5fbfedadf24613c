import CJavaScriptCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The run whose turn it is in a host, in memory that outlives the host: so the server knows at whom a host died.
final class TurnPage: @unchecked Sendable {
    // Sendable: one word, written by the host's one thread and read by the server when the host is gone, or to guess.
    private let word: UnsafeMutablePointer<UInt64>
    private let size = Int(getpagesize())

    /// `nil` where the system has no such memory.
    init?(descriptor: Int32) {
        guard descriptor >= 0,
            let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), memory != MAP_FAILED
        else { return nil }
        word = memory.bindMemory(to: UInt64.self, capacity: 1)
    }

    deinit {
        munmap(word, size)
    }

    /// 0 while the host waits.
    var run: UInt32 {
        get { UInt32(truncatingIfNeeded: word.pointee) }
        set { word.pointee = UInt64(newValue) }
    }

    /// A descriptor for both sides, or -1. Far from the numbers that the host expects its own at.
    static func makeDescriptor() -> Int32 {
        let made = terapi_make_shared_page()
        guard made >= 0 else { return -1 }
        defer { close(made) }
        return fcntl(made, F_DUPFD_CLOEXEC, 10)
    }
}
