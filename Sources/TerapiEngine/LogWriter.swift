public import Logging
public import ServiceLifecycle
import Synchronization
public import TerapiCore

/// Gathers log entries and writes them in batches, so that nothing ever waits for its log line.
///
/// The queue is bounded: beyond it entries are dropped and counted, and the count is told in the server's own log.
public final class LogWriter: LogSink, Service {
    static let maxQueued = 20_000
    static let interval = Duration.milliseconds(200)

    private struct Queue {
        var operations: [LogOperation] = []
        /// Where each operation stands: one that begins and ends within an interval is written once.
        var places: [String: Int] = [:]
        var messages: [LogMessage] = []
        var dropped = 0

        var count: Int { operations.count + messages.count }
    }

    private let queue = Mutex(Queue())
    private let storage: any LogStorage
    private let clock: any WallClock
    private let logger: Logger
    private let wakeUp = WakeUp()

    public init(storage: any LogStorage, clock: any WallClock, logger: Logger) {
        self.storage = storage
        self.clock = clock
        self.logger = logger
    }

    public func record(_ operation: LogOperation) {
        append { queue in
            if let place = queue.places[operation.id] {
                queue.operations[place] = operation
            } else {
                queue.places[operation.id] = queue.operations.count
                queue.operations.append(operation)
            }
        }
    }

    public func record(_ message: LogMessage) {
        append { $0.messages.append(message) }
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.wakeUp.wait(until: nil, clock: self.clock)
                try? await self.clock.sleep(for: Self.interval)
                await self.runOnce()
            }
        }
        await runOnce()
    }

    /// Writes what is queued now.
    public func runOnce() async {
        let batch = queue.withLock { queue in
            defer { queue = Queue() }
            return queue
        }
        if batch.dropped > 0 {
            logger.warning(
                "Log entries were dropped: they came faster than they could be written.",
                metadata: [
                    "count": "\(batch.dropped)"
                ])
        }
        guard batch.count > 0 else { return }
        do {
            try await storage.append(operations: batch.operations, messages: batch.messages)
        } catch {
            logger.error(
                "Log entries could not be written.", metadata: ["count": "\(batch.count)", "error": "\(error)"])
        }
    }

    private func append(_ change: (inout Queue) -> Void) {
        queue.withLock { queue in
            guard queue.count < Self.maxQueued else {
                queue.dropped += 1
                return
            }
            change(&queue)
        }
        wakeUp.ring()
    }
}
