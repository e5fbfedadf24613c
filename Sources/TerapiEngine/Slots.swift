import Synchronization

/// Counts what is at work against what may be.
final class Slots: Sendable {
    private let used = Mutex(0)
    private let count: Int

    init(_ count: Int) {
        self.count = count
    }

    var available: Int { count - used.withLock { $0 } }
    var hasFree: Bool { used.withLock { $0 } < count }

    func take() { used.withLock { $0 += 1 } }
    func free() { used.withLock { $0 -= 1 } }
}
