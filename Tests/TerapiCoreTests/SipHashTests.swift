import Testing

@testable import TerapiCore

struct SipHashTests {
    // From the reference implementation: the key 00..0f, the message 00, 01, … of each length.
    @Test(
        arguments: [(0, 0x726f_db47_dd0e_0e31), (1, 0x74f8_39c5_93dc_67fd), (15, 0xa129_ca61_49be_45e5)]
            as [(Int, UInt64)])
    func `agrees with the published vectors`(length: Int, expected: UInt64) {
        let hash = SipHash(key: (0..<16).map { UInt8($0) })

        #expect(hash.hash((0..<length).map { UInt8($0) }) == expected)
    }
}
