import TerapiCore
import Testing

struct TokenTests {
    @Test
    func `makes API keys with a prefix and a checksum`() throws {
        let token = Token.random(.apiKey)
        let text = token.text.reveal()
        #expect(text.hasPrefix("terapi_sk_"))
        #expect(text.utf8.count == 10 + 64 + 8)
        #expect(token.hash == sha256(Array(text.utf8)))
        #expect(try #require(Token(text, .apiKey)).hash == token.hash)
        #expect(Token(text, .connectSession) == nil)
        #expect("\(token)".contains(text.dropFirst(10).prefix(16)) == false)
    }

    @Test
    func `makes connect session tokens of 64 hexadecimal digits`() throws {
        let text = Token.random(.connectSession).text.reveal()
        #expect(text.hasPrefix("terapi_connect_session_"))
        #expect(text.utf8.count == 23 + 64)
        #expect(Token(text, .connectSession) != nil)
        #expect(Token(text, .apiKey) == nil)
    }

    @Test
    func `never makes the same one twice`() {
        #expect(Set((0..<1_000).map { _ in Token.random(.apiKey).hash }).count == 1_000)
    }

    @Test
    func `tells a mistyped key from an unknown one`() {
        let text = Token.random(.apiKey).text.reveal()
        let digits = Array("0123456789abcdef")
        for index in text.indices where text.distance(from: text.startIndex, to: index) >= 10 {
            for digit in digits where digit != text[index] {
                let mistyped = text.replacingCharacters(at: index, with: digit)
                #expect(Token(mistyped, .apiKey) == nil)
            }
        }
        // The control: unknown, but well formed.
        #expect(Token(Token.random(.apiKey).text.reveal(), .apiKey) != nil)
    }

    @Test
    func `refuses every other form`() {
        let text = Token.random(.apiKey).text.reveal()
        let session = Token.random(.connectSession).text.reveal()
        for wrong in [
            "", "terapi_sk_", text.uppercased(), text + "0", String(text.dropLast()), " " + text, text + " ",
            text.replacing("terapi_sk_", with: "terapi_pk_"), text.replacing("_sk_", with: "_sk__"),
        ] {
            #expect(Token(wrong, .apiKey) == nil, "\(wrong)")
        }
        let uppercase = "terapi_connect_session_" + session.dropFirst(23).uppercased()
        // Digits that are wide are hexadecimal digits to Unicode too.
        let wide = "terapi_connect_session_" + String(repeating: "１", count: 64)
        for wrong in [uppercase == session ? "" : uppercase, wide, String(session.dropLast()), session + "0"] {
            #expect(Token(wrong, .connectSession) == nil, "\(wrong)")
        }
    }
}

extension String {
    fileprivate func replacingCharacters(at index: Index, with character: Character) -> String {
        self[..<index] + String(character) + self[self.index(after: index)...]
    }
}
