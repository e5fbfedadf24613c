import TerapiCore
import Testing

@testable import TerapiSandbox

struct TicketStoreTests {
    private let clock = TestClock()
    private let store: TicketStore

    init() {
        store = TicketStore(count: 250, now: clock.now)
    }

    @Test
    func `lists every ticket once, sorted by last change`() throws {
        let tickets = try readAll(TicketStore.Query())

        #expect(tickets.map { $0["id"]?.int } == (1...250).map { $0 })
        #expect(
            tickets.compactMap { $0["updated_at"]?.string } == tickets.compactMap { $0["updated_at"]?.string }.sorted()
        )
    }

    @Test
    func `holds the same tickets each time`() {
        let other = TicketStore(count: 250, now: clock.now)

        #expect(store.page(TicketStore.Query()).tickets == other.page(TicketStore.Query()).tickets)
    }

    @Test
    func `tickets are about as large as real ones`() {
        let sizes = store.page(TicketStore.Query(perPage: 250)).tickets.map(\.count)

        #expect((700...1000).contains(sizes.reduce(0, +) / sizes.count))
        #expect(sizes.allSatisfy { (500...1200).contains($0) })
    }

    @Test
    func `a change moves a ticket to the end`() throws {
        clock.advance(by: .seconds(10))
        #expect(store.update(17, ["status": "solved"], at: clock.now))

        let changed = try readAll(TicketStore.Query(updatedSince: clock.now))

        #expect(changed.count == 1)
        #expect(changed.first?["id"]?.int == 17)
        #expect(changed.first?["status"]?.string == "solved")
        #expect(try readAll(TicketStore.Query()).count == 250)
    }

    @Test
    func `shows deleted tickets only to who asks for them`() throws {
        clock.advance(by: .seconds(10))
        #expect(store.delete(17, at: clock.now))

        var query = TicketStore.Query(updatedSince: clock.now)
        #expect(try readAll(query).isEmpty)
        query.includesDeleted = true
        let tombstones = try readAll(query)

        #expect(tombstones.map { $0["deleted"]?.bool } == [true])
        #expect(try readAll(TicketStore.Query()).count == 249)
        #expect(store.ticket(17) == nil)
        #expect(!store.delete(17, at: clock.now))
    }

    @Test
    func `a reader by cursor misses no change that happens between two pages`() throws {
        var query = TicketStore.Query()
        let first = store.page(query)
        query.after = first.next

        for id in 1...50 { #expect(store.update(id, [:], at: clock.now)) }
        let rest = try readAll(query)

        // 101 to 250, then the fifty that moved to the end. By page number, fifty would have been skipped.
        #expect(rest.map { $0["id"]?.int } == Array(101...250) + Array(1...50))
        let byNumber = try ids(store.page(TicketStore.Query(page: 2)))
        #expect(byNumber.first == 151)
    }

    @Test
    func `no two changes share a moment, even when the clock stands still or goes back`() throws {
        #expect(store.update(1, [:], at: clock.now))
        #expect(store.update(2, [:], at: clock.now))
        #expect(store.update(3, [:], at: clock.now - .seconds(100)))

        let times = try readAll(TicketStore.Query()).suffix(4).compactMap { $0["updated_at"]?.string }

        #expect(Set(times).count == 4)
        #expect(times == times.sorted())
    }

    private func readAll(_ start: TicketStore.Query) throws -> [JSONValue] {
        var query = start
        var tickets: [JSONValue] = []
        while true {
            let page = store.page(query)
            tickets += try page.tickets.map { try JSONReader.read($0) }
            guard let next = page.next else { return tickets }
            query.after = next
        }
    }

    private func ids(_ page: TicketStore.Page) throws -> [Int] {
        try page.tickets.compactMap { try JSONReader.read($0)["id"]?.int }
    }
}
