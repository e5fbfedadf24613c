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
            let runner = SyncRunner(services: services)
            let connection = try await services.connections.connection(row: sync.connectionID)
            do {
                try await runner.end(
                    sync,
                    run,
                    status: .abandoned,
                    error: "The server ended during the run.",
                    connection: connection
                )
            } catch let error as TerapiError where error.code == .staleRun {
                continue
            }
            let log = runner.log(of: sync, run, connection: connection)
            log.write(.warn, "The server ended during this run. The sync goes on from its checkpoint.")
            log.end(.cancelled)
        }
    }
}
