import CZlib

/// Decompresses answers within limits, so that a few kilobytes cannot fill the memory.
enum Inflate {
    enum Failure: Error {
        case tooLarge
        case tooDense
        case damaged
    }

    /// From this size on an answer must not be more than ``maxRatio`` times as large as what was received.
    static let ratioFloor = 1_000_000
    static let maxRatio = 100

    /// Decompresses gzip (also several members in a row), zlib, or raw deflate, which some servers call "deflate".
    static func inflate(_ input: [UInt8], limit: Int) throws(Failure) -> [UInt8] {
        guard !input.isEmpty else { return [] }
        var stream = z_stream()
        guard terapi_inflate_init(&stream, windowBits(of: input)) == Z_OK else { throw .damaged }
        defer { inflateEnd(&stream) }
        let result = input.withUnsafeBufferPointer { input -> Result<[UInt8], Failure> in
            // zlib only reads from `next_in`; its type is mutable for historical reasons.
            stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
            stream.avail_in = UInt32(clamping: input.count)
            return run(&stream, inputCount: input.count, limit: limit)
        }
        return try result.get()
    }

    /// What tells zlib the format: gzip or zlib by their first bytes, else raw deflate.
    static func windowBits(of input: [UInt8]) -> Int32 {
        let isZlibOrGzip =
            input.count >= 2
            && (input[0] == 0x1F && input[1] == 0x8B
                || input[0] & 0x0F == 8 && (Int(input[0]) << 8 | Int(input[1])) % 31 == 0)
        return isZlibOrGzip ? 47 : -15
    }

    private static func run(_ stream: inout z_stream, inputCount: Int, limit: Int) -> Result<[UInt8], Failure> {
        var output: [UInt8] = []
        output.reserveCapacity(min(limit, inputCount * 4))
        let chunkSize = 65_536
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: chunkSize) { chunk in
            while true {
                stream.next_out = chunk.baseAddress
                stream.avail_out = UInt32(chunkSize)
                let status = CZlib.inflate(&stream, Z_NO_FLUSH)
                let produced = chunkSize - Int(stream.avail_out)
                output.append(contentsOf: UnsafeBufferPointer(rebasing: chunk[..<produced]))
                if output.count > limit { return .failure(.tooLarge) }
                if output.count > ratioFloor, output.count > inputCount * maxRatio { return .failure(.tooDense) }
                switch status {
                case Z_OK: continue
                case Z_STREAM_END:
                    // A second gzip member may follow; anything else behind the end is ignored, as browsers do.
                    guard stream.avail_in > 2, stream.next_in?.pointee == 0x1F, inflateReset(&stream) == Z_OK else {
                        return .success(output)
                    }
                default: return .failure(.damaged)
                }
            }
        }
    }
}
