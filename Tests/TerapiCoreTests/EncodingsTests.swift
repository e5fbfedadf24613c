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
}
