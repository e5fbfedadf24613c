import Synchronization
import TerapiCore

/// The tickets of the sandbox in the order in which its API lists them: by last change, then by id.
final class TicketStore: Sendable {
    /// A place in the list, between two tickets.
    struct Place: Comparable {
        var updatedAt: Timestamp
        var id: Int

        static func < (left: Place, right: Place) -> Bool {
            (left.updatedAt, left.id) < (right.updatedAt, right.id)
        }
    }

    struct Query {
        /// Only tickets that changed at this moment or later.
        var updatedSince: Timestamp?
        /// Only tickets behind this place; stays right while tickets change between two pages.
        var after: Place?
        /// Counted from 1. Skips earlier pages, and like any page number skips or repeats when tickets change meanwhile.
        var page = 1
        var perPage = 100
        var includesDeleted = false
    }

    struct Page {
        var tickets: [[UInt8]]
        /// The place of the last ticket, when more follow.
        var next: Place?
    }

    private struct State {
        var tickets: [Ticket] = []
        var places: [Int: Place] = [:]
        var lastID = 0
        var lastChange: Timestamp
    }

    private let state: Mutex<State>

    /// - Parameter now: the tickets were last changed in the thirty days before it.
    init(count: Int, now: Timestamp) {
        let begin = now - .seconds(30 * 86_400)
        let spacing = 30 * 86_400_000_000 / Int64(count + 1)
        var state = State(lastChange: now)
        state.tickets.reserveCapacity(count)
        for number in 1...max(count, 1) where count > 0 {
            let ticket = Ticket(id: number, createdAt: begin + .microseconds(Int64(number) * spacing))
            state.tickets.append(ticket)
            state.places[number] = ticket.place
        }
        state.lastID = count
        self.state = Mutex(state)
    }

    var count: (alive: Int, deleted: Int) {
        state.withLock { state in
            let deleted = state.tickets.count(where: \.isDeleted)
            return (state.tickets.count - deleted, deleted)
        }
    }

    func page(_ query: Query) -> Page {
        state.withLock { state in
            var index = 0
            if let since = query.updatedSince {
                index = max(index, Self.firstIndex(in: state.tickets) { $0.updatedAt >= since })
            }
            if let place = query.after {
                index = max(index, Self.firstIndex(in: state.tickets) { $0.place > place })
            }
            var skip = (query.page - 1) * query.perPage
            var page = Page(tickets: [], next: nil)
            page.tickets.reserveCapacity(query.perPage)
            var last: Place?
            while index < state.tickets.count {
                let ticket = state.tickets[index]
                index += 1
                if ticket.isDeleted && !query.includesDeleted { continue }
                if skip > 0 {
                    skip -= 1
                    continue
                }
                if page.tickets.count == query.perPage {
                    page.next = last
                    break
                }
                page.tickets.append(ticket.bytes)
                last = ticket.place
            }
            return page
        }
    }

    /// The ticket's document, or `nil` when it is unknown or deleted.
    func ticket(_ id: Int) -> [UInt8]? {
        state.withLock { state in
            guard let index = Self.index(of: id, in: state), !state.tickets[index].isDeleted else { return nil }
            return state.tickets[index].bytes
        }
    }

    func create(_ overrides: JSONObject, at now: Timestamp) -> Int {
        state.withLock { state in
            let moment = Self.nextMoment(&state, now)
            state.lastID += 1
            var ticket = Ticket(id: state.lastID, createdAt: moment)
            if !overrides.isEmpty { ticket.update(overrides, at: moment) }
            state.tickets.append(ticket)
            state.places[ticket.id] = ticket.place
            return ticket.id
        }
    }

    /// Changes a ticket, which moves it to the end of the list.
    /// - Returns: whether there is such a ticket.
    func update(_ id: Int, _ overrides: JSONObject, at now: Timestamp) -> Bool {
        change(id, at: now) { $0.update(overrides, at: $1) }
    }

    /// Leaves a tombstone at the end of the list.
    /// - Returns: whether there was such a ticket.
    func delete(_ id: Int, at now: Timestamp) -> Bool {
        change(id, at: now) { $0.delete(at: $1) }
    }

    /// The ids of the tickets that were not changed for the longest time.
    func oldest(_ count: Int) -> [Int] {
        state.withLock { state in
            Array(state.tickets.lazy.filter { !$0.isDeleted }.prefix(count).map(\.id))
        }
    }

    private func change(_ id: Int, at now: Timestamp, _ apply: (inout Ticket, Timestamp) -> Void) -> Bool {
        state.withLock { state in
            guard let index = Self.index(of: id, in: state), !state.tickets[index].isDeleted else { return false }
            var ticket = state.tickets.remove(at: index)
            let moment = Self.nextMoment(&state, now)
            apply(&ticket, moment)
            state.tickets.append(ticket)
            state.places[id] = ticket.place
            return true
        }
    }

    // Two changes never share a moment, and none is before an earlier one, even when the clock goes back.
    private static func nextMoment(_ state: inout State, _ now: Timestamp) -> Timestamp {
        state.lastChange = max(now, state.lastChange + .microseconds(1))
        return state.lastChange
    }

    private static func index(of id: Int, in state: State) -> Int? {
        guard let place = state.places[id] else { return nil }
        return firstIndex(in: state.tickets) { $0.place >= place }
    }

    /// The first index from which on the condition holds; the tickets are sorted so that it holds to the end.
    private static func firstIndex(in tickets: [Ticket], where holds: (Ticket) -> Bool) -> Int {
        var low = 0
        var high = tickets.count
        while low < high {
            let middle = (low + high) / 2
            if holds(tickets[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

extension Ticket {
    fileprivate var place: TicketStore.Place {
        TicketStore.Place(updatedAt: updatedAt, id: id)
    }
}
