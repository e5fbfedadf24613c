import Synchronization
import TerapiCore

/// Locks that scripts of one environment take by name, so that two runs do not do the same thing at once.
///
/// In memory: when the process ends, every run that holds one has ended with it.
final class ScriptLocks: Sendable {
    private struct Name: Hashable {
        var environmentID: Int64
        var key: String
    }

    private struct Hold {
        var owner: String
        var until: Timestamp
    }

    private let holds = Mutex<[Name: Hold]>([:])
    private let clock: any WallClock

    init(clock: any WallClock) {
        self.clock = clock
    }

    /// - Parameter owner: the run. It may take a lock that it holds again, and so hold it for longer.
    /// - Returns: whether the owner has the lock now.
    func acquire(_ key: String, in scope: EnvironmentScope, owner: String, for duration: Duration) -> Bool {
        let name = Name(environmentID: scope.environmentID, key: key)
        let now = clock.now
        return holds.withLock { holds in
            if let hold = holds[name], hold.owner != owner, hold.until > now { return false }
            holds[name] = Hold(owner: owner, until: now + duration)
            return true
        }
    }

    /// - Returns: whether the owner had the lock.
    func release(_ key: String, in scope: EnvironmentScope, owner: String) -> Bool {
        let name = Name(environmentID: scope.environmentID, key: key)
        let now = clock.now
        return holds.withLock { holds in
            guard let hold = holds[name], hold.owner == owner else { return false }
            holds[name] = nil
            return hold.until > now
        }
    }

    func releaseAll(of owner: String) {
        holds.withLock { holds in
            guard !holds.isEmpty else { return }
            holds = holds.filter { $0.value.owner != owner }
        }
    }
}
