import Logging
public import ServiceLifecycle
import TerapiCore

/// Takes due syncs one after the other and runs several at a time.
public struct SyncWorker: Service {
    /// How often runs are looked for whose lease has run out: their end could not be stored.
    static let rescueInterval = Duration.seconds(60)

    let services: EngineServices
    let maxRuns: Int

    public func run() async throws {
        try await RunRescuer(services: services).runOnce()
        await cancelWhenGracefulShutdown {
            await work()
        }
    }

    /// Claims and runs what is due now, to its end.
    /// - Returns: how many runs there were.
    @discardableResult
    public func runOnce() async throws -> Int {
        let runner = SyncRunner(services: services)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            var count = 0
            while let (sync, run) = try await claim() {
                count += 1
                group.addTask { await runner.run(sync, run) }
            }
            try await group.waitForAll()
            return count
        }
    }

    private func work() async {
        let runner = SyncRunner(services: services)
        let slots = Slots(maxRuns)
        var nextRescue = services.clock.now + Self.rescueInterval
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                do {
                    if services.clock.now >= nextRescue {
                        nextRescue = services.clock.now + Self.rescueInterval
                        try await RunRescuer(services: services).runOnce()
                    }
                    while slots.hasFree, let (sync, run) = try await claim() {
                        slots.take()
                        group.addTask {
                            await runner.run(sync, run)
                            slots.free()
                            services.syncWakeUp.ring()
                        }
                    }
                    let nextDue = slots.hasFree ? try await services.syncs.nextDueAt() : nil
                    let moment = min(nextDue ?? nextRescue, nextRescue)
                    await services.syncWakeUp.wait(until: moment, clock: services.clock)
                } catch is CancellationError {
                    break
                } catch {
                    services.logger.error("Looking for due syncs failed.", metadata: ["error": "\(error)"])
                    try? await services.clock.sleep(for: .seconds(1))
                }
            }
            group.cancelAll()
        }
    }

    private func claim() async throws -> (sync: Sync, run: SyncRun)? {
        let now = services.clock.now
        return try await services.syncs.claimRun(
            owner: services.bootID,
            leaseUntil: now + SyncRunner.lease,
            operationID: randomUUID(),
            now: now
        )
    }
}
