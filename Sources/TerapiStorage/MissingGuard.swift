#if DEBUG
import TerapiCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Ways to take out a guard against crashes, so that the tests of it can be seen to fail (`Tests/EndToEnd/test_kill.py`).
///
/// `TERAPI_FAULT` names one. No release build has them.
enum MissingGuard: String {
    /// A checkpoint is committed on its own, before the records that it covers.
    case checkpointBeforeRecords = "checkpoint-before-records"
    /// No checkpoint is committed.
    case checkpointLeftOut = "checkpoint-left-out"
    /// The webhooks of a run are written on their own, after its end.
    case webhookAfterRun = "webhook-after-run"

    static let chosen = getenv("TERAPI_FAULT").flatMap { MissingGuard(rawValue: String(cString: $0)) }

    /// Says between two commits that should be one that the moment has come to pull the plug, and waits for it.
    static func waitForCrash() async throws {
        let line = "The guard is open.\n"
        _ = write(STDERR_FILENO, line, line.utf8.count)
        try await Task.sleep(for: .seconds(3600))
    }
}

extension SQLStorage {
    /// What is to be committed of a batch.
    func spoiled(_ batch: RecordBatch) async throws -> RecordBatch {
        switch MissingGuard.chosen {
        case .checkpointBeforeRecords where !batch.changes.isEmpty && batch.checkpoint != nil:
            let (run, checkpoint) = (batch.run, batch.checkpoint)
            try await database.write { try Self.move(checkpoint, of: run, in: $0) }
            try await MissingGuard.waitForCrash()
        case .checkpointLeftOut:
            return RecordBatch(run: batch.run, scope: batch.scope, changes: batch.changes)
        default: break
        }
        return batch
    }

    /// Tears the end of a run and its webhooks apart.
    func endRunBeforeTelling(
        _ run: RunFence,
        ending: RunEnding,
        events: [WebhookEvent],
        now: Timestamp
    ) async throws {
        try await endRun(run, ending: ending, events: [], now: now)
        try await MissingGuard.waitForCrash()
        try await database.write { transaction in
            for event in events { try Self.insert(event, in: transaction) }
        }
    }
}
#endif
