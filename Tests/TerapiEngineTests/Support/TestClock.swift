import Synchronization
import TerapiCore

/// A clock that stands still until it is moved by hand. Who sleeps wakes when the moment is reached.
final class TestClock: WallClock {
    private struct State {
        var now: Timestamp
        var nextID = 0
        var sleepers: [Int: (moment: Timestamp, continuation: CheckedContinuation<Void, any Error>)] = [:]
        var observers: [(isMet: @Sendable ([Timestamp]) -> Bool, continuation: CheckedContinuation<Void, Never>)] = []

        mutating func metObservers() -> [CheckedContinuation<Void, Never>] {
            let moments = sleepers.values.map(\.moment)
            let met = observers.filter { $0.isMet(moments) }.map(\.continuation)
            observers.removeAll { $0.isMet(moments) }
            return met
        }
    }

    private let state: Mutex<State>

    init(_ start: Timestamp = Timestamp(microseconds: 1_772_366_400_000_000)) {
        state = Mutex(State(now: start))
    }

    var now: Timestamp { state.withLock { $0.now } }

    func advance(by duration: Duration) {
        let woken = state.withLock { state in
            state.now = state.now + duration
            let due = state.sleepers.filter { $0.value.moment <= state.now }
            for id in due.keys { state.sleepers[id] = nil }
            return due.values.sorted { $0.moment < $1.moment }.map(\.continuation)
        }
        for continuation in woken { continuation.resume() }
    }

    func sleep(until moment: Timestamp) async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let (outcome, met) = state.withLock {
                    state -> (Result<Void, any Error>?, [CheckedContinuation<Void, Never>]) in
                    if Task.isCancelled { return (.failure(CancellationError()), []) }
                    if moment <= state.now { return (.success(()), []) }
                    state.sleepers[id] = (moment, continuation)
                    return (nil, state.metObservers())
                }
                if let outcome { continuation.resume(with: outcome) }
                for observer in met { observer.resume() }
            }
        } onCancel: {
            let sleeper = state.withLock { $0.sleepers.removeValue(forKey: id) }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }

    /// Returns when the moments until which tasks sleep are as wished.
    func untilSleepers(_ isMet: @escaping @Sendable (_ moments: [Timestamp]) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isMetNow = state.withLock { state in
                if isMet(state.sleepers.values.map(\.moment)) { return true }
                state.observers.append((isMet, continuation))
                return false
            }
            if isMetNow { continuation.resume() }
        }
    }

    /// Returns when somebody sleeps for exactly this long from now.
    func untilSomeoneSleeps(for duration: Duration) async {
        let moment = now + duration
        await untilSleepers { $0.contains(moment) }
    }
}
