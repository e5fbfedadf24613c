import CSQLite
import TerapiCore
import TerapiStorage

/// One connection with its kept statements. One thread uses it at a time: its owner's serial queue.
final class SQLiteConnection: Transaction {
    private let handle: OpaquePointer
    private var statements: [SQL: SQLiteStatement] = [:]

    /// Frames in the write-ahead log after the last commit of this connection.
    private(set) var walFrames = 0

    private static let configured = csqlite_configure()

    init(path: String, isReadOnly: Bool) throws {
        _ = Self.configured
        var handle: OpaquePointer?
        // NOMUTEX: the owner's queue already lets only one thread in.
        let flags = (isReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)
        let result = sqlite3_open_v2(path, &handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
        guard result == SQLITE_OK, let handle else {
            let failure = sqliteError(on: handle, doing: "open \(path)")
            sqlite3_close_v2(handle)
            throw failure
        }
        self.handle = handle
        csqlite_refuse_double_quoted_strings(handle)
        sqlite3_busy_timeout(handle, 5_000)
    }

    deinit {
        close()
        sqlite3_close_v2(handle)
    }

    /// Lets go of all statements, so that the connection closes with its last reference.
    func close() {
        statements.removeAll()
    }

    /// Whether SQLite has ended the transaction by itself, as it does when the disk is full.
    var isOutsideTransaction: Bool { sqlite3_get_autocommit(handle) != 0 }

    // MARK: Setup

    /// Runs text made by this module only: pragmas, whose values cannot be bound.
    func execute(_ text: String) throws {
        guard sqlite3_exec(handle, text, nil, nil, nil) == SQLITE_OK else {
            throw sqliteError(on: handle, doing: text)
        }
    }

    func pragma(_ name: String) throws -> String {
        var statement: OpaquePointer?
        defer { sqlite3_finalize(statement) }
        guard sqlite3_prepare_v2(handle, "PRAGMA \(name)", -1, &statement, nil) == SQLITE_OK,
            sqlite3_step(statement) == SQLITE_ROW, let text = sqlite3_column_text(statement, 0)
        else { throw sqliteError(on: handle, doing: "PRAGMA \(name)") }
        return String(cString: text)
    }

    /// Moves the write-ahead log's content into the file, as far as no reader needs it.
    func checkpoint(waitingForReaders: Bool) {
        // A checkpoint that cannot finish is no failure: the log grows and the next commit tries again.
        let mode = waitingForReaders ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE
        _ = sqlite3_wal_checkpoint_v2(handle, nil, mode, nil, nil)
    }

    /// Takes over when the log is folded back: SQLite's own way does it inside the commit that somebody waits for.
    func countWALFrames() {
        let context = Unmanaged.passUnretained(self).toOpaque()
        // The hook is called on this connection's own thread, from inside its commit.
        _ = sqlite3_wal_hook(
            handle,
            { context, _, _, frames in
                guard let context else { return SQLITE_OK }
                Unmanaged<SQLiteConnection>.fromOpaque(context).takeUnretainedValue().walFrames = Int(frames)
                return SQLITE_OK
            },
            context
        )
    }

    // MARK: Statements

    func forEach(_ sql: SQL, _ values: [SQLValue], _ body: (any Row) throws -> Void) throws {
        try withStatement(sql) { statement in
            bind(values, to: statement)
            while try step(statement, sql) { try body(statement) }
        }
    }

    func forEach(
        _ sql: SQL,
        count: Int,
        bind: (Int, any Parameters) throws -> Void,
        _ body: (Int, any Row) throws -> Void
    ) throws {
        try withStatement(sql) { statement in
            for index in 0..<count {
                try bind(index, statement)
                while try step(statement, sql) { try body(index, statement) }
                statement.rewind()
            }
        }
    }

    @discardableResult
    func run(_ sql: SQL, _ values: [SQLValue]) throws -> Int {
        try withStatement(sql) { statement in
            bind(values, to: statement)
            while try step(statement, sql) {}
            return changes(of: statement)
        }
    }

    @discardableResult
    func run(_ sql: SQL, count: Int, bind: (Int, any Parameters) throws -> Void) throws -> Int {
        try withStatement(sql) { statement in
            var changed = 0
            for index in 0..<count {
                try bind(index, statement)
                while try step(statement, sql) {}
                changed += changes(of: statement)
                statement.rewind()
            }
            return changed
        }
    }

    func insert(_ sql: SQL, count: Int, bind: (Int, any Parameters) throws -> Void) throws -> [Int64] {
        try withStatement(sql) { statement in
            var keys: [Int64] = []
            keys.reserveCapacity(count)
            for index in 0..<count {
                try bind(index, statement)
                while try step(statement, sql) {}
                // Asked for like this because RETURNING opens a temporary table for every run of the statement.
                keys.append(sqlite3_last_insert_rowid(handle))
                statement.rewind()
            }
            return keys
        }
    }

    private func changes(of statement: SQLiteStatement) -> Int {
        // SQLite keeps the number of the last INSERT, UPDATE or DELETE: other statements would repeat it.
        statement.isReadOnly ? 0 : Int(sqlite3_changes64(handle))
    }

    private func bind(_ values: [SQLValue], to statement: SQLiteStatement) {
        for (index, value) in values.enumerated() { statement.bind(value, at: index + 1) }
    }

    private func step(_ statement: SQLiteStatement, _ sql: SQL) throws -> Bool {
        switch statement.step() {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default: throw sqliteError(on: handle, doing: sql.text)
        }
    }

    private func withStatement<R>(_ sql: SQL, _ body: (SQLiteStatement) throws -> R) throws -> R {
        let statement: SQLiteStatement
        if let kept = statements[sql], !kept.isInUse {
            statement = kept
        } else {
            // The same statement inside its own rows gets a second one, which stays in the first one's place.
            statement = try SQLiteStatement(sql, on: handle)
            statements[sql] = statement
        }
        statement.begin()
        defer { statement.end() }
        return try body(statement)
    }
}
