import CZlib

/// Decompresses gzip, zlib or raw deflate piece by piece, and holds no more than a piece of either.
final class InflateStream {
    private static let pieceSize = 65_536

    /// `nil` until enough has come to tell the format.
    private var stream: UnsafeMutablePointer<z_stream>?
    private var input: [UInt8] = []
    private var offset = 0
    /// Whether the last piece was full: then there may be more without further input.
    private var wasFull = false
    private var isAtEnd = false
    private var isEmpty = true

    deinit {
        guard let stream else { return }
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Takes the next compressed piece, after ``next()`` has given all of the one before.
    func take(_ piece: [UInt8]) throws(Inflate.Failure) {
        input = offset < input.count ? Array(input[offset...]) + piece : piece
        offset = 0
        if !input.isEmpty { isEmpty = false }
        guard stream == nil, input.count >= 2 else { return }
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard terapi_inflate_init(stream, Inflate.windowBits(of: input)) == Z_OK else {
            stream.deallocate()
            throw .damaged
        }
        self.stream = stream
    }

    /// Decompressed bytes, or `nil` when more must come before there are any.
    func next() throws(Inflate.Failure) -> [UInt8]? {
        guard let stream, offset < input.count || wasFull, !isAtEnd else { return nil }
        var status = Z_OK
        let (input, offset) = (input, offset)
        let piece = [UInt8](unsafeUninitializedCapacity: Self.pieceSize) { output, count in
            input.withUnsafeBufferPointer { input in
                // zlib only reads from `next_in`; its type is mutable for historical reasons.
                stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress?.advanced(by: offset))
                stream.pointee.avail_in = UInt32(clamping: input.count - offset)
                stream.pointee.next_out = output.baseAddress
                stream.pointee.avail_out = UInt32(Self.pieceSize)
                status = CZlib.inflate(stream, Z_NO_FLUSH)
            }
            count = Self.pieceSize - Int(stream.pointee.avail_out)
        }
        self.offset = input.count - Int(stream.pointee.avail_in)
        wasFull = piece.count == Self.pieceSize
        switch status {
        case Z_OK, Z_BUF_ERROR: break
        case Z_STREAM_END:
            // A second gzip member may follow; anything else behind the end is ignored, as browsers do.
            let hasMore = self.offset < input.count && input[self.offset] == 0x1F
            isAtEnd = !hasMore || inflateReset(stream) != Z_OK
        default: throw .damaged
        }
        guard piece.isEmpty else { return piece }
        guard self.offset < input.count, !isAtEnd else { return nil }
        return try next()
    }

    /// To be called behind the last piece.
    func finish() throws(Inflate.Failure) {
        guard isAtEnd || isEmpty else { throw .damaged }
    }
}
