import CSQLite
import TerapiCore
public import TerapiStorage

/// A database in one file: one connection that writes, and readers beside it that never wait for it.
public final class SQLiteDatabase: Database {
    /// What survives a power cut.
    public enum Durability: String, Sendable {
        /// Every commit that was acknowledged. Costs a flush of the disk for each group of commits.
        case full
        /// The file is never damaged, but the last commits may be gone: for logs only.
        case normal
    }

    private let writer: SQLiteWriter
    private let readers: SQLiteReaders

    /// Opens the file, or makes it.
    ///
    /// The caller holds the folder's ``DataFolderLock``: SQLite before 3.51.3 can damage a log that two connections
    /// fold back at once, so this object's one writer must be the only one in the world.
    /// - Throws: `storage_unavailable`, also when the file system does not give what `durability` promises.
    public init(path: String, durability: Durability = .full, readers count: Int = 4) throws {
        let writing = try SQLiteConnection(path: path, isReadOnly: false)
        // Only a new file takes the page size; it must come before the log.
        try writing.execute("PRAGMA page_size = 8192")
        try writing.execute("PRAGMA journal_mode = WAL")
        try writing.execute("PRAGMA synchronous = \(durability.rawValue.uppercased())")
        try writing.execute("PRAGMA wal_autocheckpoint = 0")
        try writing.execute("PRAGMA foreign_keys = ON")
        try writing.execute("PRAGMA temp_store = MEMORY")
        try writing.execute("PRAGMA cache_size = -16384")
        try Self.require(writing, "journal_mode", "wal")
        try Self.require(writing, "synchronous", durability == .full ? "2" : "1")
        try Self.require(writing, "foreign_keys", "1")
        readers = try SQLiteReaders(count: count) {
            let reading = try SQLiteConnection(path: path, isReadOnly: true)
            try reading.execute("PRAGMA query_only = ON")
            try reading.execute("PRAGMA cache_size = -2048")
            try Self.require(reading, "query_only", "1")
            return reading
        }
        writer = SQLiteWriter(connection: writing)
    }

    /// The version of the library in use, for the start's log line.
    public static var version: String { String(cString: sqlite3_libversion()) }

    @discardableResult
    public func write<T: Sendable>(_ body: @escaping @Sendable (any Transaction) throws -> T) async throws -> T {
        try await writer.write(body)
    }

    public func read<T: Sendable>(_ body: @escaping @Sendable (any Snapshot) throws -> T) async throws -> T {
        try await readers.read(body)
    }

    public func close() async {
        // Readers first: whoever closes last folds the log back, and that is the writer's work.
        await readers.close()
        await writer.close()
    }

    private static func require(_ connection: SQLiteConnection, _ pragma: String, _ expected: String) throws {
        let actual = try connection.pragma(pragma)
        guard actual.lowercased() == expected else {
            throw TerapiError(
                .storageUnavailable,
                "SQLite does not give what the data needs: \(pragma) is \(actual) and not \(expected)."
            )
        }
    }
}
