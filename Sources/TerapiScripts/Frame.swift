/// The head of one message between the server and a script host: sixteen bytes, little endian, then `length` bytes.
struct FrameHeader {
    static let size = 16
    static let lastWords: UInt32 = 1

    enum Kind: UInt8 {
        // From the server
        /// JSON settings, a newline, then the script's text.
        case start = 1
        /// JSON status and headers, a newline, then the provider's bytes.
        case response
        /// JSON, or nothing for a call without a result.
        case result
        /// JSON with `code` and `message`.
        case failure
        case cancel
        /// The hash of a module that scripts share, a newline, then its text. Stays with the host for all its runs.
        case module

        // From the host
        /// JSON of the request, a newline, then its body.
        case request = 16
        /// JSON of kind, model, count and sometimes the checkpoint after them, then lines: id and document in turn.
        case change
        /// The call's name, a newline, then its arguments as a JSON array.
        case call
        /// What the script returned, as JSON.
        case finished
        /// JSON of what the script threw.
        case failed
        /// The name of the limit that the run went over. With ``FrameHeader/lastWords`` as the call, the host ends;
        /// without a run then, it is not known whose fault it was.
        case limitExceeded
        /// Once, before anything else: which parts of the cage the kernel refused, in words. Empty: none.
        case ready
    }

    var kind: Kind
    var run: UInt32
    var call: UInt32
    var length: Int

    init(_ kind: Kind, run: UInt32, call: UInt32 = 0, length: Int) {
        self.kind = kind
        self.run = run
        self.call = call
        self.length = length
    }

    /// `nil` when these bytes are no head of a frame.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard let kind = Kind(rawValue: bytes[4]) else { return nil }
        self.kind = kind
        length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt32.self)))
        run = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
        call = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
    }

    func write(to bytes: UnsafeMutableRawBufferPointer) {
        bytes.storeBytes(of: UInt32(length).littleEndian, toByteOffset: 0, as: UInt32.self)
        bytes.storeBytes(of: UInt32(kind.rawValue).littleEndian, toByteOffset: 4, as: UInt32.self)
        bytes.storeBytes(of: run.littleEndian, toByteOffset: 8, as: UInt32.self)
        bytes.storeBytes(of: call.littleEndian, toByteOffset: 12, as: UInt32.self)
    }
}
