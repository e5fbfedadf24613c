import Synchronization
import TerapiCore

/// A clock that stands still until it is moved.
final class TestClock: WallClock {
    private let moment: Mutex<Timestamp>

    init(_ text: String = "2026-03-01T12:00:00Z") {
        moment = Mutex(Timestamp(iso8601: text) ?? Timestamp(microseconds: 0))
    }

    var now: Timestamp { moment.withLock { $0 } }

    func advance(by duration: Duration) {
        moment.withLock { $0 = $0 + duration }
    }

    func sleep(until moment: Timestamp) async throws {
        self.moment.withLock { $0 = max($0, moment) }
    }
}
