import Dispatch
import Synchronization
public import TerapiCore

/// Runs scripts in child processes: one for each environment that has something to run, never shared by two.
///
/// A process is started when it is first needed, shared by the environment's runs, and ended when it has been idle.
public final class ScriptHost: ScriptRuntime {
    private struct Place {
        var process: HostProcess
        var users = 0
        /// Counts the times that the place became idle, so that an old timer does not end a used process.
        var idleTurn = 0
    }

    private struct Waiter {
        var id: UInt64
        var environmentID: Int64
        var continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var places: [Int64: Place] = [:]
        var waiters: [Waiter] = []
        var lastWaiter: UInt64 = 0
    }

    /// What scripts of this host may require by hash; see ``ScriptBundler``.
    public let modules: SharedModules
    private let executable: String
    private let arguments: [String]
    private let limits: ScriptLimits
    private let state = Mutex(State())

    /// - Parameters:
    ///   - executable: the program that calls ``ScriptHostProcess/main()`` when it is given `arguments`; a whole path.
    ///   - modules: what scripts share, where others add to it too.
    public init(
        executable: String,
        arguments: [String],
        limits: ScriptLimits = ScriptLimits(),
        modules: SharedModules = SharedModules()
    ) {
        self.modules = modules
        self.executable = executable
        self.arguments = arguments
        self.limits = limits
    }

    deinit {
        stop()
    }

    /// Ends every process. Runs that are under way fail.
    public func stop() {
        let processes = state.withLock { state in
            defer { state.places = [:] }
            return state.places.values.map(\.process)
        }
        for process in processes { process.kill(because: .stopped) }
    }

    /// Starts the environment's process ahead of its first run.
    public func warmUp(environmentID: Int64) async throws {
        giveBack(try await borrow(for: environmentID), of: environmentID)
    }

    /// The processes that live now, by environment.
    public var processIDs: [Int64: Int32] {
        state.withLock { $0.places.filter { $0.value.process.isAlive }.mapValues(\.process.processID) }
    }

    public func run(_ invocation: ScriptInvocation, functions: any ScriptFunctions) async throws -> [UInt8] {
        while true {
            let process = try await borrow(for: invocation.environmentID)
            defer { giveBack(process, of: invocation.environmentID) }
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
            return try await run.run(events: events, continuation: continuation)
        }
    }

    private func borrow(for environmentID: Int64) async throws -> HostProcess {
        while true {
            try Task.checkCancellation()
            if let process = try tryBorrow(for: environmentID) { return process }
            try await waitForPlace(environmentID)
        }
    }

    /// `nil` when as many processes as allowed are busy with other environments.
    private func tryBorrow(for environmentID: Int64) throws -> HostProcess? {
        try state.withLock { state in
            if let place = state.places[environmentID], place.process.isUsable {
                state.places[environmentID]?.users += 1
                return place.process
            }
            if state.places[environmentID] == nil, state.places.count >= limits.maxHosts {
                guard let idle = state.places.first(where: { $0.value.users == 0 }) else { return nil }
                idle.value.process.kill(because: .stopped)
                state.places[idle.key] = nil
            }
            let process = try HostProcess(executable: executable, arguments: arguments, limits: limits)
            state.places[environmentID] = Place(process: process, users: 1)
            return process
        }
    }

    private func waitForPlace(_ environmentID: Int64) async throws {
        let id = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isFree = state.withLock { state in
                    let isFree =
                        Task.isCancelled || state.places.count < limits.maxHosts
                        || state.places.contains { $0.value.users == 0 }
                    if !isFree {
                        state.waiters.append(
                            Waiter(id: id, environmentID: environmentID, continuation: continuation)
                        )
                    }
                    return isFree
                }
                if isFree { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.waiters.firstIndex { $0.id == id }.map { state.waiters.remove(at: $0) }
            }
            waiter?.continuation.resume(throwing: CancellationError())
        }
    }

    private func giveBack(_ process: HostProcess, of environmentID: Int64) {
        let (waiter, idleTurn) = state.withLock { state -> (Waiter?, Int?) in
            guard var place = state.places[environmentID], place.process === process else { return (nil, nil) }
            place.users -= 1
            guard place.users == 0 else {
                state.places[environmentID] = place
                return (nil, nil)
            }
            place.idleTurn += 1
            state.places[environmentID] = process.isUsable ? place : nil
            return (state.waiters.isEmpty ? nil : state.waiters.removeFirst(), place.idleTurn)
        }
        waiter?.continuation.resume()
        guard let idleTurn else { return }
        DispatchQueue.global().asyncAfter(deadline: .now() + limits.idle.secondsAsDouble) { [weak self] in
            self?.endIdle(environmentID, turn: idleTurn)
        }
    }

    private func endIdle(_ environmentID: Int64, turn: Int) {
        let process: HostProcess? = state.withLock { state in
            guard let place = state.places[environmentID], place.users == 0, place.idleTurn == turn else { return nil }
            state.places[environmentID] = nil
            return place.process
        }
        process?.kill(because: .stopped)
    }
}
