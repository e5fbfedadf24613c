import TerapiCore
import Testing

struct SecretBoxTests {
    private let place = SecretBox.Place(table: "record", column: "payload", environmentID: 1, row: "7")

    @Test(arguments: [0, 1, 15, 16, 17, 1_000, 100_000])
    func `opens what it sealed`(count: Int) throws {
        let box = SecretBox(current: EncryptionKey.random().key)
        let plain = (0..<count).map { UInt8(truncatingIfNeeded: $0) }

        let sealed = try box.seal(plain, for: place)

        #expect(try box.open(sealed, for: place) == plain)
        #expect(sealed.count == count + 33)
    }

    @Test
    func `never seals two values with one nonce`() async throws {
        let box = SecretBox(current: EncryptionKey.random().key)

        let nonces = try await withThrowingTaskGroup { group in
            for _ in 0..<4 {
                group.addTask { try (0..<1_000).map { _ in try box.seal([], for: place)[5..<17] } }
            }
            return try await group.reduce(into: Set<ArraySlice<UInt8>>()) { $0.formUnion($1) }
        }

        #expect(nonces.count == 4_000)
    }

    @Test
    func `opens in one place only`() throws {
        let box = SecretBox(current: EncryptionKey.random().key)
        let sealed = try box.seal([1, 2, 3] as [UInt8], for: place)

        for other in [
            SecretBox.Place(table: "record", column: "payload", environmentID: 2, row: "7"),
            SecretBox.Place(table: "record", column: "payload", environmentID: 1, row: "8"),
            SecretBox.Place(table: "record", column: "hash", environmentID: 1, row: "7"),
            SecretBox.Place(table: "connection", column: "payload", environmentID: 1, row: "7"),
        ] {
            #expect(throws: TerapiError.self) { try box.open(sealed, for: other) }
        }
    }

    @Test
    func `refuses a value in which any byte was changed, or that was cut`() throws {
        let box = SecretBox(current: EncryptionKey.random().key)
        let sealed = try box.seal(Array("a secret".utf8), for: place)

        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1
            let damaged = changed
            #expect(throws: TerapiError.self) { try box.open(damaged, for: place) }
            #expect(throws: TerapiError.self) { try box.open(Array(sealed[..<index]), for: place) }
        }
    }

    @Test
    func `opens with an older key what that key sealed`() throws {
        let (old, new) = (EncryptionKey.random().key, EncryptionKey.random().key)
        let sealed = try SecretBox(current: old).seal([9] as [UInt8], for: place)

        #expect(try SecretBox(current: new, older: [old]).open(sealed, for: place) == [9])
        #expect(throws: TerapiError.self) { try SecretBox(current: new).open(sealed, for: place) }
    }

    @Test
    func `refuses a swap between any two of many places`() throws {
        let box = SecretBox(current: EncryptionKey.random().key)
        var places: [SecretBox.Place] = []
        for environmentID in 1...3 as ClosedRange<Int64> {
            for row in ["1", "2", "12", ""] {
                places += [
                    SecretBox.Place(table: "a", column: "b", environmentID: environmentID, row: row),
                    SecretBox.Place(table: "ab", column: "b", environmentID: environmentID, row: row),
                    SecretBox.Place(table: "a", column: "bb", environmentID: environmentID, row: row),
                ]
            }
        }
        let sealed = try places.map { try box.seal([1, 2, 3] as [UInt8], for: $0) }
        for (from, value) in sealed.enumerated() {
            for (to, place) in places.enumerated() {
                let opened = try? box.open(value, for: place)
                #expect((opened != nil) == (from == to), "from \(from) to \(to)")
            }
        }
    }

    @Test
    func `seals the same value differently each time, and names the key that it lacks`() throws {
        let key = EncryptionKey.random().key
        let box = SecretBox(current: key)
        let sealed = try (0..<1_000).map { _ in try box.seal([5] as [UInt8], for: place) }
        #expect(Set(sealed).count == 1_000)
        let error = #expect(throws: TerapiError.self) {
            try SecretBox(current: EncryptionKey.random().key).open(sealed[0], for: place)
        }
        #expect(error?.message.contains(String(key.id, radix: 16)) == true)
        #expect(EncryptionKey(bytes: [UInt8](repeating: 0, count: 31)) == nil)
        #expect(EncryptionKey(bytes: [UInt8](repeating: 0, count: 33)) == nil)
    }
}
