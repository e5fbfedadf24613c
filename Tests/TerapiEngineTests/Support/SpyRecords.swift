import Synchronization
import TerapiCore

/// The real record storage, with a look at what passes and a hand on when it is committed.
final class SpyRecords: RecordStorage {
    private struct Watched: PreparedRecordBatch {
        var batch: RecordBatch
        var prepared: any PreparedRecordBatch
    }

    private let storage: any RecordStorage
    private let batches = Mutex<[RecordBatch]>([])
    private let gate = Mutex<Counter?>(nil)
    private let beforeRemoval = Mutex<(@Sendable () async throws -> Void)?>(nil)

    /// Batches whose commit has begun, and that are committed.
    let begun = Counter()
    let committed = Counter()

    init(_ storage: any RecordStorage) {
        self.storage = storage
    }

    /// The committed batches in their order.
    var commits: [RecordBatch] { batches.withLock { $0 } }

    /// Every commit waits until the counter has counted one.
    func hold(until counter: Counter) {
        gate.withLock { $0 = counter }
    }

    /// Done when records are about to be removed.
    func beforeRemoval(_ body: @escaping @Sendable () async throws -> Void) {
        beforeRemoval.withLock { $0 = body }
    }

    func prepare(_ batch: RecordBatch) async throws -> any PreparedRecordBatch {
        Watched(batch: batch, prepared: try await storage.prepare(batch))
    }

    func commit(_ prepared: any PreparedRecordBatch) async throws -> [String: ChangeCounts] {
        guard let watched = prepared as? Watched else {
            throw TerapiError(.serverError, "A batch was prepared by another storage.")
        }
        begun.increment()
        if let gate = gate.withLock({ $0 }) { try await gate.reached() }
        let counts = try await storage.commit(watched.prepared)
        batches.withLock { $0.append(watched.batch) }
        committed.increment()
        return counts
    }

    func page(_ query: RecordQuery) async throws -> RecordPage {
        try await storage.page(query)
    }

    func documents(
        ids: [String],
        in stream: RecordStream,
        scope: EnvironmentScope
    ) async throws -> [(id: String, document: [UInt8])] {
        try await storage.documents(ids: ids, in: stream, scope: scope)
    }

    func documents(
        after id: String?,
        limit: Int,
        in stream: RecordStream,
        scope: EnvironmentScope
    ) async throws -> [(id: String, document: [UInt8])] {
        try await storage.documents(after: id, limit: limit, in: stream, scope: scope)
    }

    func counts(connectionID: Int64) async throws -> [String: Int] {
        try await storage.counts(connectionID: connectionID)
    }

    func beginFullRead(of stream: RecordStream, run: RunFence) async throws -> Int64 {
        try await storage.beginFullRead(of: stream, run: run)
    }

    func endFullRead(
        of stream: RecordStream,
        run: RunFence,
        scope: EnvironmentScope,
        allowsMassDeletion: Bool
    ) async throws -> DeletionOutcome {
        try await storage.endFullRead(of: stream, run: run, scope: scope, allowsMassDeletion: allowsMassDeletion)
    }

    func position(of stream: RecordStream) async throws -> Int64 {
        try await storage.position(of: stream)
    }

    func abandonFullReads(run: RunFence) async throws {
        try await storage.abandonFullReads(run: run)
    }

    func removeRecords(of streams: [RecordStream]) async throws {
        try await beforeRemoval.withLock { $0 }?()
        try await storage.removeRecords(of: streams)
    }
}
