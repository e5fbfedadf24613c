import CJavaScriptCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Reads and writes whole frames on a socket, waiting as long as it takes. Not for the cooperative pool.
struct FrameSocket: Sendable {
    let descriptor: Int32

    /// `nil` at the other side's end, and when what comes is no frame or longer than allowed.
    func readHeader(maxLength: Int) -> FrameHeader? {
        withUnsafeTemporaryAllocation(byteCount: FrameHeader.size, alignment: 8) { bytes in
            guard read(into: bytes), let header = FrameHeader(UnsafeRawBufferPointer(bytes)),
                header.length <= maxLength
            else { return nil }
            return header
        }
    }

    /// Whether the buffer could be filled.
    func read(into bytes: UnsafeMutableRawBufferPointer) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = recv(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, 0)
            if count > 0 {
                done += count
            } else if count == 0 || errno != EINTR {
                return false
            }
        }
        return true
    }

    func readBody(_ length: Int) -> [UInt8]? {
        var isWhole = false
        let body = [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
            isWhole = read(into: UnsafeMutableRawBufferPointer(buffer))
            count = isWhole ? length : 0
        }
        return isWhole ? body : nil
    }

    /// Whether all bytes went out.
    @discardableResult
    func write(_ parts: [UnsafeRawBufferPointer]) -> Bool {
        var vectors = parts.filter { !$0.isEmpty }.map {
            iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: $0.count)
        }
        var first = 0
        while first < vectors.count {
            let count = vectors.withUnsafeMutableBufferPointer { all -> Int in
                var message = msghdr()
                message.msg_iov = all.baseAddress.map { $0 + first }
                message.msg_iovlen = .init(all.count - first)
                return sendmsg(descriptor, &message, Self.flags)
            }
            guard count >= 0 else {
                if errno == EINTR { continue }
                return false
            }
            var sent = count
            while first < vectors.count, sent >= vectors[first].iov_len {
                sent -= vectors[first].iov_len
                first += 1
            }
            if sent > 0 {
                vectors[first].iov_base = vectors[first].iov_base.map { $0 + sent }
                vectors[first].iov_len -= sent
            }
        }
        return true
    }

    func write(_ kind: FrameHeader.Kind, run: UInt32, call: UInt32 = 0, _ parts: [[UInt8]]) {
        let header = FrameHeader(kind, run: run, call: call, length: parts.reduce(0) { $0 + $1.count })
        withUnsafeTemporaryAllocation(byteCount: FrameHeader.size, alignment: 8) { head in
            header.write(to: head)
            write(parts, after: [UnsafeRawBufferPointer(head)])
        }
    }

    static func frame(_ kind: FrameHeader.Kind, run: UInt32, call: UInt32, _ parts: [[UInt8]]) -> [UInt8] {
        let length = parts.reduce(0) { $0 + $1.count }
        return [UInt8](unsafeUninitializedCapacity: FrameHeader.size + length) { buffer, count in
            FrameHeader(kind, run: run, call: call, length: length).write(to: UnsafeMutableRawBufferPointer(buffer))
            count = FrameHeader.size
            for part in parts { count = buffer[count...].initialize(fromContentsOf: part) }
        }
    }

    func write(_ bytes: ArraySlice<UInt8>) {
        bytes.withUnsafeBytes { _ = write([$0]) }
    }

    /// - Returns: how many bytes the system took; with an error none, which the next who waits will meet too.
    func writeWithoutWaiting(_ bytes: [UInt8]) -> Int {
        bytes.withUnsafeBytes { max(0, send(descriptor, $0.baseAddress, $0.count, Self.flags | Self.withoutWaiting)) }
    }

    private func write(_ parts: [[UInt8]], after pointers: [UnsafeRawBufferPointer]) {
        guard let part = parts.first else {
            write(pointers)
            return
        }
        part.withUnsafeBytes { write(Array(parts.dropFirst()), after: pointers + [$0]) }
    }

    #if canImport(Glibc)
    private static let flags = Int32(MSG_NOSIGNAL)
    private static let withoutWaiting = Int32(MSG_DONTWAIT)
    #else
    private static let flags: Int32 = 0
    private static let withoutWaiting = MSG_DONTWAIT
    #endif
}

/// Runs `body` on a thread of its own: for work that blocks.
func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    pthread_attr_setstacksize(&attributes, 256 << 10)
    let argument = Unmanaged.passRetained(Box(body)).toOpaque()
    #if canImport(Glibc)
    var thread = pthread_t()
    #else
    var thread: pthread_t?
    #endif
    let status = pthread_create(
        &thread, &attributes,
        { argument in
            #if canImport(Glibc)
            guard let argument else { return nil }
            #endif
            Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body()
            return nil
        }, argument)
    pthread_attr_destroy(&attributes)
    precondition(status == 0, "The system has no thread left.")
}
