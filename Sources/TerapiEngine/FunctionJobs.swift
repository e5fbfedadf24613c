import Synchronization
import TerapiCore

/// Work on single functions that callers ask about later. In memory: what must last is in the deployments and the logs.
final class FunctionJobs: Sendable {
    enum Work: Sendable {
        case dryrun(DryrunRequest)
        case deployment(SentScript)

        var kind: FunctionJob.Kind {
            switch self {
            case .dryrun: .dryrun
            case .deployment: .deployment
            }
        }
    }

    /// Jobs of one environment that wait or run.
    static let maxOpen = 20
    static let maxKept = 1_000
    static let lifetime = Duration.seconds(3600)

    private struct State {
        var jobs: [String: FunctionJob] = [:]
        var waiting: [(id: String, work: Work)] = []
    }

    private let clock: any WallClock
    private let state = Mutex(State())
    let wakeUp = WakeUp()

    init(clock: any WallClock) {
        self.clock = clock
    }

    subscript(id: String) -> FunctionJob? {
        state.withLock { state in
            removeExpired(&state)
            return state.jobs[id]
        }
    }

    /// - Throws: `TerapiError(.tooManyRequests)` when the environment has too much of this under way.
    func add(_ work: Work, in scope: EnvironmentScope) throws -> FunctionJob {
        let job = FunctionJob(id: randomUUID(), scope: scope, kind: work.kind, createdAt: clock.now)
        try state.withLock { state in
            removeExpired(&state)
            guard state.jobs.values.count(where: { $0.scope == scope && $0.endedAt == nil }) < Self.maxOpen else {
                throw TerapiError(
                    .tooManyRequests,
                    "\(Self.maxOpen) dryruns and deployments of functions are under way. Wait until some have ended.",
                    retryAfterSeconds: 5
                )
            }
            state.jobs[job.id] = job
            state.waiting.append((job.id, work))
        }
        wakeUp.ring()
        return job
    }

    /// The one that has waited longest, as running now.
    func take() -> (job: FunctionJob, work: Work)? {
        state.withLock { state in
            guard !state.waiting.isEmpty else { return nil }
            let (id, work) = state.waiting.removeFirst()
            state.jobs[id]?.status = .running
            return state.jobs[id].map { ($0, work) }
        }
    }

    func end(_ id: String, _ result: JSONValue?, _ error: TerapiError?) {
        state.withLock { state in
            state.jobs[id]?.status = error == nil ? .success : .failed
            state.jobs[id]?.result = result
            state.jobs[id]?.error = error
            state.jobs[id]?.endedAt = clock.now
        }
    }

    private func removeExpired(_ state: inout State) {
        let now = clock.now
        state.jobs = state.jobs.filter { _, job in job.endedAt.map { $0 + Self.lifetime > now } ?? true }
        guard state.jobs.count >= Self.maxKept else { return }
        let ended = state.jobs.values.filter { $0.endedAt != nil }.sorted { $0.createdAt < $1.createdAt }
        for job in ended.prefix(state.jobs.count - Self.maxKept + 1) { state.jobs[job.id] = nil }
    }
}
