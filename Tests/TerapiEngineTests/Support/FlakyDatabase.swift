import Synchronization
import TerapiCore
import TerapiStorage

/// A database that refuses to write while it is told to.
final class FlakyDatabase: Database {
    private let database: any Database
    private let refuses = Mutex(false)
    private let isLastWrite = Mutex(false)

    /// Writes that were refused.
    let refused = Counter()

    init(_ database: any Database) {
        self.database = database
    }

    var isDown: Bool {
        get { refuses.withLock { $0 } }
        set { refuses.withLock { $0 = newValue } }
    }

    /// Goes down when it has done one more write.
    func failAfterNextWrite() {
        isLastWrite.withLock { $0 = true }
    }

    @discardableResult
    func write<T: Sendable>(_ body: @escaping @Sendable (any Transaction) throws -> T) async throws -> T {
        guard !isDown else {
            refused.increment()
            throw TerapiError(.storageUnavailable, "The disk is full.")
        }
        let isLast = isLastWrite.withLock { isLast in
            defer { isLast = false }
            return isLast
        }
        if isLast { isDown = true }
        return try await database.write(body)
    }

    func read<T: Sendable>(_ body: @escaping @Sendable (any Snapshot) throws -> T) async throws -> T {
        try await database.read(body)
    }

    func close() async {
        await database.close()
    }
}
