import TerapiCore

/// Ends runs whose process died, tells what they had committed, and lets their syncs go on from the checkpoint.
struct RunRescuer: Sendable {
    let services: EngineServices

    func runOnce() async throws {
        let interrupted = try await services.syncs.interruptedRuns(
            notOwnedBy: services.bootID,
            now: services.clock.now
        )
        for (sync, run) in interrupted {
            let connection = try await services.connections.connection(row: sync.connectionID)
            do {
                try await SyncRunner(services: services).end(
                    sync,
                    run,
                    status: .abandoned,
                    error: "The server ended during the run.",
                    checkpoint: sync.checkpoint,
                    connection: connection
                )
            } catch let error as TerapiError where error.code == .staleRun {
                continue
            }
            services.log.record(
                LogMessage(
                    operationID: run.operationID,
                    level: .warn,
                    message: "The server ended during this run. The sync goes on from its checkpoint.",
                    createdAt: services.clock.now
                )
            )
        }
    }
}
