import Dispatch
import Synchronization
public import TerapiCore

/// Runs scripts in child processes, each of which belongs to one environment.
///
/// A process is started when it is first needed, shared by the environment's runs, and ended when it has been idle. A
/// script that has cost its process runs alone for a while, so that it costs no other run theirs.
public final class ScriptHost: ScriptRuntime {
    /// How often a run that has done nothing yet begins again when it loses its host.
    private static let maxLosses = 5

    private struct Place {
        let process: HostProcess
        let environmentID: Int64
        var users = 0
        /// Its one run shares it with no other.
        var isSolitary = false
        /// Counts the times that the place became idle, so that an old timer does not end a used process.
        var idleTurn = 0
    }

    /// Whose turn is limited together: one script of one environment.
    private struct Subject: Hashable {
        var environmentID: Int64
        var kind: ScriptInvocation.Kind
        var name: String
    }

    private struct Suspect {
        var blame: Blame
        var until: ContinuousClock.Instant
    }

    private struct Waiter {
        var id: UInt64
        var environmentID: Int64
        var isSolitary: Bool
        var continuation: CheckedContinuation<HostProcess, any Error>
    }

    private struct State {
        var places: [Place] = []
        var suspects: [Subject: Suspect] = [:]
        var waiters: [Waiter] = []
        var lastWaiter: UInt64 = 0
        var hasToldOfCage = false
    }

    /// What scripts of this host may require by hash; see ``ScriptBundler``.
    public let modules: SharedModules
    private let executable: String
    private let arguments: [String]
    private let limits: ScriptLimits
    private let onRefusedWalls: @Sendable (String) -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - executable: the program that calls ``ScriptHostProcess/main()`` when it is given `arguments`; a whole path.
    ///   - modules: what scripts share, where others add to it too.
    ///   - onRefusedWalls: learns, once, what of the cage around the processes this system refuses; for the log.
    public init(
        executable: String,
        arguments: [String],
        limits: ScriptLimits = ScriptLimits(),
        modules: SharedModules = SharedModules(),
        onRefusedWalls: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.modules = modules
        self.executable = executable
        self.arguments = arguments
        self.limits = limits
        self.onRefusedWalls = onRefusedWalls
    }

    deinit {
        stop()
    }

    /// Ends every process. Runs that are under way fail.
    public func stop() {
        let processes = state.withLock { state in
            defer { state.places = [] }
            return state.places.map(\.process)
        }
        for process in processes { process.stop() }
    }

    /// Starts the environment's process ahead of its first run.
    public func warmUp(environmentID: Int64) async throws {
        giveBack(try await borrow(for: environmentID, isSolitary: false))
    }

    /// The processes that live now, by environment, the oldest first.
    public var processIDs: [Int64: [Int32]] {
        state.withLock { state in
            Dictionary(grouping: state.places.filter(\.process.isAlive), by: \.environmentID)
                .mapValues { $0.map(\.process.processID) }
        }
    }

    public func run(_ invocation: ScriptInvocation, functions: any ScriptFunctions) async throws -> [UInt8] {
        let subject = Subject(
            environmentID: invocation.environmentID, kind: invocation.kind, name: invocation.name
        )
        var losses = 0
        while true {
            let process = try await borrow(for: invocation.environmentID, isSolitary: isSuspect(subject))
            defer { giveBack(process) }
            let (events, continuation) = AsyncStream.makeStream(of: RunEvent.self)
            // It may have ended since it was borrowed.
            guard let number = process.begin(events: continuation) else { continue }
            let run = ScriptRun(
                number: number,
                invocation: invocation,
                functions: functions,
                process: process,
                modules: modules,
                limits: limits
            )
            do {
                let result = try await run.run(events: events, continuation: continuation)
                acquit(subject)
                return result
            } catch {
                accuse(subject, process.blame(of: number))
                guard let lost = error as? LostUnused else { throw error }
                losses += 1
                guard losses <= Self.maxLosses else { throw lost.error }
            }
        }
    }

    // MARK: Suspects

    private func isSuspect(_ subject: Subject) -> Bool {
        state.withLock { state in
            guard let suspect = state.suspects[subject] else { return false }
            if suspect.until > .now { return true }
            state.suspects[subject] = nil
            return false
        }
    }

    private func accuse(_ subject: Subject, _ blame: Blame) {
        guard blame != .none else { return }
        state.withLock { state in
            let isKnown = blame == .known || state.suspects[subject]?.blame == .known
            state.suspects[subject] = Suspect(blame: isKnown ? .known : .suspected, until: .now + limits.quarantine)
            // Nobody asks for a script that was taken away.
            if state.suspects.count > 1000 { state.suspects = state.suspects.filter { $0.value.until > .now } }
        }
    }

    /// A run that went well alone clears a script that was only one of several suspects.
    private func acquit(_ subject: Subject) {
        state.withLock { state in
            if state.suspects[subject]?.blame == .suspected { state.suspects[subject] = nil }
        }
    }

    // MARK: Places

    private func borrow(for environmentID: Int64, isSolitary: Bool) async throws -> HostProcess {
        let id = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let outcome = state.withLock { state -> Result<HostProcess, any Error>? in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if let outcome = place(for: environmentID, isSolitary: isSolitary, in: &state) { return outcome }
                    state.waiters.append(
                        Waiter(
                            id: id, environmentID: environmentID, isSolitary: isSolitary, continuation: continuation
                        )
                    )
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.waiters.firstIndex { $0.id == id }.map { state.waiters.remove(at: $0) }
            }
            waiter?.continuation.resume(throwing: CancellationError())
        }
    }

    /// A place in a process of the environment, or in a new one. `nil` when as many processes as allowed are busy.
    private func place(
        for environmentID: Int64, isSolitary: Bool, in state: inout State
    ) -> Result<HostProcess, any Error>? {
        let own = state.places.indices.filter { index in
            let place = state.places[index]
            return place.environmentID == environmentID && !place.isSolitary && place.process.isUsable
        }
        func take(_ index: Int) -> Result<HostProcess, any Error> {
            state.places[index].users += 1
            state.places[index].isSolitary = isSolitary
            return .success(state.places[index].process)
        }
        if isSolitary {
            // Suspects take at most half of the places from the others.
            guard state.places.count(where: \.isSolitary) < max(1, limits.maxHosts / 2) else { return nil }
            if let idle = own.first(where: { state.places[$0].users == 0 }) { return take(idle) }
        } else if let light = own.first(where: {
            state.places[$0].users < limits.maxRunsPerHost && !state.places[$0].process.isHeavy
        }) {
            return take(light)
        }
        if state.places.count >= limits.maxHosts {
            guard
                let idle = state.places.firstIndex(where: { $0.users == 0 && $0.environmentID != environmentID })
                    ?? state.places.firstIndex(where: { $0.users == 0 })
            else {
                // Better crowded than waiting.
                return isSolitary ? nil : own.min { state.places[$0].users < state.places[$1].users }.map(take)
            }
            state.places.remove(at: idle).process.stop()
        }
        return Result {
            let process = try HostProcess(
                executable: executable, arguments: arguments, limits: limits,
                onReady: { [weak self] in self?.tellOfCage(refused: $0) }
            )
            state.places.append(
                Place(process: process, environmentID: environmentID, users: 1, isSolitary: isSolitary)
            )
            return process
        }
    }

    private func tellOfCage(refused: String) {
        guard !refused.isEmpty else { return }
        let isFirst = state.withLock { state in
            defer { state.hasToldOfCage = true }
            return !state.hasToldOfCage
        }
        if isFirst { onRefusedWalls(refused) }
    }

    private func giveBack(_ process: HostProcess) {
        let (served, idleTurn) = state.withLock { state in
            var idleTurn: Int?
            if let index = state.places.firstIndex(where: { $0.process === process }) {
                state.places[index].users -= 1
                state.places[index].isSolitary = false
                if !process.isUsable {
                    // Its other runs have ended too, and ask for another.
                    state.places.remove(at: index)
                } else if state.places[index].users == 0 {
                    state.places[index].idleTurn += 1
                    idleTurn = state.places[index].idleTurn
                }
            }
            return (serveWaiters(&state), idleTurn)
        }
        for (continuation, outcome) in served { continuation.resume(with: outcome) }
        guard let idleTurn else { return }
        DispatchQueue.global().asyncAfter(deadline: .now() + limits.idle.secondsAsDouble) { [weak self] in
            self?.endIdle(process, turn: idleTurn)
        }
    }

    private typealias Served = [(CheckedContinuation<HostProcess, any Error>, Result<HostProcess, any Error>)]

    /// Gives places to those who have waited longest, until there is none.
    private func serveWaiters(_ state: inout State) -> Served {
        var served: Served = []
        for isSolitary in [true, false] {
            while let index = state.waiters.firstIndex(where: { $0.isSolitary == isSolitary }),
                let outcome = place(
                    for: state.waiters[index].environmentID, isSolitary: isSolitary, in: &state
                )
            {
                served.append((state.waiters.remove(at: index).continuation, outcome))
            }
        }
        return served
    }

    private func endIdle(_ process: HostProcess, turn: Int) {
        let isIdle = state.withLock { state in
            let index = state.places.firstIndex {
                $0.process === process && $0.users == 0 && $0.idleTurn == turn
            }
            if let index { state.places.remove(at: index) }
            return index != nil
        }
        if isIdle { process.stop() }
    }
}
