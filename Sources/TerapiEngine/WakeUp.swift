import Synchronization
import TerapiCore

/// Wakes a loop that sleeps until its next work is due. A ring that comes before the loop sleeps is not lost.
final class WakeUp: Sendable {
    private struct State {
        var isRung = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func ring() {
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            if state.waiter == nil { state.isRung = true }
            return state.waiter
        }
        waiter?.resume()
    }

    /// Returns when rung, when the moment has come, or when the task is cancelled.
    func wait(until moment: Timestamp?, clock: any WallClock) async {
        await withTaskGroup { group in
            group.addTask { await self.rung() }
            if let moment {
                group.addTask { try? await clock.sleep(until: moment) }
            }
            await group.next()
            group.cancelAll()
        }
    }

    /// Only one task waits at a time.
    private func rung() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if state.isRung || Task.isCancelled {
                        state.isRung = false
                        return true
                    }
                    state.waiter = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.resume()
        }
    }
}
