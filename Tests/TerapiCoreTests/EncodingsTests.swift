import TerapiCore
import Testing

struct EncodingsTests {
    /// RFC 4648, section 10, and bytes that tell the two alphabets apart.
    @Test(arguments: [
        ("", "", ""), ("f", "Zg==", "Zg"), ("fo", "Zm8=", "Zm8"), ("foo", "Zm9v", "Zm9v"),
        ("foob", "Zm9vYg==", "Zm9vYg"), ("fooba", "Zm9vYmE=", "Zm9vYmE"), ("foobar", "Zm9vYmFy", "Zm9vYmFy"),
        ("~~?", "fn4/", "fn4_"), ("?>>", "Pz4+", "Pz4-"),
    ])
    func `writes and reads base64 in both alphabets`(text: String, standard: String, url: String) {
        let bytes = Array(text.utf8)

        #expect(Base64.standard.encode(bytes) == standard)
        #expect(Base64.url.encode(bytes) == url)
        #expect(Base64.standard.decode(standard) == bytes)
        #expect(Base64.url.decode(url) == bytes)
    }

    @Test(arguments: ["Zg", "Zh==", "Zg===", "Z", "Zm9v\n", "Zm-v", "é"])
    func `refuses what it would not have written`(text: String) {
        #expect(Base64.standard.decode(text) == nil)
    }

    @Test(arguments: [([], ""), ([0], "00"), ([0x0F, 0xA0, 0xFF], "0fa0ff")] as [([UInt8], String)])
    func `writes hexadecimal in lower case`(bytes: [UInt8], text: String) {
        #expect(hex(bytes) == text)
    }

    @Test
    func `reads back every byte in every place of a group`() {
        for byte in UInt8.min...UInt8.max {
            for bytes in [[byte], [byte, ~byte], [1, byte, 2], [0, 0, 0, byte]] {
                #expect(Base64.standard.decode(Base64.standard.encode(bytes)) == bytes)
                #expect(Base64.url.decode(Base64.url.encode(bytes)) == bytes)
            }
        }
    }

    @Test(arguments: ["Zg==", "Zm+v", "Zm/v", "Z", "Zh", "Zm8 "])
    func `refuses in the alphabet for URLs what it would not have written`(text: String) {
        #expect(Base64.url.decode(text) == nil)
    }

    @Test
    func `makes random UUIDs of version 4`() {
        let uuids = (0..<1_000).map { _ in randomUUID() }
        #expect(Set(uuids).count == 1_000)
        for uuid in uuids {
            #expect(uuid.wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/) != nil)
        }
    }
}
