import Synchronization

/// How many are at work, by what they share.
final class Busy<Key: Hashable & Sendable>: Sendable {
    private let state = Mutex<[Key: Int]>([:])

    var counts: [Key: Int] { state.withLock { $0 } }
    var total: Int { state.withLock { $0.values.reduce(0, +) } }

    func take(_ key: Key) {
        state.withLock { $0[key, default: 0] += 1 }
    }

    func free(_ key: Key) {
        state.withLock { counts in
            let rest = (counts[key] ?? 1) - 1
            counts[key] = rest > 0 ? rest : nil
        }
    }
}
