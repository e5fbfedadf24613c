/// SipHash-2-4 with 64 bits: authenticates short messages in a few nanoseconds (Aumasson and Bernstein, 2012).
struct SipHash: Sendable {
    private let key0: UInt64
    private let key1: UInt64

    /// - Parameter key: 16 bytes.
    init(key: [UInt8]) {
        precondition(key.count == 16)
        key0 = Self.word(key[0..<8])
        key1 = Self.word(key[8..<16])
    }

    func hash(_ bytes: some Collection<UInt8>) -> UInt64 {
        var state = (
            key0 ^ 0x736f_6d65_7073_6575, key1 ^ 0x646f_7261_6e64_6f6d, key0 ^ 0x6c79_6765_6e65_7261,
            key1 ^ 0x7465_6462_7974_6573
        )
        var word: UInt64 = 0
        var shift: UInt64 = 0
        for byte in bytes {
            word |= UInt64(byte) << shift
            shift += 8
            if shift == 64 {
                Self.absorb(word, into: &state)
                word = 0
                shift = 0
            }
        }
        Self.absorb(word | UInt64(truncatingIfNeeded: bytes.count) << 56, into: &state)
        state.2 ^= 0xff
        for _ in 0..<4 { Self.round(&state) }
        return state.0 ^ state.1 ^ state.2 ^ state.3
    }

    private typealias State = (UInt64, UInt64, UInt64, UInt64)

    private static func absorb(_ word: UInt64, into state: inout State) {
        state.3 ^= word
        round(&state)
        round(&state)
        state.0 ^= word
    }

    private static func round(_ state: inout State) {
        state.0 &+= state.1
        state.1 = rotate(state.1, 13) ^ state.0
        state.0 = rotate(state.0, 32)
        state.2 &+= state.3
        state.3 = rotate(state.3, 16) ^ state.2
        state.0 &+= state.3
        state.3 = rotate(state.3, 21) ^ state.0
        state.2 &+= state.1
        state.1 = rotate(state.1, 17) ^ state.2
        state.2 = rotate(state.2, 32)
    }

    private static func rotate(_ word: UInt64, _ count: UInt64) -> UInt64 {
        word << count | word >> (64 - count)
    }

    private static func word(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
