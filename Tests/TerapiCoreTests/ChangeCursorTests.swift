import TerapiCore
import Testing

struct ChangeCursorTests {
    private let mac = KeyedHash(key: [UInt8](repeating: 7, count: 32))

    private func coder(connection: Int64 = 1, model: String = "Ticket") -> ChangeCursorCoder {
        ChangeCursorCoder(mac: mac, connectionID: connection, model: model)
    }

    @Test(arguments: [(1, 0), (1, 1), (2, 255), (4_294_967_295, Int64.max)] as [(Int64, Int64)])
    func `reads what it wrote`(epoch: Int64, position: Int64) throws {
        let cursor = ChangeCursor(epoch: epoch, position: position)
        #expect(try coder().decode(coder().encode(cursor)) == cursor)
    }

    @Test
    func `is text that needs no escaping in a query`() {
        let text = coder().encode(ChangeCursor(epoch: 1, position: 12_345))
        #expect(text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") })
    }

    @Test
    func `refuses every change of a bit and ten thousand random changes`() {
        let coder = coder()
        let text = coder.encode(ChangeCursor(epoch: 3, position: 987_654_321))
        let bytes = Base64.url.decode(text) ?? []
        var refused = 0
        for index in bytes.indices {
            for bit in 0..<8 {
                var changed = bytes
                changed[index] ^= 1 << UInt8(bit)
                refused += isRefused(Base64.url.encode(changed), by: coder) ? 1 : 0
            }
        }
        #expect(refused == bytes.count * 8)
        var random = SystemRandomNumberGenerator()
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ é")
        for _ in 0..<10_000 {
            var characters = Array(text)
            repeat {
                let place = Int.random(in: 0..<characters.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: characters[place] = alphabet.randomElement(using: &random) ?? "A"
                case 1: characters.remove(at: place)
                case 2: characters.insert(alphabet.randomElement(using: &random) ?? "A", at: place)
                default: characters.swapAt(place, Int.random(in: 0..<characters.count, using: &random))
                }
            } while String(characters) == text
            #expect(isRefused(String(characters), by: coder), "\(String(characters))")
        }
        // The control: the unchanged one is accepted.
        #expect(!isRefused(text, by: coder))
    }

    @Test
    func `refuses the cursors of every other stream and of another installation`() {
        let cursor = ChangeCursor(epoch: 1, position: 5)
        let own = coder(connection: 1, model: "Ticket")
        for connection in 2...2_000 as ClosedRange<Int64> {
            #expect(isRefused(coder(connection: connection).encode(cursor), by: own))
        }
        for model in ["ticket", "Tickets", "Ticket::eu", "", "Ticket\u{0}"] {
            #expect(isRefused(coder(model: model).encode(cursor), by: own))
        }
        let foreign = ChangeCursorCoder(
            mac: KeyedHash(key: [UInt8](repeating: 8, count: 32)),
            connectionID: 1,
            model: "Ticket"
        )
        #expect(isRefused(foreign.encode(cursor), by: own))
    }

    @Test(arguments: ["", "A", "null", "0", "2024-01-01T00:00:00Z", String(repeating: "A", count: 10_000)])
    func `refuses what never was a cursor`(text: String) {
        #expect(isRefused(text, by: coder()))
    }

    private func isRefused(_ text: String, by coder: ChangeCursorCoder) -> Bool {
        do {
            _ = try coder.decode(text)
            return false
        } catch {
            return (error as? TerapiError)?.code == .invalidCursor
        }
    }
}
