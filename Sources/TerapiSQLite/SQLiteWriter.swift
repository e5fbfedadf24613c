import Dispatch
import Synchronization
import TerapiCore
import TerapiStorage

/// The one connection that writes, with group commit: the closures that wait share one transaction and one flush of
/// the disk, which is what a commit costs (a few hundred a second), and each is told only after that flush.
///
/// Every closure has a savepoint of its own, so one that throws takes only itself back.
final class SQLiteWriter: Sendable {
    private struct Waiting {
        var jobs: [any WriteJob] = []
        var isRunning = false
        var isClosed = false
    }

    /// When a group stops taking in closures that arrive while it runs: the first of them waits for the last.
    private static let groupDuration = DispatchTimeInterval.milliseconds(10)
    private static let groupSize = 256

    /// Frames in the log from which it is folded back after a commit, and from which that waits for readers.
    private static let checkpointFrames = 8_000
    private static let largestWALFrames = 40_000

    // Touched on `queue` only.
    nonisolated(unsafe) private let connection: SQLiteConnection
    private let queue = DispatchQueue(label: "terapi.sqlite.writer")
    private let waiting = Mutex(Waiting())

    init(connection: SQLiteConnection) {
        self.connection = connection
        connection.countWALFrames()
    }

    func write<T: Sendable>(_ body: @escaping @Sendable (any Transaction) throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            submit(PendingWrite(body: body, continuation: continuation))
        }
    }

    func close() async {
        waiting.withLock { $0.isClosed = true }
        await withCheckedContinuation { continuation in
            queue.async {
                // Behind everything that was submitted: the queue is serial.
                self.drain()
                self.connection.checkpoint(waitingForReaders: false)
                self.connection.close()
                continuation.resume()
            }
        }
    }

    private func submit(_ job: some WriteJob) {
        let (accepted, start) = waiting.withLock { waiting in
            guard !waiting.isClosed else { return (false, false) }
            waiting.jobs.append(job)
            defer { waiting.isRunning = true }
            return (true, !waiting.isRunning)
        }
        guard accepted else {
            job.complete(failure: TerapiError(.storageUnavailable, "The storage is closed."))
            return
        }
        if start { queue.async { self.drain() } }
    }

    private func drain() {
        while true {
            let jobs = waiting.withLock { waiting in
                defer { waiting.jobs = [] }
                if waiting.jobs.isEmpty { waiting.isRunning = false }
                return waiting.jobs
            }
            guard !jobs.isEmpty else { return }
            runGroup(startingWith: jobs)
            // After the group has been told, while its callers prepare their next work.
            if connection.walFrames >= Self.checkpointFrames {
                connection.checkpoint(waitingForReaders: connection.walFrames >= Self.largestWALFrames)
            }
        }
    }

    /// Runs the jobs and those that arrive meanwhile, commits once, and tells each its outcome.
    private func runGroup(startingWith first: [any WriteJob]) {
        let end = DispatchTime.now() + Self.groupDuration
        var written: [any WriteJob] = []
        var next = first[...]
        while let job = next.popFirst() {
            do {
                try run(job, isFirst: written.isEmpty)
                written.append(job)
            } catch {
                if connection.isOutsideTransaction, !written.isEmpty {
                    // SQLite gave the whole transaction up: what the others wrote is gone as well.
                    for job in written { job.complete(failure: Self.lost(because: error)) }
                    written = []
                }
                job.complete(failure: error)
            }
            if next.isEmpty, written.count < Self.groupSize, DispatchTime.now() < end {
                next = waiting.withLock { waiting in
                    defer { waiting.jobs = [] }
                    return waiting.jobs[...]
                }
            }
        }
        guard !written.isEmpty else { return }
        do {
            try connection.run("commit", [])
            for job in written { job.complete(failure: nil) }
        } catch {
            rollback()
            for job in written { job.complete(failure: error) }
        }
    }

    /// Runs one job so that its failure leaves nothing behind but the work of the others.
    private func run(_ job: any WriteJob, isFirst: Bool) throws {
        try connection.run(isFirst ? "begin immediate" : "savepoint job", [])
        do {
            try job.run(in: connection)
            if !isFirst { try connection.run("release job", []) }
        } catch {
            if isFirst {
                rollback()
            } else if !connection.isOutsideTransaction {
                do {
                    try connection.run("rollback to job", [])
                    try connection.run("release job", [])
                } catch {
                    rollback()
                }
            }
            throw error
        }
    }

    private func rollback() {
        guard !connection.isOutsideTransaction else { return }
        // A rollback fails only when there is nothing left to roll back.
        _ = try? connection.run("rollback", [])
    }

    private static func lost(because error: any Error) -> TerapiError {
        TerapiError(.storageUnavailable, "The database gave up a transaction. Try again.", cause: error)
    }
}

/// A closure that waits for its turn, and the caller who waits for it.
private protocol WriteJob: AnyObject, Sendable {
    func run(in transaction: any Transaction) throws

    /// Wakes the caller with the closure's result, or with the failure of the closure or of the commit.
    func complete(failure: (any Error)?)
}

private final class PendingWrite<T: Sendable>: WriteJob {
    private let body: @Sendable (any Transaction) throws -> T
    private let continuation: CheckedContinuation<T, any Error>

    // Touched on the writer's queue only, by `run` and after it by `complete`.
    nonisolated(unsafe) private var result: T?

    init(
        body: @escaping @Sendable (any Transaction) throws -> T,
        continuation: CheckedContinuation<T, any Error>
    ) {
        self.body = body
        self.continuation = continuation
    }

    func run(in transaction: any Transaction) throws {
        result = try body(transaction)
    }

    func complete(failure: (any Error)?) {
        switch (failure, result) {
        case (let failure?, _): continuation.resume(throwing: failure)
        case (nil, let result?): continuation.resume(returning: result)
        case (nil, nil): preconditionFailure("A write is complete before it has run")
        }
    }
}
