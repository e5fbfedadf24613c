#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The resident memory of a process. Its file stays open: a host in its cage can open none.
struct ResidentMemory: ~Copyable, Sendable {
    private let descriptor: Int32

    init(of processID: pid_t? = nil) {
        #if canImport(Glibc)
        descriptor = open("/proc/\(processID.map(String.init) ?? "self")/statm", O_RDONLY | O_CLOEXEC)
        #else
        descriptor = -1
        #endif
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// `nil` where the system does not tell, and when the process is gone.
    var bytes: Int? {
        guard descriptor >= 0 else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: 128, alignment: 1) { bytes in
            let count = pread(descriptor, bytes.baseAddress, bytes.count, 0)
            // The second of its numbers, in pages.
            var field = 0
            var pages = 0
            for byte in bytes[..<max(count, 0)] {
                if byte == UInt8(ascii: " ") {
                    if field == 1 { return pages * Int(getpagesize()) }
                    field += 1
                } else if field == 1 {
                    pages = pages * 10 + Int(byte) - Int(UInt8(ascii: "0"))
                }
            }
            return nil
        }
    }
}
