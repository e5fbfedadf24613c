import Synchronization
import TerapiCore

/// Lets so many of each environment in at a time; others wait for their turn, but not for ever.
final class Admission: Sendable {
    private struct Queue {
        var inside = 0
        var waiters: [(id: UInt64, continuation: CheckedContinuation<Bool, Never>)] = []
    }

    private struct State {
        var queues: [Int64: Queue] = [:]
        var lastID: UInt64 = 0
    }

    private let limit: Int
    private let patience: Duration
    private let clock: any WallClock
    private let state = Mutex(State())

    init(limit: Int, patience: Duration, clock: any WallClock) {
        self.limit = limit
        self.patience = patience
        self.clock = clock
    }

    /// - Throws: `TerapiError(.tooManyRequests)` when no turn came; the body has not begun then.
    func admit<Result>(_ environmentID: Int64, _ body: () async throws -> Result) async throws -> Result {
        if !enter(environmentID) { try await wait(environmentID) }
        defer { leave(environmentID) }
        return try await body()
    }

    private func enter(_ environmentID: Int64) -> Bool {
        state.withLock { state in
            guard state.queues[environmentID, default: Queue()].inside < limit else { return false }
            state.queues[environmentID, default: Queue()].inside += 1
            return true
        }
    }

    /// Who leaves gives the place to who has waited longest.
    private func leave(_ environmentID: Int64) {
        let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            guard var queue = state.queues[environmentID] else { return nil }
            defer { state.queues[environmentID] = queue.inside == 0 ? nil : queue }
            guard queue.waiters.isEmpty else { return queue.waiters.removeFirst().continuation }
            queue.inside -= 1
            return nil
        }
        next?.resume(returning: true)
    }

    private func wait(_ environmentID: Int64) async throws {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        let isIn = await withTaskGroup { group in
            group.addTask { await self.turn(id, environmentID) }
            group.addTask {
                try? await self.clock.sleep(for: self.patience)
                self.giveUp(id, environmentID)
                return nil as Bool?
            }
            var answer = false
            for await turn in group {
                guard let turn else { continue }
                answer = turn
                group.cancelAll()
            }
            return answer
        }
        guard isIn else {
            try Task.checkCancellation()
            throw TerapiError(
                .tooManyRequests,
                "\(limit) actions of this environment are at work, and none has ended in time. Try again in a moment.",
                retryAfterSeconds: 5
            )
        }
    }

    private func turn(_ id: UInt64, _ environmentID: Int64) async -> Bool? {
        await withCheckedContinuation { continuation in
            let isIn = state.withLock { state in
                var queue = state.queues[environmentID, default: Queue()]
                let isFree = queue.inside < limit
                if isFree { queue.inside += 1 } else { queue.waiters.append((id, continuation)) }
                state.queues[environmentID] = queue
                return isFree
            }
            if isIn { continuation.resume(returning: true) }
        }
    }

    private func giveUp(_ id: UInt64, _ environmentID: Int64) {
        let waiter = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            guard let index = state.queues[environmentID]?.waiters.firstIndex(where: { $0.id == id }) else {
                return nil
            }
            return state.queues[environmentID]?.waiters.remove(at: index).continuation
        }
        waiter?.resume(returning: false)
    }
}
