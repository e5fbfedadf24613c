import TerapiCore

/// Keeps how far a run has come in reading the history of its sync, and tells when that is done.
struct BackfillReporter: Sendable {
    let context: SyncRunContext
    let services: EngineServices
    let log: OperationLog

    /// - Parameter report: what the script says: `from`, `until` and `reached` as ISO 8601, `windows`, `windows_done` and
    ///   `finished`.
    func report(_ report: JSONValue) async throws {
        let isFinished = report["finished"]?.bool ?? false
        let now = services.clock.now
        let from = try moment("from", in: report)
        let until = try moment("until", in: report)
        let windows = report["windows"]?.int ?? 1
        var reached = isFinished ? until : from
        if !isFinished, report["reached"] != nil { reached = try moment("reached", in: report) }
        let backfill = Backfill(
            from: from,
            until: until,
            reached: reached,
            windows: windows,
            windowsDone: isFinished ? windows : report["windows_done"]?.int ?? 0,
            // Of the first report; later ones do not move it.
            startedAt: context.run.startedAt,
            finishedAt: isFinished ? now : nil
        )
        guard from <= until, windows >= 1, (0...windows).contains(backfill.windowsDone) else {
            throw TerapiError(
                .scriptError,
                "reportBackfill takes a time from before until, and at most as many windows done as there are.")
        }
        var event: WebhookEvent?
        if isFinished {
            event = try await services.webhooks.backfillEvent(
                begun(backfill),
                of: context.sync,
                connection: context.connection,
                models: context.definition.models
            )
        }
        guard try await services.syncs.note(backfill, run: context.run.fence, event: event) else {
            if !isFinished, windows > 1, backfill.windowsDone > 0 {
                log.write(
                    .info,
                    "History: \(backfill.windowsDone) of \(windows) windows are read, up to \(backfill.reached.iso8601)."
                )
            }
            return
        }
        log.write(.info, "The history since \(from.iso8601) is read.")
        noteEnd(of: try await begun(backfill))
        services.webhookWakeUp.ring()
    }

    /// With the moment of the first report.
    private func begun(_ backfill: Backfill) async throws -> Backfill {
        var backfill = backfill
        if let known = try await services.syncs.backfill(syncID: context.sync.id) {
            backfill.startedAt = known.startedAt
        }
        return backfill
    }

    private func noteEnd(of backfill: Backfill) {
        let operation = OperationLog(
            LogOperation(
                scope: context.sync.scope,
                kind: .syncBackfill,
                message: "\(context.sync.title): history from \(backfill.from.iso8601) to \(backfill.until.iso8601)",
                integrationKey: context.sync.integrationKey,
                connectionID: context.connection.connectionID,
                subject: context.sync.title,
                createdAt: backfill.startedAt
            ),
            sink: services.log,
            clock: services.clock
        )
        operation.end(.success, "The history is read: \(backfill.windows) windows. The run was \(log.id).")
    }

    private func moment(_ name: String, in report: JSONValue) throws -> Timestamp {
        guard let moment = report[name]?.string.flatMap({ Timestamp(iso8601: $0) }) else {
            throw TerapiError(
                .scriptError, "reportBackfill takes \(name) as a date and time such as 2026-01-31T12:00:00Z.")
        }
        return moment
    }
}
