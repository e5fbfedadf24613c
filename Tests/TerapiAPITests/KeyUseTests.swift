import HTTPTypes
import Synchronization
import TerapiCore
import Testing

@testable import TerapiAPI

/// When an API key was used last.
@Suite(.timeLimit(.minutes(1)))
struct KeyUseTests {
    /// A clock that is moved by hand.
    private final class Clock: WallClock {
        private let moment = Mutex(Timestamp(microseconds: 1_800_000_000_000_000))
        var now: Timestamp { moment.withLock { $0 } }
        func sleep(until moment: Timestamp) async throws {}
        func advance(by duration: Duration) { moment.withLock { $0 = $0 + duration } }
    }

    @Test func `is noted at the first use and then once a minute`() async throws {
        let world = World()
        let clock = Clock()
        let (uses, continuation) = AsyncStream.makeStream(of: Timestamp.self)
        world.storage.state.withLock { $0.onUse = { _, moment in continuation.yield(moment) } }
        let authenticator = Authenticator(settings: world.storage, connections: world.storage, clock: clock)
        let text = world.devKey.text.reveal()
        let start = clock.now

        // Through what is remembered, and past it: a key is read again every five seconds.
        for _ in 0..<121 {
            _ = try await authenticator.key(text)
            _ = try await authenticator.key(text)
            clock.advance(by: .seconds(1))
        }

        // The notes are made side by side and come in any order; one too many would be among the first three.
        var noted: Set<Timestamp> = []
        for await moment in uses {
            noted.insert(moment)
            if noted.count == 3 { break }
        }
        #expect(noted == [start, start + .seconds(60), start + .seconds(120)])
    }

    @Test func `counts what is in the database, so that a restart notes nothing early`() async throws {
        let world = World()
        let clock = Clock()
        let (uses, continuation) = AsyncStream.makeStream(of: Timestamp.self)
        world.storage.state.withLock { state in
            state.onUse = { _, moment in continuation.yield(moment) }
            state.keys[world.devKey.hash]?.lastUsedAt = clock.now - .seconds(59)
        }
        let authenticator = Authenticator(settings: world.storage, connections: world.storage, clock: clock)

        _ = try await authenticator.key(world.devKey.text.reveal())
        clock.advance(by: .seconds(1))
        _ = try await authenticator.key(world.devKey.text.reveal())

        var iterator = uses.makeAsyncIterator()
        #expect(await iterator.next() == clock.now)
    }

    @Test func `no request waits for the note`() async throws {
        let world = World()
        let (begun, beginning) = AsyncStream.makeStream(of: Void.self)
        let (gate, opening) = AsyncStream.makeStream(of: Void.self)
        world.storage.state.withLock { state in
            state.onUse = { _, _ in
                beginning.yield()
                for await _ in gate {}
            }
        }

        let answer = try await world.send(.get, "/environment", bearer: world.devKey)

        #expect(answer.status == 200)
        // The note was being written meanwhile, and still is.
        var iterator = begun.makeAsyncIterator()
        #expect(await iterator.next() != nil)
        opening.finish()
    }
}
